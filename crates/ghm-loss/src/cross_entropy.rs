//! Binary cross entropy.

use crate::error::LossError;
use crate::inputs::Inputs;
use crate::logistic::Logistic;
use crate::sums::weighted_sum;
use crate::targets::Targets;

/// Binary cross entropy of logits: `scale` times its sum over elements, each times its weight. Returns the value and
/// writes the gradient, `sigmoid(logit) - target` times weight and scale. A mean is a `scale` of one over the divisor.
///
/// # Shapes
/// `logits`, `weights`, `gradient`: one entry an element; see [`Targets`] for the targets. An element whose weight is not
/// above 0, or whose row is ignored, adds nothing and has gradient 0, even where it holds NaN; a NaN elsewhere makes the
/// value NaN.
///
/// # Errors
/// [`LossError`] where lengths differ or a target is none; `gradient` is untouched then.
pub fn cross_entropy(
    logits: &[f32],
    targets: Targets,
    weights: Option<&[f32]>,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let inputs = Inputs::of_logits(logits, targets, weights, gradient)?;
    Ok(weighted_sum(&inputs, scale, gradient, |logit, target| {
        let terms = Logistic::new(logit, target);
        (terms.cross_entropy, terms.slope)
    }))
}
