//! `ghm audit`: labels that are probably wrong, the surest first.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use ghm_audit::{Summary, from_detections, from_networks, rank, read_evidence, suspicions};
use ghm_data::Dataset;
use ghm_eval::read_detections;
use ghm_train::{Checkpoint, RunDirectory, replace_file};
use serde_json::json;

use crate::arguments::{AuditArguments, AuditVerb};
use crate::interrupt::STOPPED;
use crate::output::{free_path, print};
use crate::table::counted;
use crate::train::device;

mod apply;
pub mod folds;
mod list;
mod page;

/// What is judged, and where the list goes unless told.
struct Subject {
    summary: Summary,
    dataset: Dataset,
    out: PathBuf,
    /// The data set and its split, for whoever mends it.
    data: PathBuf,
    split: String,
    /// In words.
    of: String,
}

/// Runs the verb.
pub fn run(arguments: &AuditArguments) -> Result<ExitCode> {
    if let Some(AuditVerb::Apply(arguments)) = &arguments.verb {
        return apply::run(arguments);
    }
    if !(0.0..1.0).contains(&arguments.least) {
        bail!("--least {}: a suspicion lies between 0 and 1", arguments.least);
    }
    let subject = match (&arguments.annotations, &arguments.detections) {
        (Some(annotations), Some(detections)) => Some(of_files(annotations, detections)?),
        _ => of_run(arguments)?,
    };
    let Some(subject) = subject else { return Ok(ExitCode::from(STOPPED)) };
    let Subject { summary, dataset, out, data, split, of } = subject;
    let suspects = rank(&summary, &suspicions(&summary, &dataset), &dataset, arguments.least);
    let out = arguments.out.clone().unwrap_or_else(|| free_path(&out));
    if out.exists() {
        bail!("{}: exists already and is never overwritten; give another --out", out.display());
    }
    std::fs::create_dir_all(&out).with_context(|| format!("{}: cannot be made", out.display()))?;
    replace_file(&out.join("audit.csv"), list::csv(&suspects).as_bytes())?;
    // What was decided about another list is not about this one.
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(&suspects)?.hash(&mut hasher);
    let list = format!("{:016x}", hasher.finish());
    let head = json!({"of": of, "data": std::path::absolute(data)?, "split": split, "list": list});
    let mut document = head.clone();
    document["labels"] = summary.labels.len().into();
    document["least"] = arguments.least.into();
    document["suspects"] = serde_json::to_value(&suspects)?;
    replace_file(&out.join("audit.json"), (serde_json::to_string_pretty(&document)? + "\n").as_bytes())?;
    let shown = &suspects[..suspects.len().min(arguments.page)];
    replace_file(&out.join("audit.html"), page::page(&of, &head, shown, &dataset)?.as_bytes())?;
    print(&if arguments.json {
        serde_json::to_string_pretty(&document)?
    } else {
        list::text(&summary, &suspects, &out)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// `None` where folds were stopped.
fn of_run(arguments: &AuditArguments) -> Result<Option<Subject>> {
    let Some(root) = &arguments.run else { bail!("give a run directory, or --annotations and --detections") };
    let directory = RunDirectory::open(root)?;
    let recipe = directory.read_recipe()?;
    let source = ghm_data::open(&recipe.data.root)?;
    let Some(split) = &recipe.data.train else { bail!("{}: its recipe names no data.train", root.display()) };
    let dataset = source.load(split)?.dataset;
    let summary = match arguments.folds {
        Some(count) => match folds::detections(&directory, count, &device(&arguments.device)?)? {
            Some(shown) => from_networks(&shown, &dataset),
            None => return Ok(None),
        },
        None => observed(&directory, &dataset)?,
    };
    let of = format!("run {}, split {split} of {}", root.display(), source.root().display());
    let (data, split, out) = (recipe.data.root.clone(), split.clone(), root.join("audit"));
    Ok(Some(Subject { summary, dataset, out, data, split, of }))
}

fn observed(directory: &RunDirectory, dataset: &Dataset) -> Result<Summary> {
    expect_same(directory, dataset)?;
    let evidence = directory.evidence_path();
    if !evidence.is_file() {
        bail!("{}: is not there; train with audit.evidence=true, or give --folds", evidence.display());
    }
    Ok(read_evidence(&evidence, dataset)?)
}

/// Refuses a data set with other classes than the run's; one whose labels have changed is told of.
pub fn expect_same(directory: &RunDirectory, dataset: &Dataset) -> Result<()> {
    let path = directory.checkpoint_path("last");
    if !Checkpoint::exists(&path) {
        return Ok(());
    }
    let state = Checkpoint::read(&path)?.state;
    if state.categories != dataset.categories {
        bail!("{}: the data set's classes are no longer those of the run; train again", directory.root().display());
    }
    if !state.fingerprint.split('+').any(|split| split == ghm_data::fingerprint(dataset)) {
        eprintln!(
            "warning: the labels have changed since the run; what is said of those that are new or moved is not right"
        );
    }
    Ok(())
}

fn of_files(annotations: &Path, detections: &Path) -> Result<Subject> {
    let source = ghm_data::open(annotations)?;
    let [split] = source.splits() else {
        bail!("{}: it has {}; give a file of one", annotations.display(), counted(source.splits().len(), "split"))
    };
    let dataset = source.load(split)?.dataset;
    let summary = from_detections(&read_detections(detections)?, &dataset);
    let silent = summary.labels.iter().filter(|label| label.objectness() == 0.0).count();
    if 2 * silent > summary.labels.len() {
        eprintln!(
            "warning: {silent} of {} labels have no detection about them, and all of those look spurious; give detections of low \
             scores too",
            summary.labels.len()
        );
    }
    let of = format!("{} against {}", detections.display(), annotations.display());
    let (data, split, out) = (annotations.to_owned(), split.clone(), PathBuf::from("audit"));
    Ok(Subject { summary, dataset, out, data, split, of })
}
