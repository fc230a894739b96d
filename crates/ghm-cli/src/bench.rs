//! `ghm bench`: how fast this machine computes, and how well wrong labels are found; one file a part.

mod audit;
mod clock;
mod loader;
mod loss_data;
mod loss_timing;
mod losses;
mod machine;
mod predict;
mod seconds;
mod step;
mod subject;

use std::process::ExitCode;

use anyhow::Result;

use crate::arguments::{BenchArguments, BenchVerb};

/// Runs the verb.
pub fn run(arguments: &BenchArguments) -> Result<ExitCode> {
    match &arguments.what {
        BenchVerb::Losses(losses) => losses::run(losses),
        BenchVerb::Step(step) => step::run(step),
        BenchVerb::Predict(predict) => predict::run(predict),
        BenchVerb::Loader(loader) => loader::run(loader),
        BenchVerb::Audit(audit) => audit::run(audit),
    }
}
