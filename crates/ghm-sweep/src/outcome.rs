//! What came out of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The numbers of a run, as `evaluation.json` names them.
pub const NUMBERS: [&str; 12] = [
    "AP",
    "AP50",
    "AP75",
    "AP_small",
    "AP_medium",
    "AP_large",
    "AR_1",
    "AR_10",
    "AR_100",
    "AR_small",
    "AR_medium",
    "AR_large",
];

/// What a run took: seconds, and the share of its updates' time that went into the losses.
pub const COSTS: [&str; 2] = ["seconds", "losses_percent"];

/// What came out of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Outcome {
    /// It went to its end.
    Finished {
        /// What `evaluation.json` says, by its names; what could not be measured is left out.
        numbers: BTreeMap<String, f64>,
        /// Wall time of its updates and evaluations.
        seconds: f64,
        /// What both losses, with their densities and gradients, took of the updates' time, 0 to 100; `None` where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        losses_percent: Option<f64>,
        /// By what it was run, as a digest that says nothing of where its files lie; empty where it is not known.
        #[serde(default)]
        settings: String,
    },
    /// It did not.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// Of a run that did not go to its end; the reason becomes one line.
    pub fn failed(reason: &str) -> Self {
        Self::Failed { reason: reason.split_whitespace().collect::<Vec<_>>().join(" ") }
    }

    /// `finished` or `failed`.
    pub fn state(&self) -> &'static str {
        match self {
            Self::Finished { .. } => "finished",
            Self::Failed { .. } => "failed",
        }
    }

    /// A number of a finished run: one of [`NUMBERS`] or [`COSTS`].
    pub fn number(&self, metric: &str) -> Option<f64> {
        match self {
            Self::Finished { numbers, seconds, losses_percent, .. } => match metric {
                "seconds" => Some(*seconds),
                "losses_percent" => *losses_percent,
                _ => numbers.get(metric).copied(),
            },
            Self::Failed { .. } => None,
        }
    }
}
