//! `ghm demo`: synthetic scenes, a detector trained on them, its numbers and its pictures, an audit of the labels, and a report.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use ghm_data::{SceneConfig, write_scenes};
use ghm_train::{Recipe, RunDirectory};

use crate::arguments::{AuditArguments, DemoArguments};
use crate::audit;
use crate::output::{free_path, print};
use crate::report;
use crate::train::{begin, device, drive, plan};

/// The recipe of the demonstration.
const RECIPE: &str = include_str!("../../../recipes/demo.toml");

/// Runs the verb.
pub fn run(arguments: &DemoArguments) -> Result<ExitCode> {
    let device = device(&arguments.device)?;
    let out: PathBuf = arguments.out.clone().unwrap_or_else(|| free_path(Path::new("runs/demo")));
    let (data, run) = (out.join("data"), out.join("run"));
    let mut overrides = vec![format!("seed={}", arguments.seed)];
    overrides.extend_from_slice(&arguments.overrides);
    let recipe = Recipe::for_data(RECIPE, &data, &overrides)?;
    recipe.validate()?;
    RunDirectory::expect_free(&out)?;
    eprintln!("drawing scenes in {}", data.display());
    write_scenes(&SceneConfig { seed: arguments.seed, ..SceneConfig::default() }, &data)?;
    let (session, directory) = begin(plan(recipe)?, &run, &device)?;
    let code = drive(session, &directory)?;
    if code != ExitCode::SUCCESS {
        return Ok(code);
    }
    // A GPU gathers no evidence unless told.
    if directory.evidence_path().is_file() {
        print("\nLabels of the training pictures that look wrong:")?;
        let audited = audit::run(&AuditArguments::of_run(run.clone(), &arguments.device))?;
        if audited != ExitCode::SUCCESS {
            return Ok(audited);
        }
    }
    report::write(&directory);
    eprintln!("labels (left) and boxes found (right): {}", directory.samples_path().display());
    eprintln!("curves: {} and {}", directory.epochs_path().display(), directory.metrics_path().display());
    eprintln!("try it: ghm predict {} {}", run.display(), data.join("images/val").display());
    Ok(code)
}
