//! `ghm bench`: how fast this machine computes, one file a part.

mod loss_data;
mod loss_timing;
mod losses;

use std::process::ExitCode;

use anyhow::Result;

use crate::arguments::{BenchArguments, BenchVerb};

/// Runs the verb.
pub fn run(arguments: &BenchArguments) -> Result<ExitCode> {
    match &arguments.what {
        BenchVerb::Losses(losses) => losses::run(losses),
    }
}
