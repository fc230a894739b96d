//! `ghm train`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use ghm_data::Skipped;
use ghm_eval::Detection;
use ghm_train::{Ended, EpochRecord, Observer, Plan, Recipe, RunDirectory, Session, StepRecord, open_device};

use crate::arguments::TrainArguments;
use crate::dry_run;
use crate::interrupt::{self, STOPPED};
use crate::output::{free_path, print};
use crate::progress::Progress;
use crate::samples::Samples;

/// What a folder of labelled pictures is trained by when no recipe is given.
pub const DEFAULT_RECIPE: &str = include_str!("../../../recipes/default.toml");

/// Defects shown before a run.
const FINDINGS_SHOWN: usize = 20;

/// Runs the verb.
pub fn run(arguments: &TrainArguments) -> Result<ExitCode> {
    let device = device(&arguments.device)?;
    if arguments.until_input_ends {
        interrupt::at_end_of_input()?;
    }
    if arguments.dry_run {
        return rehearse(arguments, &device);
    }
    let (session, directory) = match &arguments.resume {
        Some(root) => {
            let directory = RunDirectory::open(root)?;
            let plan = plan(directory.read_recipe()?)?;
            (Session::resume(plan, directory.clone(), &device)?, directory)
        }
        None => start(arguments, &device)?,
    };
    drive(session, &directory)
}

fn start(arguments: &TrainArguments, device: &burn::tensor::Device) -> Result<(Session, RunDirectory)> {
    let (recipe, out) = read(arguments, "")?;
    begin(plan(recipe)?, &out, device)
}

/// Says what a run would be.
fn rehearse(arguments: &TrainArguments, device: &burn::tensor::Device) -> Result<ExitCode> {
    let (recipe, out) = read(arguments, "-dry-run")?;
    dry_run::run(&plan(recipe)?, &out, device)
}

/// The recipe, from a TOML file or the built-in one for a data set, and a free folder for its run, which is named after it
/// and `ending` where none is given.
fn read(arguments: &TrainArguments, ending: &str) -> Result<(Recipe, PathBuf)> {
    let given = arguments.recipe.clone().unwrap_or_default();
    let recipe = match given.extension() {
        Some(extension) if extension == "toml" => Recipe::read(&given, &arguments.overrides)?,
        _ => Recipe::for_data(DEFAULT_RECIPE, &given, &arguments.overrides)?,
    };
    let mut name = given.file_stem().unwrap_or(given.as_os_str()).to_owned();
    name.push(ending);
    let out = arguments.out.clone().unwrap_or_else(|| free_path(&Path::new("runs").join(name)));
    RunDirectory::expect_free(&out)?; // before the data are read
    Ok((recipe, out))
}

/// Opens a device, saying what is to be said about it.
pub fn device(name: &str) -> Result<burn::tensor::Device> {
    let (device, note) = open_device(name)?;
    if let Some(note) = note {
        eprintln!("warning: {note}");
    }
    Ok(device)
}

/// Checks a recipe against its data and shows what is wrong with them.
pub fn plan(recipe: Recipe) -> Result<Plan> {
    let plan = Plan::new(recipe)?;
    if plan.recipe.freezes_fresh_weights() {
        eprintln!(
            "warning: model.weights is not given, so what the recipe freezes stays random: give ImageNet weights, or set \
             model.norm=batch model.frozen_stages=0"
        );
    }
    for finding in plan.findings.iter().take(FINDINGS_SHOWN) {
        eprintln!("warning: {finding}");
    }
    match plan.findings.len() {
        0 => {}
        n => eprintln!("warning: {n} defects in the labels; the records are left out of training (all: findings.txt)"),
    }
    Ok(plan)
}

/// Writes all defects of a run's data, one a line.
pub fn write_findings(findings: &[ghm_data::Finding], path: &Path) -> Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    std::fs::write(path, lines.join("\n") + "\n").with_context(|| format!("{}: cannot be written", path.display()))
}

/// Starts a run in a new folder.
pub fn begin(plan: Plan, out: &Path, device: &burn::tensor::Device) -> Result<(Session, RunDirectory)> {
    let directory = RunDirectory::create(out)?;
    let started = write_findings(&plan.findings, &directory.findings_path())
        .and_then(|()| Ok(Session::start(plan, directory.clone(), device)?));
    match started {
        Ok((session, note)) => {
            if let Some(note) = note {
                eprintln!("weights: {note}");
            }
            Ok((session, directory))
        }
        Err(error) => {
            directory.withdraw(); // nothing was trained
            Err(error)
        }
    }
}

/// Trains to the end or to Ctrl-C, and says where to look.
pub fn drive(session: Session, directory: &RunDirectory) -> Result<ExitCode> {
    let root = directory.root().display();
    match train(session, directory)? {
        Ended::Finished { evaluation } => {
            if let Some(evaluation) = evaluation {
                print(&evaluation.to_string())?;
            }
            eprintln!("run directory: {root}; as one page: ghm report {root}");
            Ok(ExitCode::SUCCESS)
        }
        Ended::Stopped { step } => {
            eprintln!("stopped after update {step}; go on with: ghm train --resume {root}");
            Ok(ExitCode::from(STOPPED))
        }
    }
}

/// Trains to the end or to Ctrl-C.
pub fn train(session: Session, directory: &RunDirectory) -> Result<Ended> {
    let stop = interrupt::flag()?;
    let mut observer = Both { progress: Progress::new(), samples: Samples::new(directory.samples_path()) };
    Ok(session.run(&|| stop.load(Ordering::SeqCst), &mut observer)?)
}

/// The two observers of a run.
struct Both {
    progress: Progress,
    samples: Samples,
}

impl Observer for Both {
    fn started(&mut self, plan: &Plan, first_step: usize) {
        self.progress.started(plan, first_step);
    }

    fn step(&mut self, record: &StepRecord) {
        self.progress.step(record);
    }

    fn skipped(&mut self, picture: &Skipped) {
        self.progress.skipped(picture);
    }

    fn evaluating(&mut self, done: usize, total: usize) {
        self.progress.evaluating(done, total);
    }

    fn detections(&mut self, plan: &Plan, detections: &[Detection]) {
        self.samples.detections(plan, detections);
    }

    fn epoch(&mut self, record: &EpochRecord, best: bool) {
        self.progress.epoch(record, best);
    }
}
