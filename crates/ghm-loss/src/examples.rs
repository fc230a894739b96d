//! What goes into a loss: values, what they are compared with, who takes part, and for how much each counts.

use crate::targets::Targets;

/// The examples of one call: slices, borrowed.
///
/// An example is an element; for [`softmax_ghm_c`](crate::softmax_ghm_c) and its like it is a row of logits, for the losses
/// of boxes a box of four numbers. Gates, masks and weights have one entry an example.
///
/// **Who takes part** and **for how much** are two things. An example that is gated or masked out, or whose row is
/// [`IGNORED`](crate::IGNORED), does not exist: it is not counted, in no density and no mean, adds nothing and has
/// gradient 0, even where it holds NaN. A weight multiplies the loss and the gradient of an example that exists: the
/// density counts it as one, whatever it weighs, and so does a mean.
///
/// ```
/// use ghm_loss::{Examples, Targets, cross_entropy};
///
/// let (logits, targets) = ([0.0, 2.0, f32::NAN], [1.0, 0.0, 1.0]);
/// let examples = Examples::new(&logits, Targets::Dense(&targets)).gated(&[1.0, 0.3, 0.0]).weighted(&[1.0, 0.5, 1.0]);
/// let mut gradient = [0.0; 3];
/// // The mean over two examples of (ln 2) and of half of (2 + ln(1 + exp(-2))).
/// let value = cross_entropy(&examples, &mut gradient)?;
/// assert!((value - 0.8783).abs() < 1e-4);
/// assert_eq!(gradient[2], 0.0);
/// # Ok::<(), ghm_loss::LossError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a, T = f32> {
    pub(crate) values: &'a [T],
    pub(crate) targets: Targets<'a>,
    pub(crate) gate: Gate<'a>,
    pub(crate) weights: Option<&'a [f32]>,
}

/// Who takes part, beside what the targets say.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gate<'a> {
    Open,
    AboveZero(&'a [f32]),
    Except(&'a [bool]),
}

impl<'a, T> Examples<'a, T> {
    /// All of `values`, logits or predictions, each compared with its target, each counting for 1.
    pub fn new(values: &'a [T], targets: Targets<'a>) -> Self {
        Self { values, targets, gate: Gate::Open, weights: None }
    }

    /// Only the examples whose entry is above 0 take part, whatever it is: mmdetection's `label_weight`. In place of any
    /// gate or mask before.
    #[must_use]
    pub fn gated(self, gates: &'a [f32]) -> Self {
        Self { gate: Gate::AboveZero(gates), ..self }
    }

    /// The examples whose entry is true do not take part. In place of any gate or mask before.
    #[must_use]
    pub fn ignoring(self, mask: &'a [bool]) -> Self {
        Self { gate: Gate::Except(mask), ..self }
    }

    /// Loss and gradient of each example times its entry. One whose weight is not above 0 adds nothing and has gradient
    /// 0, even where it holds NaN, but counts.
    #[must_use]
    pub fn weighted(self, weights: &'a [f32]) -> Self {
        Self { weights: Some(weights), ..self }
    }
}

impl Gate<'_> {
    pub fn len(&self) -> Option<usize> {
        match self {
            Self::Open => None,
            Self::AboveZero(gates) => Some(gates.len()),
            Self::Except(mask) => Some(mask.len()),
        }
    }
}
