//! Binary cross entropy.

use crate::blocks::Inputs;
use crate::error::LossError;
use crate::examples::Examples;
use crate::logistic::Logistic;
use crate::output::Output;
use crate::real::Real;
use crate::sums::weighted_sum;

/// Binary cross entropy of logits. Returns the value and writes the gradient, `sigmoid(logit) - target` of each.
///
/// # Shapes
/// Logits, gates, weights: one an element; see [`Targets`](crate::Targets) for the targets and [`Examples`] for who takes
/// part. A NaN that does makes the value NaN.
///
/// # Errors
/// [`LossError`] where lengths differ or a target is none.
pub fn cross_entropy<'o, T: Real>(examples: &Examples<T>, output: impl Into<Output<'o, T>>) -> Result<f64, LossError> {
    let inputs = Inputs::of_logits(examples)?;
    weighted_sum(
        &inputs,
        output.into(),
        #[inline(always)]
        |logit, target| {
            let terms = Logistic::new(logit, target);
            (terms.cross_entropy, terms.slope)
        },
    )
}
