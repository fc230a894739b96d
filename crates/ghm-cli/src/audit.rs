//! `ghm audit`: labels that are probably wrong, the surest first.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use ghm_audit::{Kind, Summary, Suspect, from_detections, rank, read_evidence, suspicions};
use ghm_data::Dataset;
use ghm_eval::read_detections;
use ghm_train::{RunDirectory, replace_file};
use serde_json::json;

use crate::arguments::AuditArguments;
use crate::output::{free_path, print};
use crate::table::{aligned, counted};

/// Lines printed of the list.
const SHOWN: usize = 20;

/// What is judged, and where the list goes unless told.
struct Subject {
    summary: Summary,
    dataset: Dataset,
    out: PathBuf,
    /// In words.
    of: String,
}

/// Runs the verb.
pub fn run(arguments: &AuditArguments) -> Result<ExitCode> {
    if !(0.0..1.0).contains(&arguments.least) {
        bail!("--least {}: a suspicion lies between 0 and 1", arguments.least);
    }
    let subject = match (&arguments.annotations, &arguments.detections) {
        (Some(annotations), Some(detections)) => of_files(annotations, detections)?,
        _ => of_run(arguments)?,
    };
    let Subject { summary, dataset, out, of } = subject;
    let suspects = rank(&summary, &suspicions(&summary, &dataset), &dataset, arguments.least);
    let out = arguments.out.clone().unwrap_or_else(|| free_path(&out));
    if out.exists() {
        bail!("{}: exists already and is never overwritten; give another --out", out.display());
    }
    std::fs::create_dir_all(&out).with_context(|| format!("{}: cannot be made", out.display()))?;
    replace_file(&out.join("audit.csv"), csv(&suspects).as_bytes())?;
    let document = json!({"of": of, "labels": summary.labels.len(), "least": arguments.least, "suspects": suspects});
    replace_file(&out.join("audit.json"), (serde_json::to_string_pretty(&document)? + "\n").as_bytes())?;
    print(&if arguments.json { serde_json::to_string_pretty(&document)? } else { text(&summary, &suspects, &out) })?;
    Ok(ExitCode::SUCCESS)
}

fn of_run(arguments: &AuditArguments) -> Result<Subject> {
    let Some(root) = &arguments.run else { bail!("give a run directory, or --annotations and --detections") };
    let directory = RunDirectory::open(root)?;
    let recipe = directory.read_recipe()?;
    let source = ghm_data::open(&recipe.data.root)?;
    let Some(split) = &recipe.data.train else { bail!("{}: its recipe names no data.train", root.display()) };
    let dataset = source.load(split)?.dataset;
    let evidence = directory.evidence_path();
    if !evidence.is_file() {
        bail!("{}: is not there; train with audit.evidence=true", evidence.display());
    }
    let summary = read_evidence(&evidence, &dataset)?;
    let of = format!("run {}, split {split} of {}", root.display(), source.root().display());
    Ok(Subject { summary, dataset, out: root.join("audit"), of })
}

fn of_files(annotations: &Path, detections: &Path) -> Result<Subject> {
    let source = ghm_data::open(annotations)?;
    let [split] = source.splits() else {
        bail!("{}: it has {}; give a file of one", annotations.display(), counted(source.splits().len(), "split"))
    };
    let dataset = source.load(split)?.dataset;
    let summary = from_detections(&read_detections(detections)?, &dataset);
    let of = format!("{} against {}", detections.display(), annotations.display());
    Ok(Subject { summary, dataset, out: PathBuf::from("audit"), of })
}

fn csv(suspects: &[Suspect]) -> String {
    let head = "rank,kind,suspicion,image_id,file_name,annotation_id,class,x1,y1,x2,y2,suggested_class,suggested_x1,suggested_y1,\
                suggested_x2,suggested_y2,duplicate_of,reason\n";
    let line = |suspect: &Suspect| {
        let corners =
            |bbox: Option<[f32; 4]>| bbox.map_or([const { String::new() }; 4], |b| b.map(|edge| format!("{edge:.1}")));
        let number = |id: Option<u64>| id.map_or(String::new(), |id| id.to_string());
        let mut cells = vec![
            suspect.rank.to_string(),
            name(suspect.kind).replace(' ', "-"),
            format!("{:.4}", suspect.suspicion),
            suspect.image_id.to_string(),
            suspect.file_name.clone(),
            number(suspect.annotation_id),
            suspect.class.clone(),
        ];
        cells.extend(corners(Some(suspect.bbox)));
        cells.push(suspect.suggested_class.clone().unwrap_or_default());
        cells.extend(corners(suspect.suggested_bbox));
        cells.extend([number(suspect.duplicate_of), suspect.reason.clone()]);
        cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\n"
    };
    head.to_owned() + &suspects.iter().map(line).collect::<String>()
}

/// A cell as RFC 4180 has it.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::WrongClass => "wrong class",
        Kind::LooseBox => "loose box",
        Kind::MissingBox => "missing box",
        Kind::SpuriousBox => "spurious box",
        Kind::Duplicate => "duplicate",
    }
}

fn text(summary: &Summary, suspects: &[Suspect], out: &Path) -> String {
    let kinds = [Kind::WrongClass, Kind::LooseBox, Kind::MissingBox, Kind::SpuriousBox, Kind::Duplicate];
    let counts =
        kinds.iter().map(|kind| (name(*kind), suspects.iter().filter(|suspect| suspect.kind == *kind).count()));
    let counts: Vec<String> = counts.map(|(name, count)| format!("{name} {count}")).collect();
    let head = ["rank", "suspicion", "kind", "picture", "class", "why"].map(str::to_owned);
    let line = |suspect: &Suspect| {
        let why = suspect.reason.clone();
        let suspicion = format!("{:.2}", suspect.suspicion);
        [
            suspect.rank.to_string(),
            suspicion,
            name(suspect.kind).to_owned(),
            suspect.file_name.clone(),
            suspect.class.clone(),
            why,
        ]
    };
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(suspects.iter().take(SHOWN).map(line)).collect();
    let looked = summary.labels.iter().filter(|label| label.looks > 0).count();
    format!(
        "{}: {} of {} judged; {} ({})\n\n{}\n{}",
        out.display(),
        counted(suspects.len(), "suspect"),
        counted(looked, "label"),
        counts.join(", "),
        "audit.csv and audit.json have all",
        aligned(&lines),
        if suspects.len() > SHOWN { format!("and {} more", suspects.len() - SHOWN) } else { String::new() },
    )
    .trim_end()
    .to_owned()
}
