//! `ghm audit`: labels that are probably wrong, the surest first.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ghm_audit::{Shown, Summary, by_picture, from_detections, from_networks, rank, read_evidence, suspicions};
use ghm_data::Dataset;
use ghm_eval::{Detection, read_detections};
use ghm_train::{Checkpoint, Predictor, RunDirectory, replace_file};
use serde_json::{Value, json};

use crate::arguments::{AuditArguments, AuditVerb};
use crate::failure::in_a_line;
use crate::interrupt::STOPPED;
use crate::output::{expect_free, free_path, print};
use crate::table::counted;
use crate::train::device;

mod apply;
pub mod folds;
pub mod list;
mod page;

/// An average precision below which a network knows too little to judge labels.
const WEAK: f64 = 0.1;

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
        bail!("--least {}: 0 or more, below 1", arguments.least);
    }
    arguments.out.as_deref().map(expect_free).transpose()?;
    let subject = match (&arguments.annotations, &arguments.detections) {
        (Some(annotations), Some(detections)) => Some(of_files(annotations, detections)?),
        _ => of_run(arguments)?,
    };
    let Some(subject) = subject else { return Ok(ExitCode::from(STOPPED)) };
    let Subject { summary, dataset, out, data, split, of } = subject;
    let suspects = rank(&summary, &suspicions(&summary, &dataset), &dataset, arguments.least);
    let out = arguments.out.clone().unwrap_or_else(|| free_path(&out));
    expect_free(&out)?;
    // What was decided about another list is not about this one.
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(&suspects)?.hash(&mut hasher);
    let list = format!("{:016x}", hasher.finish());
    let head = json!({"of": of, "data": std::path::absolute(data)?, "split": split, "list": list});
    let mut document = head.clone();
    document["labels"] = summary.labels.len().into();
    document["least"] = arguments.least.into();
    document["suspects"] = serde_json::to_value(&suspects)?;
    let pictures = by_picture(&suspects);
    document["pictures"] = serde_json::to_value(&pictures)?;
    let shown = &suspects[..suspects.len().min(arguments.page)];
    let page = page::page(&of, &head, shown, &dataset)?;
    std::fs::create_dir_all(&out).with_context(|| format!("{}: cannot be made", out.display()))?;
    replace_file(&out.join("audit.csv"), &list::csv(&suspects)?)?;
    replace_file(&out.join("pictures.csv"), &list::pictures_csv(&pictures)?)?;
    replace_file(&out.join("audit.json"), (serde_json::to_string_pretty(&document)? + "\n").as_bytes())?;
    replace_file(&out.join("audit.html"), page.as_bytes())?;
    print(&if arguments.json {
        serde_json::to_string_pretty(&document)?
    } else {
        list::text(&summary, (&suspects, &pictures), shown.len(), &out)
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
    let dataset = Arc::new(source.load(split)?.dataset);
    let summary = match arguments.folds {
        Some(count) => match folds::detections(&directory, count, &device(&arguments.device)?)? {
            Some(shown) => {
                let summary = from_networks(&shown, &dataset);
                warn_of_silence(&summary);
                summary
            }
            None => return Ok(None),
        },
        None => {
            expect_observed(&directory, &dataset)?;
            let observed = observed(&directory, &dataset)?;
            match trained(&directory, &dataset, arguments)? {
                Some(predictor) => match folds::look(&predictor, &dataset)? {
                    Some(shown) => asked(observed, &shown, &dataset),
                    None => return Ok(None),
                },
                None => observed,
            }
        }
    };
    let of = format!("run {}, split {split} of {}", root.display(), source.root().display());
    let (data, split, out) = (recipe.data.root.clone(), split.clone(), root.join("audit"));
    let dataset = Arc::unwrap_or_clone(dataset);
    Ok(Some(Subject { summary, dataset, out, data, split, of }))
}

/// The trained network, which is to look at what it learned; `None` where it is not to, or cannot be had: the evidence is enough.
fn trained(directory: &RunDirectory, dataset: &Dataset, arguments: &AuditArguments) -> Result<Option<Predictor>> {
    if arguments.evidence_only {
        return Ok(None);
    }
    let device = device(&arguments.device)?;
    let reason = match Predictor::open(directory, &device) {
        Ok(predictor) if predictor.categories() == dataset.categories => return Ok(Some(predictor)),
        Ok(_) => "its classes are others".to_owned(),
        Err(error) => in_a_line(&error.into()),
    };
    eprintln!("warning: the trained network is not asked, boxes and classes go by the evidence alone: {reason}");
    Ok(None)
}

/// A summary with what the trained network sees besides.
fn asked(observed: Summary, shown: &Shown, dataset: &Dataset) -> Summary {
    let asked = observed.with_sights(shown, dataset);
    if asked.labels.iter().all(|label| label.sight.is_none()) {
        eprintln!(
            "warning: the trained network sees nothing of half of the labels, boxes and classes go by the evidence \
             alone; a lower model.predict.score or a longer training helps"
        );
    }
    asked
}

/// What a run observed of the labels that it was trained on.
pub fn observed(directory: &RunDirectory, dataset: &Dataset) -> Result<Summary> {
    warn_of_weakness(directory);
    Ok(read_evidence(&directory.evidence_path(), dataset)?)
}

/// Refuses a run that has observed nothing, and labels that are not those of the run.
pub fn expect_observed(directory: &RunDirectory, dataset: &Dataset) -> Result<()> {
    let evidence = directory.evidence_path();
    if !evidence.is_file() {
        bail!("{}: is not there; train with audit.evidence=true, or give --folds", evidence.display());
    }
    expect_same(directory, dataset)
}

/// Refuses a data set with other classes than the run's; one whose labels have changed is told of.
fn expect_same(directory: &RunDirectory, dataset: &Dataset) -> Result<()> {
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

/// Warns of a network that has found little in its validation split.
fn warn_of_weakness(directory: &RunDirectory) {
    let evaluation = std::fs::read_to_string(directory.evaluation_path()).unwrap_or_default();
    let ap = serde_json::from_str::<Value>(&evaluation).ok().and_then(|evaluation| evaluation["AP"].as_f64());
    if let Some(ap) = ap.filter(|ap| *ap < WEAK) {
        eprintln!(
            "warning: the network's AP is {ap:.2}: one that finds so little cannot tell which labels are wrong; train longer first"
        );
    }
}

/// Warns where most labels have nothing about them.
fn warn_of_silence(summary: &Summary) {
    let looked = summary.labels.iter().filter(|label| !label.looks.is_empty());
    let silent = looked.clone().filter(|label| label.objectness() == 0.0).count();
    let looked = looked.count();
    if 2 * silent > looked {
        eprintln!(
            "warning: {silent} of {looked} labels have no detection about them, and all of those look spurious: detections of low \
             scores are missing, or the network finds too little"
        );
    }
}

/// Refuses detections of other pictures or classes altogether, and warns of some.
fn expect_pictures(found: &[Detection], dataset: &Dataset, detections: &Path, annotations: &Path) -> Result<()> {
    let images: HashSet<u64> = dataset.images.iter().map(|image| image.id).collect();
    let classes: HashSet<u64> = dataset.categories.iter().map(|category| category.id).collect();
    let strange = |one: &&Detection| !images.contains(&one.image_id) || !classes.contains(&one.category_id);
    let strangers = found.iter().filter(strange).count();
    let (detections, annotations) = (detections.display(), annotations.display());
    if strangers == found.len() && strangers > 0 {
        bail!(
            "{detections}: no detection is of a picture and a class that {annotations} has; are they of another split?"
        );
    }
    if strangers > 0 {
        eprintln!(
            "warning: {strangers} of {} detections in {detections} are of pictures or classes that {annotations} lacks",
            found.len()
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
    let found = read_detections(detections)?;
    expect_pictures(&found, &dataset, detections, annotations)?;
    let summary = from_detections(&found, &dataset);
    warn_of_silence(&summary);
    let of = format!("{} against {}", detections.display(), annotations.display());
    let (data, split, out) = (annotations.to_owned(), split.clone(), PathBuf::from("audit"));
    Ok(Subject { summary, dataset, out, data, split, of })
}
