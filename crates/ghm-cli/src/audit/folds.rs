//! What networks see in training pictures that they were not trained on.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use ghm_audit::Shown;
use ghm_data::Dataset;
use ghm_train::{Ended, Fold, Plan, Predictor, RunDirectory, Session};

use crate::interrupt;
use crate::table::say;
use crate::train::{begin, train};

/// Detections in every training picture of a run, each by a network that was trained by the run's recipe on the parts that the
/// picture is not in. Networks of an earlier call are used again, and gone on with where they were stopped. `None` where this one is
/// stopped.
pub fn detections(run: &RunDirectory, count: usize, device: &Device) -> Result<Option<Vec<Shown<'static>>>> {
    let folds = Plan::new(run.read_recipe()?)?.folds(count)?;
    let mut all = Vec::new();
    for (number, fold) in (1..).zip(folds) {
        eprintln!("fold {number} of {count}: {} pictures held out", fold.held_out.images.len());
        let root = run.root().join(format!("folds-{count}")).join(number.to_string());
        match of_fold(fold, root, device)? {
            Some(shown) => all.push(shown),
            None => {
                eprintln!("stopped; the same command goes on from here");
                return Ok(None);
            }
        }
    }
    Ok(Some(all))
}

fn of_fold(fold: Fold, root: PathBuf, device: &Device) -> Result<Option<Shown<'static>>> {
    let (session, directory) = if RunDirectory::expect_free(&root).is_ok() {
        begin(fold.plan, &root, device)?
    } else {
        let stale =
            || format!("{}: cannot be used for this fold; remove it, and the fold is trained again", root.display());
        let directory = RunDirectory::open(&root).with_context(stale)?;
        if directory.read_recipe().with_context(stale)? != fold.plan.recipe {
            bail!(
                "{}: was trained by another recipe than the run has now; remove it, and the fold is trained again",
                root.display()
            );
        }
        (Session::resume(fold.plan, directory.clone(), device).with_context(stale)?, directory)
    };
    if let Ended::Stopped { .. } = train(session, &directory)? {
        return Ok(None);
    }
    look(&Predictor::open(&directory, device)?, &fold.held_out)
}

/// What a network sees in the pictures of a data set; those that cannot be read are told of and left out. `None` where it is stopped.
pub fn look(predictor: &Predictor, dataset: &Arc<Dataset>) -> Result<Option<Shown<'static>>> {
    let predictions = predictor.run_telling(dataset, |found| {
        say(&format!("looking at picture {} of {}", found.done, found.total));
        if interrupt::is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    say("");
    if interrupt::is_raised() {
        eprintln!("stopped while looking at pictures");
        return Ok(None);
    }
    for picture in &predictions.skipped {
        eprintln!("warning: left out, picture {}: {}", picture.image_id, picture.reason);
    }
    let skipped: HashSet<u64> = predictions.skipped.iter().map(|picture| picture.image_id).collect();
    let image_ids = dataset.images.iter().map(|image| image.id).filter(|id| !skipped.contains(id)).collect();
    Ok(Some(Shown { image_ids, detections: predictions.detections.into() }))
}
