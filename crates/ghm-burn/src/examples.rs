//! What goes into a loss, as tensors.

use burn::tensor::{Bool, Int, Tensor};

use crate::host::{Floats, classes};

/// The examples of one call: predictions, what they are compared with, who takes part, and for how much.
///
/// As [`ghm_loss::Examples`], which says what a gate is and what a weight. An example is an element; for softmax a row of
/// logits, for the losses of boxes a box: gates, masks and weights have one entry an example.
///
/// Targets, gates and weights get no gradient.
#[derive(Clone, Debug)]
pub struct Examples<const D: usize> {
    pub(crate) values: Tensor<D>,
    pub(crate) targets: Targets,
    pub(crate) gate: Gate,
    pub(crate) weights: Option<Tensor<1>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Targets {
    Dense(Tensor<1>),
    Classes { rows: Tensor<1, Int>, classes: usize },
}

#[derive(Clone, Debug)]
pub(crate) enum Gate {
    Open,
    AboveZero(Tensor<1>),
    Except(Tensor<1, Bool>),
}

impl<const D: usize> Examples<D> {
    /// Logits and one class a row: an index, -1 for background (not for softmax), -2 for a row that is left out.
    ///
    /// # Shapes
    /// `logits [.., C]`; `rows`: one entry for each row of `C` logits.
    pub fn of_classes(logits: Tensor<D>, rows: Tensor<1, Int>) -> Self {
        let classes = logits.dims().last().copied().unwrap_or(0);
        Self { values: logits, targets: Targets::Classes { rows, classes }, gate: Gate::Open, weights: None }
    }

    /// Predictions and what each is compared with; of logits a number from 0 to 1.
    ///
    /// # Shapes
    /// Both the same; for the losses of boxes `[.., 4]`.
    pub fn dense(predictions: Tensor<D>, targets: Tensor<D>) -> Self {
        let elements = targets.shape().num_elements();
        let targets = Targets::Dense(targets.reshape([elements]));
        Self { values: predictions, targets, gate: Gate::Open, weights: None }
    }

    /// Only the examples whose entry is above 0 take part.
    #[must_use]
    pub fn gated<const G: usize>(self, gates: Tensor<G>) -> Self {
        let examples = gates.shape().num_elements();
        Self { gate: Gate::AboveZero(gates.reshape([examples])), ..self }
    }

    /// The examples whose entry is true do not take part.
    #[must_use]
    pub fn ignoring<const G: usize>(self, mask: Tensor<G, Bool>) -> Self {
        let examples = mask.shape().num_elements();
        Self { gate: Gate::Except(mask.reshape([examples])), ..self }
    }

    /// Loss and gradient of each example times its entry.
    #[must_use]
    pub fn weighted<const G: usize>(self, weights: Tensor<G>) -> Self {
        let examples = weights.shape().num_elements();
        Self { weights: Some(weights.reshape([examples])), ..self }
    }

    /// Everything but the predictions, where the plain losses can read it.
    pub(crate) fn others(&self) -> Others {
        Others {
            targets: match &self.targets {
                Targets::Dense(targets) => HostTargets::Dense(Floats::of(targets)),
                Targets::Classes { rows, classes: width } => {
                    HostTargets::Classes { rows: classes(rows), classes: *width }
                }
            },
            gate: match &self.gate {
                Gate::Open => HostGate::Open,
                Gate::AboveZero(gates) => HostGate::AboveZero(Floats::of(gates)),
                Gate::Except(mask) => {
                    let data = mask.clone().into_data().convert::<bool>();
                    HostGate::Except(data.iter::<bool>().collect())
                }
            },
            weights: self.weights.as_ref().map(Floats::of),
        }
    }
}

/// What the predictions are compared with, on the host.
pub(crate) struct Others {
    targets: HostTargets,
    gate: HostGate,
    weights: Option<Floats>,
}

enum HostTargets {
    Dense(Floats),
    Classes { rows: Vec<i32>, classes: usize },
}

enum HostGate {
    Open,
    AboveZero(Floats),
    Except(Vec<bool>),
}

impl Others {
    /// The examples that these make with `values`.
    pub fn with<'a, T>(&'a self, values: &'a [T]) -> ghm_loss::Examples<'a, T> {
        let targets = match &self.targets {
            HostTargets::Dense(targets) => ghm_loss::Targets::Dense(targets.as_slice()),
            HostTargets::Classes { rows, classes } => ghm_loss::Targets::ClassIndex { rows, classes: *classes },
        };
        let examples = ghm_loss::Examples::new(values, targets);
        let examples = match &self.gate {
            HostGate::Open => examples,
            HostGate::AboveZero(gates) => examples.gated(gates.as_slice()),
            HostGate::Except(mask) => examples.ignoring(mask),
        };
        match &self.weights {
            Some(weights) => examples.weighted(weights.as_slice()),
            None => examples,
        }
    }
}
