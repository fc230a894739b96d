//! What a step and an epoch leave behind.

use ghm_burn::CriterionState;
use ghm_eval::Evaluation;
use serde::{Deserialize, Serialize};

/// Seconds of one update, by part: those of the host, which on a GPU goes on while parts are computed, and waits for all of
/// them when it reads losses, every few updates. That wait is shared out among the updates, as part of `update`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepTime {
    /// Waiting for batches.
    pub data: f64,
    /// Targets and the network's forward pass.
    pub forward: f64,
    /// Both losses, their densities and their gradients in logits and deltas.
    pub loss: f64,
    /// What the network says of each label, for an audit.
    #[serde(default)]
    pub evidence: f64,
    /// The network's backward pass.
    pub backward: f64,
    /// Clipping and applying.
    pub update: f64,
}

impl StepTime {
    /// All parts.
    pub fn total(&self) -> f64 {
        self.data + self.forward + self.loss + self.evidence + self.backward + self.update
    }

    /// Part by part.
    pub fn add(&mut self, other: &Self) {
        self.data += other.data;
        self.forward += other.forward;
        self.loss += other.loss;
        self.evidence += other.evidence;
        self.backward += other.backward;
        self.update += other.update;
    }
}

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Updates made, this one included.
    pub step: usize,
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Learning rate of this update.
    pub learning_rate: f64,
    /// Both losses, weights included.
    pub loss: f64,
    /// Classification loss.
    pub classification: f64,
    /// Box regression loss.
    pub regression: f64,
    /// L2 norm of all gradients before clipping.
    pub gradient_norm: f64,
    /// Positive anchors.
    pub positives: usize,
    /// Pictures.
    pub pictures: usize,
    /// Seconds.
    pub time: StepTime,
}

impl StepRecord {
    /// One of which nothing is known yet.
    pub fn begun(step: usize, epoch: usize, learning_rate: f64) -> Self {
        Self {
            step,
            epoch,
            learning_rate,
            loss: 0.0,
            classification: 0.0,
            regression: 0.0,
            gradient_norm: 0.0,
            positives: 0,
            pictures: 0,
            time: StepTime::default(),
        }
    }
}

/// One line of `densities.jsonl`: the densities of the losses at the end of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DensityRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Updates made.
    pub step: usize,
    /// The densities, where the losses have any.
    #[serde(flatten)]
    pub densities: CriterionState,
}

/// One line of `epochs.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Updates made.
    pub step: usize,
    /// Mean loss of the epoch's updates.
    pub loss: f64,
    /// Mean classification loss.
    pub classification: f64,
    /// Mean box regression loss.
    pub regression: f64,
    /// Pictures left out because they could not be read, so far.
    pub skipped: usize,
    /// Seconds since the start, of all sessions.
    pub seconds: f64,
    /// COCO numbers on the validation split, where this epoch was evaluated.
    pub evaluation: Option<Evaluation>,
}

impl EpochRecord {
    /// The header of `epochs.csv`.
    pub const HEADER: &'static str = "epoch,step,loss,classification,regression,skipped,seconds,AP,AP50,AP75";

    /// One line of `epochs.csv`, without its end.
    pub fn csv(&self) -> String {
        let number = |pick: fn(&Evaluation) -> Option<f64>| {
            self.evaluation.as_ref().and_then(pick).map_or(String::new(), |v| format!("{v:.6}"))
        };
        format!(
            "{},{},{:.6},{:.6},{:.6},{},{:.1},{},{},{}",
            self.epoch,
            self.step,
            self.loss,
            self.classification,
            self.regression,
            self.skipped,
            self.seconds,
            number(|e| e.ap),
            number(|e| e.ap50),
            number(|e| e.ap75)
        )
    }
}
