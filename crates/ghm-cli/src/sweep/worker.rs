//! One run of a sweep, as a process of its own: whatever becomes of it, the others go on.

use std::fs::{File, OpenOptions, TryLockError};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{available_parallelism, sleep};
use std::time::Duration;

use anyhow::{Context, Result};
use ghm_sweep::{Outcome, Run, Sweep};
use ghm_train::{Recipe, RunDirectory};

use super::folder::{Folder, make_parent};
use super::live::Live;
use super::{data, outcome, recipe};
use crate::failure::in_a_line;
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
    /// Which of the workers it is, and how many there are.
    pub job: usize,
    pub jobs: usize,
    /// Whether the directory of a run that has finished is removed.
    pub discard: bool,
    /// Where it says what it is at.
    pub live: &'a Live,
    /// Raised when the sweep is to stop.
    pub stop: &'a AtomicBool,
}

impl Worker<'_> {
    /// Does a run, or goes on with it, and keeps what came out; `None` where it was stopped, its state saved.
    ///
    /// # Errors
    /// Where the sweep cannot go on; what is wrong with the run alone is its outcome.
    pub fn run(&self, run: &Run) -> Result<Option<Outcome>> {
        let own = recipe::clean(run, self.sweep, self.recipe, self.folder.places())
            .and_then(|clean| Ok((recipe::own(run, &clean, self.folder.places())?, clean)));
        let (own, clean) = match own {
            Ok(recipes) => recipes,
            Err(error) => return self.keep(run, None, Err(error)),
        };
        let made =
            data::make(run, &clean, self.sweep, self.folder).and_then(|()| recipe::planned(&own, &self.sweep.metric));
        let planned = match made {
            Ok(planned) => planned,
            Err(error) => return self.keep(run, Some(&own), Err(error)),
        };
        let Some(log) = self.log(run)? else { return Ok(None) };
        self.expect_begun_by(&planned, run)?;
        self.folder.keep(run, Some(&own), None)?;
        let begins = log.metadata().map_or(0, |metadata| metadata.len());
        let status = self.train(run, log)?;
        if status.success() {
            let settings = recipe::settings(run, &clean, self.folder.places())?;
            let outcome = self.keep(run, Some(&own), outcome::of_run(&self.folder.places().run(run), settings))?;
            if let (true, Some(Outcome::Finished { .. })) = (self.discard, &outcome) {
                self.folder.discard(run).unwrap_or_else(|error| self.live.line(&in_a_line(&error)));
            }
            return Ok(outcome);
        }
        if status.code() == Some(i32::from(STOPPED)) || self.stop.load(Ordering::SeqCst) {
            return Ok(None);
        }
        let reason = outcome::last_words(&self.folder.places().log(run), begins, status);
        self.keep(run, Some(&own), Ok(Outcome::failed(&reason)))
    }

    /// Keeps what came out of a run by a recipe, or why nothing did.
    fn keep(&self, run: &Run, recipe: Option<&Recipe>, outcome: Result<Outcome>) -> Result<Option<Outcome>> {
        let outcome = outcome.unwrap_or_else(|error| Outcome::failed(&in_a_line(&error)));
        self.folder.keep(run, recipe, Some(&outcome))?;
        Ok(Some(outcome))
    }

    /// Refuses to go on with a run by another recipe than it was begun by.
    fn expect_begun_by(&self, planned: &Recipe, run: &Run) -> Result<()> {
        let root = self.folder.places().run(run);
        if RunDirectory::expect_free(&root).is_ok() || RunDirectory::open(&root)?.read_recipe()? == *planned {
            return Ok(());
        }
        Err(self.folder.other_settings(run))
    }

    /// The run's log, locked: the lock goes on to the process of the run, so that where a sweep was killed the next one waits until
    /// that process has saved its state. `None` where it is stopped meanwhile.
    fn log(&self, run: &Run) -> Result<Option<File>> {
        let path = self.folder.places().log(run);
        make_parent(&path)?;
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.with_context(|| format!("{}: cannot be opened for writing", path.display()))?;
        let mut said = false;
        while let Err(TryLockError::WouldBlock) = file.try_lock() {
            if self.stop.load(Ordering::SeqCst) {
                return Ok(None);
            }
            if !said {
                self.live.line(&format!("{}: waiting for a process that was at it to save its state", run.slug));
                said = true;
            }
            sleep(LOOK);
        }
        Ok(Some(file))
    }

    fn train(&self, run: &Run, log: File) -> Result<ExitStatus> {
        let root = self.folder.places().run(run);
        make_parent(&root)?;
        let program = std::env::current_exe().context("this program's own file is not known")?;
        let mut command = Command::new(program);
        command.arg("train").args(["--device", self.device, "--until-input-ends"]);
        match RunDirectory::expect_free(&root) {
            Ok(()) => command.arg(self.folder.places().recipe(run)).arg("--out").arg(&root),
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
            self.live.at(self.job, &run.slug, &self.folder.places().log(run));
            sleep(LOOK);
        }
    }
}
