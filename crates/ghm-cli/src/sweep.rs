//! `ghm sweep`: a grid of runs, and one table of what came out.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use ghm_sweep::results::Outcomes;
use ghm_sweep::{Outcome, Results, Run, Sweep, markdown};

use crate::arguments::SweepArguments;
use crate::interrupt::{self, STOPPED};
use crate::output::print;
use crate::train::device;

use folder::Folder;
pub use folder::{blocks, is_one};
pub use kept::Kept;
use known::Known;
use live::Live;
use worker::Worker;

mod data;
mod figure;
mod folder;
mod kept;
mod known;
mod live;
mod outcome;
mod places;
mod recipe;
mod worker;

/// The exit code where runs failed.
const FINDINGS: u8 = 1;

/// Runs the verb.
pub fn run(arguments: &SweepArguments) -> Result<ExitCode> {
    let (sweep, text) = read(&arguments.sweep)?;
    for name in &arguments.device {
        device(name)?; // says now what each run would say into its log
    }
    let out = arguments.out.clone().unwrap_or_else(|| usual_folder(&arguments.sweep));
    let folder = Folder::open(&out)?;
    let resolve = |run: &Run| {
        let clean = recipe::clean(run, &sweep, &text, folder.places())?;
        Ok((recipe::own(run, &clean, folder.places())?, clean))
    };
    let mut outcomes = folder.outcomes(&sweep, arguments.again, resolve)?;
    let (done, mut left): (Vec<Run>, Vec<Run>) =
        sweep.runs().into_iter().partition(|run| outcomes.contains_key(&(run.cell.clone(), run.seed)));
    if arguments.discard_runs {
        let finished = |run: &&Run| outcomes[&(run.cell.clone(), run.seed)].state() == "finished";
        done.iter().filter(finished).try_for_each(|run| folder.discard(run))?;
    }
    for file in &arguments.known {
        left = Known::read(file)?.take_over((&sweep, &folder), left, resolve, |run, outcome| {
            outcomes.insert((run.cell.clone(), run.seed), outcome);
        })?;
    }
    eprintln!("{}: {} of {} runs are done", out.display(), outcomes.len(), outcomes.len() + left.len());
    kept::expect_class(&sweep.metric, &outcomes).with_context(|| arguments.sweep.display().to_string())?;
    let whole = work(arguments, (&sweep, &text), &folder, &left, &mut outcomes)?;
    let results = Results::new(&sweep, &outcomes);
    folder.write_tables(&results)?;
    let name = arguments.sweep.file_stem().unwrap_or_default().to_string_lossy();
    folder.write_report(&name, &results, &figure::figures(&results)?)?;
    if !whole {
        eprintln!("stopped; the same command goes on from here");
        return Ok(ExitCode::from(STOPPED));
    }
    print(markdown::tables(&results).trim_end())?;
    eprintln!("report: {}; tables: {}", folder.report().display(), folder.tables());
    let failed = outcomes.values().any(|outcome| matches!(outcome, Outcome::Failed { .. }));
    Ok(if failed { ExitCode::from(FINDINGS) } else { ExitCode::SUCCESS })
}

/// A sweep, and the text of its recipe.
fn read(path: &Path) -> Result<(Sweep, String)> {
    let sweep = Sweep::read(path)?;
    let text = std::fs::read_to_string(&sweep.recipe)
        .with_context(|| format!("{}: the sweep's recipe cannot be read", sweep.recipe.display()))?;
    Ok((sweep, text))
}

/// Where a sweep goes that is not told where.
fn usual_folder(sweep: &Path) -> PathBuf {
    Path::new("runs").join(sweep.file_stem().unwrap_or(sweep.as_os_str()))
}

/// Has all runs that are left done, several at a time; whether all were.
fn work(
    arguments: &SweepArguments,
    (sweep, recipe): (&Sweep, &str),
    folder: &Folder,
    left: &[Run],
    outcomes: &mut Outcomes,
) -> Result<bool> {
    let stop = interrupt::flag()?;
    let jobs = arguments.jobs.map_or(arguments.device.len(), NonZeroUsize::get);
    // Raised by Ctrl-C, by a job that cannot go on, and by one whose run somebody has stopped.
    let (next, halted) = (AtomicUsize::new(0), AtomicBool::new(false));
    let live = &Live::new(jobs.min(left.len()), left.len());
    let progress = Mutex::new(Progress { outcomes, begun: Instant::now(), done: 0, left: left.len() });
    let of_job = |job: usize| -> Result<()> {
        let device = &arguments.device[job % arguments.device.len()];
        let discard = arguments.discard_runs;
        let worker = Worker { sweep, recipe, folder, device, job, jobs, discard, live, stop };
        while !stop.load(Ordering::SeqCst) && !halted.load(Ordering::SeqCst) {
            let Some(run) = left.get(next.fetch_add(1, Ordering::SeqCst)) else { break };
            let Some(outcome) = worker.run(run)? else {
                halted.store(true, Ordering::SeqCst);
                break;
            };
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            live.line(&progress.add(sweep, run, outcome));
            let results = Results::new(sweep, progress.outcomes);
            live.ended(job, &markdown::means(&results));
            folder.write_tables(&results)?;
        }
        Ok(())
    };
    let of_job = |job: usize| of_job(job).inspect_err(|_| halted.store(true, Ordering::SeqCst));
    let of_job = &of_job;
    let ended = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|job| scope.spawn(move || of_job(job))).collect();
        let ended =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.collect::<Vec<_>>().into_iter().collect::<Result<()>>()
    });
    live.clear();
    ended?;
    Ok(progress.into_inner().unwrap_or_else(PoisonError::into_inner).done == left.len())
}

/// What has been done so far.
struct Progress<'a> {
    outcomes: &'a mut Outcomes,
    begun: Instant,
    done: usize,
    left: usize,
}

impl Progress<'_> {
    /// Takes what came out of a run, and says so.
    fn add(&mut self, sweep: &Sweep, run: &Run, outcome: Outcome) -> String {
        self.done += 1;
        let said = match &outcome {
            Outcome::Failed { reason } => format!("failed: {reason}"),
            Outcome::Finished { .. } => {
                let number = outcome.number(&sweep.metric).map_or("-".to_owned(), |number| format!("{number:.3}"));
                format!("{} {number}", sweep.metric)
            }
        };
        let mut names = sweep.names(&run.cell).join(", ");
        if !names.is_empty() {
            names += ", ";
        }
        let each = self.begun.elapsed().as_secs_f64() / self.done as f64;
        let minutes = each * (self.left - self.done) as f64 / 60.0;
        self.outcomes.insert((run.cell.clone(), run.seed), outcome);
        format!("{} of {}: {names}seed {}: {said}; {minutes:.0} min left", self.done, self.left, run.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sweeps of the project.
    fn of_the_project() -> Vec<PathBuf> {
        let sweeps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sweeps");
        let paths = std::fs::read_dir(sweeps).unwrap().map(|entry| entry.unwrap().path());
        let paths: Vec<_> =
            paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
        assert!(!paths.is_empty());
        paths
    }

    #[test]
    fn every_run_of_every_sweep_of_the_project_has_a_recipe() {
        for path in of_the_project() {
            let (sweep, text) = read(&path).unwrap();
            for run in sweep.runs() {
                let resolved = recipe::clean(&run, &sweep, &text, &places::Places::new("/sweep".into()));
                assert!(resolved.is_ok(), "{}, {}: {:#}", path.display(), run.slug, resolved.unwrap_err());
            }
        }
    }

    #[test]
    fn the_thin_recipe_is_the_pair_of_losses_that_was_confirmed() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let (sweep, text) = read(&project.join("sweeps/confirm.toml")).unwrap();
        let run = sweep.runs().into_iter().find(|run| sweep.names(&run.cell) == ["none", "GHM-C, SL1 × 0.3"]).unwrap();
        let confirmed = recipe::clean(&run, &sweep, &text, &places::Places::new("/sweep".into())).unwrap();
        let thin = std::fs::read_to_string(project.join("recipes/thin.toml")).unwrap();
        let mut thin = ghm_train::Recipe::parse(&thin, &[]).unwrap();
        thin.data = confirmed.data.clone();
        assert_eq!(thin, confirmed);
    }

    #[test]
    fn the_index_of_sweeps_has_every_one() {
        let paths = of_the_project();
        let index = std::fs::read_to_string(paths[0].with_file_name("README.md")).unwrap();
        for path in &paths {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(index.contains(&format!("]({name})")), "sweeps/README.md: {name} is missing");
        }
        assert_eq!(index.matches(".toml)").count(), paths.len(), "sweeps/README.md: one twice, or one that is gone");
    }
}
