//! The binary `ghm`: arguments in, one verb run, an exit code out.
//!
//! Results go to stdout, talk to stderr. Exit codes: 0 done, 1 findings of `check`, pictures left out by `predict`, failed runs of `sweep` or
//! stale tables, 2 failure, 130 stopped by Ctrl-C.

mod arguments;
mod audit;
mod bench;
mod check;
mod convert;
mod corrupt;
mod demo;
mod dry_run;
mod eval;
mod export;
mod failure;
mod figures;
mod interrupt;
mod memory;
mod model;
mod output;
mod predict;
mod progress;
mod report;
mod samples;
mod sweep;
mod table;
mod tables;
mod threads;
mod train;
mod weights;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Verb};

fn main() -> ExitCode {
    memory::keep_freed_pages();
    failure::calm_panics();
    let arguments = Arguments::parse();
    let outcome = std::panic::catch_unwind(|| match arguments.verb {
        Verb::Demo(demo) => threads::among(|| demo::run(&demo)),
        Verb::Check(check) => check::run(&check),
        Verb::Convert(convert) => convert::run(&convert),
        Verb::Corrupt(corrupt) => corrupt::run(&corrupt),
        Verb::Train(train) => threads::among(|| train::run(&train)),
        Verb::Eval(eval) => threads::among(|| eval::run(&eval)),
        Verb::Audit(audit) => threads::among(|| audit::run(&audit)),
        Verb::Sweep(sweep) => sweep::run(&sweep),
        Verb::Report(report) => report::run(&report),
        Verb::Tables(tables) => tables::run(&tables),
        Verb::Figures(figures) => threads::among(|| figures::run(&figures)),
        Verb::Predict(predict) => predict::run(&predict),
        Verb::Export(export) => export::run(&export),
        Verb::Weights(weights) => weights::run(&weights),
        Verb::Bench(bench) => bench::run(&bench),
    });
    match outcome {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => failure::report(&error),
        Err(_) => ExitCode::from(failure::FAILURE),
    }
}
