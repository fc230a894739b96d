//! Outcomes of runs that were done elsewhere: on another machine, or before this folder was there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use ghm_sweep::{Outcome, Run, Sweep};
use ghm_train::Recipe;
use serde::Deserialize;

use super::folder::Folder;
use super::recipe;
use crate::table::counted;

/// Of `sweep.json` what is taken over.
#[derive(Deserialize)]
struct Elsewhere {
    runs: Vec<Known>,
}

/// A run that was done elsewhere.
#[derive(Deserialize)]
struct Known {
    /// Names of the values by names of the axes.
    values: BTreeMap<String, String>,
    seed: u64,
    outcome: Outcome,
}

/// Takes over from the `sweep.json` of another folder what came out of those of `left` that were finished there by the same settings,
/// keeps it here, and gives what is left.
pub fn take_over(
    file: &Path,
    (sweep, folder): (&Sweep, &Folder),
    left: Vec<Run>,
    resolve: impl Fn(&Run) -> Result<(Recipe, Recipe)>,
    mut taken: impl FnMut(&Run, Outcome),
) -> Result<Vec<Run>> {
    let text = fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?;
    let elsewhere: Elsewhere =
        serde_json::from_str(&text).with_context(|| format!("{}: is no sweep.json", file.display()))?;
    let (mut still_left, mut done, mut others) = (Vec::new(), 0, 0);
    for run in left {
        let names = sweep.names(&run.cell);
        let is_it = |known: &&Known| {
            let has = |(axis, name): (&ghm_sweep::Axis, &&str)| {
                known.values.get(&axis.name).map(String::as_str) == Some(*name)
            };
            known.seed == run.seed && sweep.axes.iter().zip(&names).all(has) && known.values.len() == names.len()
        };
        let outcome = elsewhere.runs.iter().find(is_it).map(|known| &known.outcome);
        // What cannot even be resolved fails by itself.
        let (Some(outcome @ Outcome::Finished { settings, .. }), Ok((own, clean))) = (outcome, resolve(&run)) else {
            still_left.push(run);
            continue;
        };
        if *settings == recipe::settings(&run, &clean, folder)? {
            folder.keep(&run, Some(&own), Some(outcome))?;
            taken(&run, outcome.clone());
            done += 1;
        } else {
            still_left.push(run);
            others += 1;
        }
    }
    eprintln!("{}: {} taken over", file.display(), counted(done, "run"));
    if others > 0 {
        eprintln!(
            "warning: {} of {} were done by other settings and are run again",
            counted(others, "run"),
            file.display()
        );
    }
    Ok(still_left)
}
