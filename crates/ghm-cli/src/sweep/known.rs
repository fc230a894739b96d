//! Outcomes of runs that were done elsewhere: on another machine, or before this folder was there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ghm_sweep::{Outcome, Run, Sweep};
use ghm_train::Recipe;
use serde::Deserialize;

use super::folder::Folder;
use super::places::Places;
use super::recipe;
use crate::table::counted;

/// Of `sweep.json` what is taken over.
#[derive(Deserialize)]
struct Elsewhere {
    runs: Vec<KnownRun>,
}

/// A run that was done elsewhere.
#[derive(Deserialize)]
struct KnownRun {
    /// Names of the values by names of the axes.
    values: BTreeMap<String, String>,
    seed: u64,
    outcome: Outcome,
}

/// What came out elsewhere of runs, by a `sweep.json`.
pub struct Known {
    file: PathBuf,
    runs: Vec<KnownRun>,
}

/// What is known of a run.
pub enum Found {
    /// It was finished by the same settings.
    Same(Outcome),
    /// It was finished by others.
    OtherSettings,
    /// It failed, by whatever settings.
    Failed(Outcome),
    /// It is not there.
    Nothing,
}

impl Known {
    /// Reads a `sweep.json`.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?;
        let elsewhere: Elsewhere =
            serde_json::from_str(&text).with_context(|| format!("{}: is no sweep.json", file.display()))?;
        Ok(Self { file: file.to_owned(), runs: elsewhere.runs })
    }

    /// What is known of a run of a sweep, whose recipe on data without noise is given, if it has one that can be. Of the same settings
    /// it is the same run, whatever the other sweep calls its values.
    pub fn find(&self, run: &Run, clean: Option<&Recipe>, (sweep, places): (&Sweep, &Places)) -> Result<Found> {
        let names = sweep.names(&run.cell);
        let is_it = |known: &&KnownRun| {
            let has = |(axis, name): (&ghm_sweep::Axis, &&str)| {
                known.values.get(&axis.name).map(String::as_str) == Some(*name)
            };
            known.seed == run.seed && sweep.axes.iter().zip(&names).all(has) && known.values.len() == names.len()
        };
        let of_now = clean.map(|clean| recipe::settings(run, clean, places)).transpose()?;
        let is_same = |outcome: &&Outcome| match outcome {
            Outcome::Finished { settings, .. } => Some(settings) == of_now.as_ref(),
            Outcome::Failed { .. } => false,
        };
        if let Some(outcome) = self.runs.iter().map(|known| &known.outcome).find(is_same) {
            return Ok(Found::Same(outcome.clone()));
        }
        Ok(match self.runs.iter().find(is_it).map(|known| &known.outcome) {
            Some(Outcome::Finished { .. }) => Found::OtherSettings,
            Some(outcome @ Outcome::Failed { .. }) => Found::Failed(outcome.clone()),
            None => Found::Nothing,
        })
    }

    /// Takes over what came out of those of `left` that were finished by the same settings, keeps it in the folder, and gives what is
    /// left.
    pub fn take_over(
        &self,
        (sweep, folder): (&Sweep, &Folder),
        left: Vec<Run>,
        resolve: impl Fn(&Run) -> Result<(Recipe, Recipe)>,
        mut taken: impl FnMut(&Run, Outcome),
    ) -> Result<Vec<Run>> {
        let (mut still_left, mut done, mut others, mut lacking) = (Vec::new(), 0, 0, 0);
        for run in left {
            // What cannot even be resolved fails by itself.
            let Ok((own, clean)) = resolve(&run) else {
                still_left.push(run);
                continue;
            };
            match self.find(&run, Some(&clean), (sweep, folder.places()))? {
                Found::Same(outcome) if outcome.lacks(&sweep.metric) => {
                    lacking += 1;
                    still_left.push(run);
                }
                Found::Same(outcome) => {
                    folder.keep(&run, Some(&own), Some(&outcome))?;
                    taken(&run, outcome);
                    done += 1;
                }
                found => {
                    others += usize::from(matches!(found, Found::OtherSettings));
                    still_left.push(run);
                }
            }
        }
        let file = self.file.display();
        eprintln!("{file}: {} taken over", counted(done, "run"));
        if others > 0 {
            eprintln!(
                "{} of the same values were done by other settings there; they are run here",
                counted(others, "run")
            );
        }
        if lacking > 0 {
            eprintln!("{} were kept without `{}`; they are run here", counted(lacking, "run"), sweep.metric);
        }
        Ok(still_left)
    }
}
