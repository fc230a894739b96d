//! `ghm audit` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ghm_audit::Kind;

use super::kind;

/// `ghm audit`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    override_usage = "ghm audit [OPTIONS] RUN\n       ghm audit [OPTIONS] --annotations GT.json --detections DT.json\n       \
                      ghm audit apply [OPTIONS] --out DIR DECISIONS"
)]
pub struct AuditArguments {
    /// Something else than an audit.
    #[command(subcommand)]
    pub verb: Option<AuditVerb>,
    /// A run directory: the labels that it was trained on
    #[arg(value_name = "RUN", required_unless_present_any = ["annotations", "detections"])]
    pub run: Option<PathBuf>,
    /// Without a run: the labels, as COCO JSON
    #[arg(long, value_name = "GT.json", requires = "detections", conflicts_with = "run")]
    pub annotations: Option<PathBuf>,
    /// Without a run: what any network finds in their pictures, as COCO results JSON
    #[arg(long, value_name = "DT.json", requires = "annotations", conflicts_with = "run")]
    pub detections: Option<PathBuf>,
    /// In place of the run's evidence, what is seen by K networks, each trained as the run was on K - 1 parts of its pictures and
    /// asked about the last; they lie in RUN/folds-K, and the same command goes on with them
    #[arg(long, value_name = "K", conflicts_with = "annotations")]
    pub folds: Option<usize>,
    /// Where the trained network looks, and folds are trained: cpu, cuda, cuda:N or wgpu
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Go by what the run wrote down alone: the trained network is not asked about its training pictures, which takes as long as
    /// predicting in them, and boxes and classes are suggested less well
    #[arg(long, conflicts_with_all = ["annotations", "folds"])]
    pub evidence_only: bool,
    /// Where the list goes; never overwritten [default: RUN/audit, without a run audit, or the next free number of it]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Only what looks wrong by more than this, from 0 to below 1
    #[arg(long, default_value_t = LEAST)]
    pub least: f32,
    /// Most suspects in audit.html
    #[arg(long, value_name = "N", default_value_t = PAGE)]
    pub page: usize,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What an audit leaves out, and how much of the rest its page shows, unless told.
const LEAST: f32 = 0.2;
const PAGE: usize = 2000;

impl AuditArguments {
    /// Of a run, on a device, all else as it is unless told.
    pub fn of_run(run: PathBuf, device: &str) -> Self {
        Self {
            verb: None,
            run: Some(run),
            annotations: None,
            detections: None,
            folds: None,
            device: device.into(),
            evidence_only: false,
            out: None,
            least: LEAST,
            page: PAGE,
            json: false,
        }
    }
}

/// What else there is about audits.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// A corrected data set beside the old one
    Apply(AuditApplyArguments),
}

/// `ghm audit apply`.
#[derive(Debug, Args)]
pub struct AuditApplyArguments {
    /// The decisions that the page gives, or audit.json with --above
    #[arg(value_name = "DECISIONS")]
    pub decisions: PathBuf,
    /// Where the corrected data set goes, as COCO; never overwritten
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Accept what is not decided from this suspicion on, 0 to 1
    #[arg(long, value_name = "SUSPICION")]
    pub above: Option<f32>,
    /// Of what --above accepts, a class that is less certain than this is not set: its label is ignored, neither object nor
    /// background; 0 sets every class
    #[arg(long, value_name = "CERTAINTY", default_value_t = 0.5, requires = "above")]
    pub class_certainty: f32,
    /// Of what --above accepts, these kinds alone: wrong-class, loose-box, missing-box, spurious-box, duplicate [default: all]
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', value_parser = kind::<Kind>, requires = "above")]
    pub kinds: Vec<Kind>,
    /// Links to the pictures in place of copies
    #[arg(long)]
    pub link: bool,
}
