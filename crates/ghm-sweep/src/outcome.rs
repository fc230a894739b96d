//! What came out of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metric::class_of;

/// What came out of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Outcome {
    /// It went to its end.
    Finished {
        /// What `evaluation.json` says, by its names and those of [`of_class`](crate::metric::of_class); what could not be measured is
        /// left out.
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

    /// Whether a metric is of a class, and this of a finished run that an earlier version kept without the numbers of classes.
    pub fn lacks(&self, metric: &str) -> bool {
        class_of(metric).is_some() && matches!(self, Self::Finished { .. }) && self.class_numbers().next().is_none()
    }

    /// The names of its numbers that are of one class.
    pub fn class_numbers(&self) -> impl Iterator<Item = &str> {
        let numbers = match self {
            Self::Finished { numbers, .. } => Some(numbers),
            Self::Failed { .. } => None,
        };
        let names = numbers.into_iter().flat_map(|numbers| numbers.keys().map(String::as_str));
        names.filter(|name| class_of(name).is_some())
    }

    /// A number of a finished run, by its name ([`metric`](crate::metric)).
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
