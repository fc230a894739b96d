//! `ghm bench audit`: how well wrong labels are found, where it is known which are wrong.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ghm_audit::rival::{ObjectLab, Scores};
use ghm_audit::{Kind, Shown, Summary, Truth, from_networks, rank, suspicions};
use ghm_data::{Change, Dataset, NoiseConfig};
use ghm_train::{Predictor, RunDirectory};
use serde::Deserialize;

use crate::arguments::BenchAuditArguments;
use crate::audit::{folds, observed};
use crate::interrupt::STOPPED;
use crate::output::{name_of, print};
use crate::train::device;

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
    /// What the labels were before, and what was done to them; not known where somebody else has written it.
    data: Option<PathBuf>,
    noise: Option<NoiseConfig>,
}

/// Runs the verb.
pub fn run(arguments: &BenchAuditArguments) -> Result<ExitCode> {
    let mut judgements = Vec::new();
    for run in &arguments.runs {
        let Some(judgement) = judge(run, arguments)? else { return Ok(ExitCode::from(STOPPED)) };
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

/// `None` where it was stopped.
fn judge(run: &Path, arguments: &BenchAuditArguments) -> Result<Option<Judgement>> {
    let directory = RunDirectory::open(run)?;
    let recipe = directory.read_recipe()?;
    let source = ghm_data::open(&recipe.data.root)?;
    let Some(split) = &recipe.data.train else { bail!("{}: its recipe names no data.train", run.display()) };
    let dataset = Arc::new(source.load(split)?.dataset);
    let written = written(&arguments.truth.clone().unwrap_or_else(|| beside(&recipe.data.root)), &dataset)?;
    let truth = Truth::new(&written.changes);
    let observed = observed(&directory, &dataset)?;
    let device = device(&arguments.device)?;
    let held_out = match arguments.folds {
        Some(count) => match folds::detections(&directory, count, &device)? {
            Some(shown) => Some(from_networks(&shown, &dataset)),
            None => return Ok(None),
        },
        None => None,
    };
    let shown = folds::look(&Predictor::open(&directory, &device)?, &dataset)?;
    let observed = observed.with_sights(&shown, &dataset);
    let list = rank(&observed, &suspicions(&observed, &dataset), &dataset, 0.0);
    Ok(Some(Judgement {
        run: run.to_owned(),
        made: grid::made(written.data.as_deref().map(name_of), written.noise.as_ref()),
        labels: observed.labels.len(),
        wrong: truth.count(),
        rankings: rankings(&observed, &shown, held_out.as_ref(), &dataset, &truth),
        list: truth.judge_list(&list),
    }))
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

fn rankings(
    observed: &Summary,
    shown: &Shown,
    held_out: Option<&Summary>,
    dataset: &Dataset,
    truth: &Truth,
) -> Vec<Ranking> {
    let detected = from_networks(std::slice::from_ref(shown), dataset);
    let detections = &shown.detections;
    let ours = |summary: &Summary| Scores::ours(summary, &suspicions(summary, dataset), dataset);
    let mut all: Vec<(&'static str, Scores)> = vec![
        ("ghm, evidence of the run", ours(observed)),
        ("ghm, detections", ours(&detected)),
        ("loss, mean of the run", Scores::by_loss(observed, dataset)),
        ("score", Scores::by_score(&detected, dataset)),
        ("ObjectLab", ObjectLab::default().scores(detections, dataset)),
        ("ObjectLab, thresholds freed", ObjectLab::freed(&detected).scores(detections, dataset)),
        ("hotcoco's rules", Scores::by_hotcoco(&detected, dataset, HOTCOCO)),
    ];
    all.extend(held_out.map(|summary| ("ghm, folds", ours(summary))));
    let of = |(name, scores): (&'static str, Scores)| Ranking {
        name,
        kinds: KINDS.map(|(kind, name)| (name, truth.judge(kind, &scores, dataset))).into(),
    };
    all.into_iter().map(of).collect()
}
