//! `ghm eval`.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ghm_data::{Category, Dataset, Source};
use ghm_eval::{Evaluation, GroundTruth, evaluate, read_detections};
use ghm_train::{Predictor, RunDirectory};

use crate::arguments::EvalArguments;
use crate::output::print;
use crate::train::device;

/// Runs the verb.
pub fn run(arguments: &EvalArguments) -> Result<ExitCode> {
    let evaluation = match (&arguments.annotations, &arguments.detections) {
        (Some(annotations), Some(detections)) => {
            let truth = GroundTruth::from_coco_file(annotations)?;
            evaluate(&truth, &read_detections(detections)?)
                .with_context(|| format!("{} against {}", detections.display(), annotations.display()))?
        }
        _ => of_run(arguments)?,
    };
    for warning in &evaluation.warnings {
        eprintln!("warning: {warning}");
    }
    if arguments.json {
        print(&serde_json::to_string_pretty(&evaluation)?)?;
    } else {
        print(&evaluation.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn of_run(arguments: &EvalArguments) -> Result<Evaluation> {
    let Some(root) = &arguments.run else { bail!("give a run directory, or --annotations and --detections") };
    let directory = RunDirectory::open(root)?;
    let predictor = Predictor::open(&directory, &device(&arguments.device)?)?;
    let data = &predictor.recipe().data;
    let source = ghm_data::open(arguments.data.as_ref().unwrap_or(&data.root))?;
    let Some(split) = arguments.split.as_ref().or(data.validation.as_ref()) else {
        bail!(
            "{}: the run has no validation split; give --split, one of: {}",
            root.display(),
            source.splits().join(", ")
        )
    };
    let loaded = source.load(split)?;
    for finding in &loaded.findings {
        eprintln!("warning: {finding}");
    }
    expect_classes(&source, &loaded.dataset, &predictor)?;
    let dataset = Arc::new(loaded.dataset);
    let predictions = predictor.run(&dataset, |_, _| {})?;
    for picture in &predictions.skipped {
        eprintln!("warning: left out, picture {}: {}", picture.image_id, picture.reason);
    }
    let truth = GroundTruth::from_coco_json(ghm_data::to_coco_json(&dataset), split)?;
    Ok(evaluate(&truth, &predictions.detections)?)
}

/// Refuses a data set with other classes than the network's.
pub fn expect_classes(source: &Source, dataset: &Dataset, predictor: &Predictor) -> Result<()> {
    if dataset.categories == predictor.categories() {
        return Ok(());
    }
    let names = |categories: &[Category]| {
        categories.iter().map(|c| format!("{} {}", c.id, c.name)).collect::<Vec<_>>().join(", ")
    };
    bail!(
        "{}: its classes ({}) are not those the network was trained on ({})",
        source.root().display(),
        names(&dataset.categories),
        names(predictor.categories())
    );
}
