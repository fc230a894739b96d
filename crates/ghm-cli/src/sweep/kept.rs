//! What was kept of a whole sweep: its file, and a `sweep.json`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use ghm_report::Figure;
use ghm_sweep::metric::class_of;
use ghm_sweep::results::Outcomes;
use ghm_sweep::{Outcome, Results, Sweep};

use crate::table::counted;

use super::figure;
use super::known::{Found, Known};
use super::places::Places;
use super::recipe;

/// Refuses a metric of a class of which none of these has numbers, if they have them of others.
pub fn expect_class(metric: &str, outcomes: &Outcomes) -> Result<()> {
    let classes: BTreeSet<&str> = outcomes.values().flat_map(Outcome::class_numbers).filter_map(class_of).collect();
    match class_of(metric) {
        Some(class) if !classes.is_empty() && !classes.contains(class) => {
            let there: Vec<&str> = classes.into_iter().collect();
            bail!("metric: no run has numbers of a class `{class}`; there are those of: {}", there.join(", "))
        }
        _ => Ok(()),
    }
}

/// A whole sweep whose `sweep.json` was kept.
pub struct Kept {
    sweep: Sweep,
    outcomes: Outcomes,
}

impl Kept {
    /// Of a sweep's file and its `sweep.json`, which must have every run as the file now is; compared by another metric than the file's
    /// where one is given.
    pub fn read(path: &Path, outcomes: &Path, metric: Option<&str>) -> Result<Self> {
        let (mut sweep, text) = super::read(path)?;
        if let Some(metric) = metric {
            sweep = sweep.by(metric).map_err(|reason| anyhow!("{}: {reason}", path.display()))?;
        }
        let places = Places::new(std::path::absolute(super::usual_folder(path))?);
        let known = Known::read(outcomes)?;
        let (mut ended, mut missing, mut others, runs) = (Outcomes::new(), Vec::new(), Vec::new(), sweep.runs());
        for run in &runs {
            let clean = recipe::clean(run, &sweep, &text, &places).ok();
            match known.find(run, clean.as_ref(), (&sweep, &places))? {
                Found::Same(outcome) | Found::Failed(outcome) => {
                    ended.insert((run.cell.clone(), run.seed), outcome);
                }
                Found::Nothing => missing.push(run.slug.as_str()),
                Found::OtherSettings => others.push(run.slug.as_str()),
            }
        }
        if let Some(first) = missing.first().or(others.first()) {
            let (sweep, outcomes, runs) = (path.display(), outcomes.display(), counted(runs.len(), "run"));
            bail!(
                "{outcomes}: of the {runs} of {sweep} it lacks {} and has {} by other settings (the first: {first}); \
                 `ghm sweep {sweep} --known {outcomes}` runs them, and writes {} to be kept instead",
                missing.len(),
                others.len(),
                places.root().join("sweep.json").display()
            );
        }
        expect_class(&sweep.metric, &ended).with_context(|| outcomes.display().to_string())?;
        let lacking = ended.values().filter(|outcome| outcome.lacks(&sweep.metric)).count();
        if lacking > 0 {
            bail!(
                "{}: {} were kept without `{}`; where their directories are, `ghm sweep {}` with that metric writes it anew",
                outcomes.display(),
                counted(lacking, "run"),
                sweep.metric,
                path.display()
            );
        }
        Ok(Self { sweep, outcomes: ended })
    }

    /// What came out of it.
    pub fn results(&self) -> Results<'_> {
        Results::new(&self.sweep, &self.outcomes)
    }

    /// Its charts.
    pub fn figures(&self) -> Result<Vec<Figure>> {
        figure::figures(&self.results())
    }
}
