//! What a run says of itself in the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitStatus;

use anyhow::{Context, Result};
use ghm_sweep::Outcome;
use ghm_sweep::metric::{CLASS_NUMBERS, of_class};
use ghm_train::{RunDirectory, StepTime};
use serde_json::Value;

/// What a finished run says of itself, which was run by these settings.
pub fn of_run(root: &Path, settings: String) -> Result<Outcome> {
    let directory = RunDirectory::open(root)?;
    let path = directory.evaluation_path();
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let evaluation: BTreeMap<String, Value> =
        serde_json::from_str(&text).with_context(|| format!("{}: is no evaluation", path.display()))?;
    let numbers = numbers(&evaluation);
    let epochs = directory.epochs_path();
    let lines = std::fs::read_to_string(&epochs).with_context(|| format!("{}: cannot be read", epochs.display()))?;
    let seconds = seconds(&lines).with_context(|| format!("{}: its last line has no time", epochs.display()))?;
    Ok(Outcome::Finished { numbers, seconds, losses_percent: losses_percent(&directory)?, settings })
}

/// The numbers of all classes together and of each by itself; what could not be measured is left out.
fn numbers(evaluation: &BTreeMap<String, Value>) -> BTreeMap<String, f64> {
    let together = evaluation.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)));
    let classes = evaluation.get("per_class").and_then(Value::as_object).into_iter().flatten();
    let of_each = classes.flat_map(|(class, own)| {
        CLASS_NUMBERS.iter().filter_map(move |number| Some((of_class(number, class), own.get(number)?.as_f64()?)))
    });
    together.chain(of_each).collect()
}

/// What both losses took of the time of all updates; `None` where there were none.
fn losses_percent(directory: &RunDirectory) -> Result<Option<f64>> {
    let mut time = StepTime::default();
    for record in directory.read_metrics()? {
        time.add(&record.time);
    }
    Ok((time.total() > 0.0).then(|| 100.0 * time.loss / time.total()))
}

/// The time since the start in the last line of `epochs.csv`.
fn seconds(epochs: &str) -> Option<f64> {
    let column = epochs.lines().next()?.split(',').position(|name| name == "seconds")?;
    epochs.lines().last()?.split(',').nth(column)?.parse().ok()
}

/// The error that a run ended with, from its log; what was there before it began does not count.
pub fn last_words(log: &Path, begins: u64, status: ExitStatus) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(begins as usize..).unwrap_or_default()).into_owned();
    let said = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    said.map_or_else(|| format!("it ended with {status}; its log is {}", log.display()), str::to_owned)
}
