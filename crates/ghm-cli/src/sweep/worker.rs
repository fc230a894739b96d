//! One run of a sweep, as a process of its own: whatever becomes of it, the others go on.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{available_parallelism, sleep};
use std::time::Duration;

use anyhow::{Context, Result};
use ghm_sweep::{Outcome, Run};
use ghm_train::{Recipe, RunDirectory};
use serde_json::Value;

use super::data;
use super::folder::{Folder, make_parent};
use crate::interrupt::STOPPED;

/// How often a run is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How long the process of a sweep that was killed may take to save its state, in seconds.
const PATIENCE: usize = 120;

/// Does one run at a time.
pub struct Worker<'a> {
    /// The sweep's folder.
    pub folder: &'a Folder,
    /// The scenes that all runs are about, in place of the recipe's data.
    pub scenes: Option<&'a Path>,
    /// Where it computes.
    pub device: &'a str,
    /// How many there are.
    pub jobs: usize,
    /// Raised when the sweep is to stop.
    pub stop: &'a AtomicBool,
}

/// How a run ended.
pub enum Ended {
    /// Something came out.
    Out(Outcome),
    /// It was stopped; its state is saved.
    Stopped,
}

impl Worker<'_> {
    /// Does a run, or goes on with it.
    ///
    /// # Errors
    /// Where the sweep cannot go on; what is wrong with the run alone is its outcome.
    pub fn run(&self, run: &Run) -> Result<Ended> {
        let (root, log) = (self.folder.run(run), self.folder.log(run));
        let arguments = match self.arguments(run, &root) {
            Ok(arguments) => arguments,
            Err(error) => return Ok(Ended::Out(Outcome::failed(&format!("{error:#}")))),
        };
        make_parent(&log)?;
        make_parent(&root)?;
        let opened = OpenOptions::new().create(true).append(true).open(&log);
        let file = opened.with_context(|| format!("{}: cannot be opened for writing", log.display()))?;
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        let status = self.start(&arguments, file)?;
        let stopped = status.code() == Some(i32::from(STOPPED)) || self.stop.load(Ordering::SeqCst);
        if !status.success() && stopped {
            return Ok(Ended::Stopped);
        }
        let outcome =
            if status.success() { outcome(&root) } else { Err(anyhow::anyhow!(last_words(&log, length, status))) };
        Ok(Ended::Out(outcome.unwrap_or_else(|error| Outcome::failed(&format!("{error:#}")))))
    }

    /// The command line after `ghm`.
    fn arguments(&self, run: &Run, root: &Path) -> Result<Vec<String>> {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let device = ["--device".to_owned(), self.device.to_owned(), "--until-input-ends".to_owned()];
        let mut arguments = vec!["train".to_owned()];
        if RunDirectory::expect_free(root).is_err() {
            self.wait_for(&RunDirectory::open(root)?);
            arguments.extend(["--resume".to_owned(), path(root)]);
        } else {
            let mut overrides: Vec<String> = self.scenes.iter().map(|scenes| data::override_for(scenes)).collect();
            overrides.extend_from_slice(&run.overrides);
            let recipe = Recipe::read(&self.folder.recipe(), &overrides)?;
            recipe.validate()?;
            overrides.push(data::override_for(&data::of_run(run, &recipe, self.folder)?));
            arguments.push(path(&self.folder.recipe()));
            arguments.extend(overrides);
            arguments.extend(["--out".to_owned(), path(root)]);
        }
        arguments.extend(device);
        Ok(arguments)
    }

    /// Of a sweep that was killed a process may still be saving its state.
    fn wait_for(&self, directory: &RunDirectory) {
        for _ in 0..PATIENCE {
            if !directory.is_busy() || self.stop.load(Ordering::SeqCst) {
                break;
            }
            sleep(Duration::from_secs(1));
        }
    }

    fn start(&self, arguments: &[String], log: File) -> Result<std::process::ExitStatus> {
        let program = std::env::current_exe().context("this program's own file is not known")?;
        let mut command = Command::new(program);
        let threads = available_parallelism().map_or(1, usize::from);
        if self.jobs > 1 && std::env::var_os("RAYON_NUM_THREADS").is_none() {
            command.env("RAYON_NUM_THREADS", (threads / self.jobs).max(1).to_string());
        }
        // Its input is open until it is to stop, or this process is no more.
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("a run cannot be started")?;
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

/// What a finished run says of itself.
fn outcome(root: &Path) -> Result<Outcome> {
    let directory = RunDirectory::open(root)?;
    let path = directory.evaluation_path();
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{}: cannot be read; has the recipe a validation split?", path.display()))?;
    let evaluation: BTreeMap<String, Value> =
        serde_json::from_str(&text).with_context(|| format!("{}: is no evaluation", path.display()))?;
    let numbers = evaluation.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?))).collect();
    let epochs = directory.epochs_path();
    let lines = std::fs::read_to_string(&epochs).with_context(|| format!("{}: cannot be read", epochs.display()))?;
    Ok(Outcome::Finished { numbers, seconds: seconds(&lines).unwrap_or(0.0) })
}

/// The wall time in the last line of `epochs.csv`.
fn seconds(epochs: &str) -> Option<f64> {
    let column = epochs.lines().next()?.split(',').position(|name| name == "seconds")?;
    epochs.lines().last()?.split(',').nth(column)?.parse().ok()
}

/// The error that a run ended with, from its log; what was there before it began does not count.
fn last_words(log: &Path, length: u64, status: std::process::ExitStatus) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(length as usize..).unwrap_or_default()).into_owned();
    let said = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    said.map_or_else(|| format!("it ended with {status}; its log is {}", log.display()), str::to_owned)
}
