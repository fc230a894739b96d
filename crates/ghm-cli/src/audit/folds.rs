//! What networks see in training pictures that they were not trained on.

use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::Device;
use ghm_eval::Detection;
use ghm_train::{Ended, Fold, Plan, Predictor, RunDirectory, Session};

use crate::table::say;
use crate::train::{begin, train};

/// Detections in every training picture of a run, each by a network that was trained by the run's recipe on the parts that the
/// picture is not in. Networks of an earlier call are used again, and gone on with where they were stopped. `None` where this one is
/// stopped.
pub fn detections(run: &RunDirectory, count: usize, device: &Device) -> Result<Option<Vec<Detection>>> {
    let folds = Plan::new(run.read_recipe()?)?.folds(count)?;
    let mut all = Vec::new();
    for (number, fold) in (1..).zip(folds) {
        eprintln!("fold {number} of {count}: {} pictures held out", fold.held_out.images.len());
        let root = run.root().join(format!("folds-{count}")).join(number.to_string());
        match of_fold(fold, root, device)? {
            Some(found) => all.extend(found),
            None => {
                eprintln!("stopped; the same command goes on from here");
                return Ok(None);
            }
        }
    }
    Ok(Some(all))
}

fn of_fold(fold: Fold, root: PathBuf, device: &Device) -> Result<Option<Vec<Detection>>> {
    let (session, directory) = match RunDirectory::open(&root) {
        Ok(directory) => (Session::resume(fold.plan, directory.clone(), device)?, directory),
        Err(_) => begin(fold.plan, &root, device)?,
    };
    if let Ended::Stopped { .. } = train(session, &directory)? {
        return Ok(None);
    }
    let predictor = Predictor::open(&directory, device)?;
    let found = predictor.run(&fold.held_out, |done, total| say(&format!("looking at picture {done} of {total}")))?;
    say("");
    Ok(Some(found.detections))
}
