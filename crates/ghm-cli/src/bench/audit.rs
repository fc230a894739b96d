//! `ghm bench audit`: how well wrong labels are found, where it is known which are wrong.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use ghm_audit::rival::{ObjectLab, Scores};
use ghm_audit::{Kind, Shown, Summary, Truth, from_networks, rank, suspicions};
use ghm_data::{Change, Dataset};
use ghm_train::{Predictor, RunDirectory};
use serde::Deserialize;
use serde_json::Value;

use crate::arguments::BenchAuditArguments;
use crate::audit::{expect_observed, folds, observed};
use crate::interrupt::STOPPED;
use crate::output::print;
use crate::train::device;

use grid::Made;
use judgement::{Judgement, Ranking};

mod grid;
mod judgement;

/// Score from which hotcoco's rules heed a detection.
const HOTCOCO: f32 = 0.5;

const KINDS: [(Kind, &str); 4] = [
    (Kind::WrongClass, "wrong class"),
    (Kind::LooseBox, "loose box"),
    (Kind::MissingBox, "missing box"),
    (Kind::SpuriousBox, "spurious box"),
];

/// Of `truth.json` what matters.
#[derive(Deserialize)]
struct Written {
    changes: Vec<Change>,
    /// What was done to which labels; where somebody else has written it, it may say anything.
    #[serde(flatten)]
    made: Value,
}

/// A run whose labels are known, before anything is asked.
struct Subject {
    directory: RunDirectory,
    dataset: Arc<Dataset>,
    truth: Truth,
    made: Made,
}

/// Runs the verb.
pub fn run(arguments: &BenchAuditArguments) -> Result<ExitCode> {
    let mut seen = HashSet::new();
    if let Some(twice) =
        arguments.runs.iter().find(|run| !seen.insert(run.canonicalize().unwrap_or_else(|_| (*run).clone())))
    {
        bail!("{}: is given twice", twice.display());
    }
    let device = device(&arguments.device)?;
    // What is wrong with the last one is said before the first is asked.
    let subjects = arguments
        .runs
        .iter()
        .map(|run| subject(run, arguments.truth.as_deref(), &device))
        .collect::<Result<Vec<_>>>()?;
    let mut judgements = Vec::new();
    for subject in subjects {
        let Some(judgement) = judge(subject, arguments.folds, &device)? else { return Ok(ExitCode::from(STOPPED)) };
        judgements.push(judgement);
    }
    let groups = grid::by_labels(judgements);
    print(&match (&groups[..], arguments.json) {
        ([one], true) => judgement::document(one)?,
        ([one], false) => judgement::text(one),
        (several, true) => grid::document(several)?,
        (several, false) => grid::text(several),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn subject(run: &Path, truth: Option<&Path>, device: &Device) -> Result<Subject> {
    let directory = RunDirectory::open(run)?;
    let recipe = directory.read_recipe()?;
    let source = ghm_data::open(&recipe.data.root)?;
    let Some(split) = &recipe.data.train else { bail!("{}: its recipe names no data.train", run.display()) };
    let dataset = Arc::new(source.load(split)?.dataset);
    expect_observed(&directory, &dataset)?;
    drop(Predictor::open(&directory, device)?);
    let written = written(&truth.map_or_else(|| beside(&recipe.data.root), Path::to_owned), &dataset)?;
    let made = Made::of(&written.made, recipe);
    Ok(Subject { directory, dataset, truth: Truth::new(&written.changes), made })
}

/// `None` where it was stopped.
fn judge(subject: Subject, folds: Option<usize>, device: &Device) -> Result<Option<Judgement>> {
    let Subject { directory, dataset, truth, made } = subject;
    let observed = observed(&directory, &dataset)?;
    let held_out = match folds {
        Some(count) => match folds::detections(&directory, count, device)? {
            Some(shown) => Some(from_networks(&shown, &dataset)),
            None => return Ok(None),
        },
        None => None,
    };
    let Some(shown) = folds::look(&Predictor::open(&directory, device)?, &dataset)? else { return Ok(None) };
    let asked = observed.clone().with_sights(&shown, &dataset);
    let list = rank(&asked, &suspicions(&asked, &dataset), &dataset, 0.0);
    Ok(Some(Judgement {
        run: directory.root().to_owned(),
        made,
        labels: observed.labels.len(),
        wrong: truth.count(),
        rankings: rankings(&Known { asked, observed, held_out }, &shown, &dataset, &truth),
        list: truth.judge_list(&list),
    }))
}

/// What is known of the labels.
struct Known {
    /// From the run and its trained network.
    asked: Summary,
    /// From the run alone.
    observed: Summary,
    /// From networks that never saw them.
    held_out: Option<Summary>,
}

/// Where `ghm corrupt` left it.
fn beside(root: &Path) -> PathBuf {
    if root.is_dir() { root.join("truth.json") } else { root.with_file_name("truth.json") }
}

fn written(path: &Path, dataset: &Dataset) -> Result<Written> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!("{}: cannot be read; train on what ghm corrupt writes, or give --truth", path.display())
    })?;
    let written: Written =
        serde_json::from_str(&text).with_context(|| format!("{}: is not what ghm corrupt writes", path.display()))?;
    if !Truth::fits(&written.changes, dataset) {
        bail!("{}: is the truth of other labels than the run was trained on", path.display());
    }
    Ok(written)
}

fn rankings(known: &Known, shown: &Shown, dataset: &Dataset, truth: &Truth) -> Vec<Ranking> {
    let detected = from_networks(std::slice::from_ref(shown), dataset);
    let detections = &shown.detections;
    let ours = |summary: &Summary| Scores::ours(summary, &suspicions(summary, dataset), dataset);
    let mut all: Vec<(&'static str, Scores)> = vec![
        ("ghm", ours(&known.asked)),
        ("ghm, evidence alone", ours(&known.observed)),
        ("ghm, detections alone", ours(&detected)),
        ("loss, mean of the run", Scores::by_loss(&known.observed, dataset)),
        ("score", Scores::by_score(&detected, dataset)),
        ("ObjectLab", ObjectLab::default().scores(detections, dataset)),
        ("ObjectLab, thresholds freed", ObjectLab::freed(&detected).scores(detections, dataset)),
        ("hotcoco's rules", Scores::by_hotcoco(&detected, dataset, HOTCOCO)),
    ];
    all.extend(known.held_out.as_ref().map(|summary| ("ghm, folds", ours(summary))));
    let of = |(name, scores): (&'static str, Scores)| Ranking {
        name,
        kinds: KINDS.map(|(kind, name)| (name, truth.judge(kind, &scores, dataset))).into(),
    };
    all.into_iter().map(of).collect()
}
