//! One run of a sweep, as a process of its own: whatever becomes of it, the others go on.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{available_parallelism, sleep};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ghm_sweep::{Outcome, Run, Sweep};
use ghm_train::{Plan, Recipe, RunDirectory};
use serde_json::Value;

use super::data;
use super::folder::{Folder, make_parent};
use crate::interrupt::STOPPED;

/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Does one run at a time.
pub struct Worker<'a> {
    /// The sweep.
    pub sweep: &'a Sweep,
    /// The text of its recipe.
    pub recipe: &'a str,
    /// Its folder.
    pub folder: &'a Folder,
    /// Where the worker computes.
    pub device: &'a str,
    /// How many workers there are.
    pub jobs: usize,
    /// Raised when the sweep is to stop.
    pub stop: &'a AtomicBool,
}

impl Worker<'_> {
    /// Does a run, or goes on with it, and keeps what came out; `None` where it was stopped, its state saved.
    ///
    /// # Errors
    /// Where the sweep cannot go on; what is wrong with the run alone is its outcome.
    pub fn run(&self, run: &Run) -> Result<Option<Outcome>> {
        let recipe = match clean(run, self.sweep, self.recipe, self.folder) {
            Ok(recipe) => recipe,
            Err(error) => return self.failed(run, None, &error),
        };
        let resolved = with_noise(run, recipe.clone(), self.folder)?;
        self.folder.keep(run, Some(&resolved), None)?;
        let prepared = data::make(run, &recipe, self.sweep, self.folder).and_then(|()| expect_validation(&resolved));
        if let Err(error) = prepared {
            return self.failed(run, Some(&resolved), &error);
        }
        let Some(log) = self.log(run)? else { return Ok(None) };
        let begins = log.metadata().map_or(0, |metadata| metadata.len());
        let status = self.train(run, log)?;
        if !status.success() && (status.code() == Some(i32::from(STOPPED)) || self.stop.load(Ordering::SeqCst)) {
            return Ok(None);
        }
        let outcome = match status.success() {
            true => outcome(&self.folder.run(run)),
            false => Err(anyhow::anyhow!(last_words(&self.folder.log(run), begins, status))),
        };
        match outcome {
            Ok(outcome) => {
                self.folder.keep(run, Some(&resolved), Some(&outcome))?;
                Ok(Some(outcome))
            }
            Err(error) => self.failed(run, Some(&resolved), &error),
        }
    }

    fn failed(&self, run: &Run, recipe: Option<&Recipe>, error: &anyhow::Error) -> Result<Option<Outcome>> {
        let outcome = Outcome::failed(&format!("{error:#}"));
        self.folder.keep(run, recipe, Some(&outcome))?;
        Ok(Some(outcome))
    }

    /// The run's log, locked: the lock goes on to the process of the run, so that where a sweep was killed the next one waits until
    /// that process has saved its state. `None` where it is stopped meanwhile.
    fn log(&self, run: &Run) -> Result<Option<File>> {
        let path = self.folder.log(run);
        make_parent(&path)?;
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("{}: cannot be opened for writing", path.display()))?;
        let mut said = false;
        while let Err(TryLockError::WouldBlock) = file.try_lock() {
            if self.stop.load(Ordering::SeqCst) {
                return Ok(None);
            }
            if !said {
                eprintln!("{}: waiting for a process that was at it to save its state", run.slug);
                said = true;
            }
            sleep(LOOK);
        }
        Ok(Some(file))
    }

    fn train(&self, run: &Run, log: File) -> Result<ExitStatus> {
        let root = self.folder.run(run);
        make_parent(&root)?;
        let program = std::env::current_exe().context("this program's own file is not known")?;
        let mut command = Command::new(program);
        command.arg("train").args(["--device", self.device, "--until-input-ends"]);
        match RunDirectory::expect_free(&root) {
            Ok(()) => command.arg(self.folder.recipe(run)).arg("--out").arg(&root),
            Err(_) => command.arg("--resume").arg(&root),
        };
        let threads = available_parallelism().map_or(1, usize::from);
        if self.jobs > 1 && std::env::var_os("RAYON_NUM_THREADS").is_none() {
            command.env("RAYON_NUM_THREADS", (threads / self.jobs).max(1).to_string());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().context("a run cannot be started")?;
        // Its input is open until it is to stop, or this process is no more.
        let mut input = child.stdin.take();
        loop {
            if let Some(status) = child.try_wait().context("a run cannot be waited for")? {
                return Ok(status);
            }
            if self.stop.load(Ordering::SeqCst) {
                input.take();
            }
            sleep(LOOK);
        }
    }
}

/// A run's recipe on the clean data.
pub fn clean(run: &Run, sweep: &Sweep, text: &str, folder: &Folder) -> Result<Recipe> {
    let recipe = match data::scenes(sweep, folder) {
        Some(scenes) => Recipe::for_data(text, &scenes, &run.overrides)?,
        None => Recipe::parse(text, &run.overrides)?,
    };
    recipe.validate()?;
    Ok(recipe)
}

/// A run's recipe on its own data.
pub fn with_noise(run: &Run, clean: Recipe, folder: &Folder) -> Result<Recipe> {
    let mut recipe = clean;
    recipe.data.root = data::of_run(run, &recipe, folder)?;
    Ok(recipe)
}

/// Refuses data on which nothing could be measured.
fn expect_validation(recipe: &Recipe) -> Result<()> {
    if Plan::new(recipe.clone())?.validation.is_none() {
        bail!(
            "{}: no validation split, so there is nothing to compare: name one with data.validation",
            recipe.data.root.display()
        );
    }
    Ok(())
}

/// What a finished run says of itself.
fn outcome(root: &Path) -> Result<Outcome> {
    let directory = RunDirectory::open(root)?;
    let path = directory.evaluation_path();
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let evaluation: BTreeMap<String, Value> =
        serde_json::from_str(&text).with_context(|| format!("{}: is no evaluation", path.display()))?;
    let numbers = evaluation.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?))).collect();
    let epochs = directory.epochs_path();
    let lines = std::fs::read_to_string(&epochs).with_context(|| format!("{}: cannot be read", epochs.display()))?;
    Ok(Outcome::Finished { numbers, seconds: seconds(&lines).unwrap_or(0.0) })
}

/// The time that the epochs of `epochs.csv` took. Its clock begins anew where a run was gone on with.
fn seconds(epochs: &str) -> Option<f64> {
    let column = epochs.lines().next()?.split(',').position(|name| name == "seconds")?;
    let (mut before, mut last) = (0.0, 0.0);
    for line in epochs.lines().skip(1) {
        let now: f64 = line.split(',').nth(column)?.parse().ok()?;
        if now < last {
            before += last;
        }
        last = now;
    }
    Some(before + last)
}

/// The error that a run ended with, from its log; what was there before it began does not count.
fn last_words(log: &Path, begins: u64, status: ExitStatus) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(begins as usize..).unwrap_or_default()).into_owned();
    let said = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    said.map_or_else(|| format!("it ended with {status}; its log is {}", log.display()), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn the_seconds_of_a_run_are_those_of_all_its_sessions() {
        let epochs = "epoch,step,seconds,AP\n1,4,10.0,\n2,8,20.5,0.1\n3,12,9.0,\n4,16,18.0,0.2\n";
        assert_eq!(seconds(epochs), Some(38.5));
        assert_eq!(seconds("epoch,step\n1,4\n"), None);
    }
}
