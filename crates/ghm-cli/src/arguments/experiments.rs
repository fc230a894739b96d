//! `ghm sweep` and what shows how runs went.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

/// `ghm sweep`.
#[derive(Debug, Args)]
pub struct SweepArguments {
    /// What is to be run (TOML)
    #[arg(value_name = "SWEEP.toml")]
    pub sweep: PathBuf,
    /// Where everything goes; one that is there is gone on with [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Runs at a time [default: one a device]
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
    /// cpu, cuda, cuda:N or wgpu; more than once for several, which take turns
    #[arg(long, default_value = "cpu")]
    pub device: Vec<String>,
    /// Run those again that failed
    #[arg(long)]
    pub again: bool,
    /// Remove the directory of each run that has finished, its weights and evidence included; tables and charts need nothing of it,
    /// `ghm audit`, `ghm report` and `ghm figures` of a run do
    #[arg(long)]
    pub discard_runs: bool,
    /// The sweep.json of another folder, of whatever sweep: runs that were finished there by the same settings are not run again;
    /// may be given several times
    #[arg(long, value_name = "FILE")]
    pub known: Vec<PathBuf>,
}

/// `ghm report`.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// A run directory, or a sweep's folder
    #[arg(value_name = "RUN|SWEEP")]
    pub folder: PathBuf,
    /// The page; never overwritten [default: report.html in the folder, which is made anew]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `ghm tables`.
#[derive(Debug, Args)]
pub struct TablesArguments {
    /// A Markdown file; between `<!-- ghm tables SWEEP.toml sweep.json -->` and `<!-- end of tables -->` it is written anew, paths being from
    /// its own folder on. What `<!-- ghm tables AXIS of NAME: SWEEP.toml sweep.json; NAME: ... -->` begins is one table of several sweeps.
    /// A metric can stand behind each sweep.json
    #[arg(value_name = "DOCUMENT.md")]
    pub document: PathBuf,
    /// Write nothing; exit code 1 where something would be
    #[arg(long)]
    pub check: bool,
}

/// `ghm figures`.
#[derive(Debug, Args)]
pub struct FiguresArguments {
    /// A run directory: its best network
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The split that is looked at, instead of the training split
    #[arg(long)]
    pub split: Option<String>,
    /// The most pictures that are looked at, spread over the split
    #[arg(long, value_name = "N", default_value = "200")]
    pub pictures: NonZeroUsize,
    /// Where they go; never overwritten [default: RUN/figures, or the next free number of it]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// cpu, cuda, cuda:N or wgpu
    #[arg(long, default_value = "cpu")]
    pub device: String,
}
