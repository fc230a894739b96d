//! GHM-C: binary cross entropy, harmonised.

use crate::density::GradientDensity;
use crate::error::LossError;
use crate::harmonise::harmonised_sum;
use crate::inputs::Inputs;
use crate::logistic::Logistic;
use crate::targets::Targets;

/// GHM-C (Li et al. 2019, eq. 8 and 11): the binary cross entropies of the elements, each divided by the density of its
/// gradient norm `|sigmoid(logit) - target|`. Returns the value, writes the gradient, and takes this call's counts into
/// `density`.
///
/// The factors are constants of the gradient: an element's is `factor * (sigmoid(logit) - target)`.
///
/// # Shapes
/// `logits`, `weights`, `gradient`: one entry an element; see [`Targets`] for the targets.
///
/// # Weights
/// An element takes part when there are no weights or its weight is above 0; by how much makes no difference. The
/// others are not counted, add nothing and have gradient 0, even where they hold NaN. `scale` multiplies value and
/// gradient.
///
/// # Not finite
/// A NaN among the logits that take part makes the value NaN, and so its own entry of the gradient; it falls into no
/// bin. An infinite logit makes the value infinite or NaN.
///
/// # Errors
/// [`LossError`] where lengths differ or a target is none; `density` and `gradient` are untouched then.
///
/// # Deviations
/// See [`crate::density::GradientDensity`] and `docs/ghm.md` for where paper and released code differ and how to choose.
pub fn ghm_c(
    logits: &[f32],
    targets: Targets,
    weights: Option<&[f32]>,
    density: &mut GradientDensity,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let inputs = Inputs::of_logits(logits, targets, weights, gradient)?;
    harmonised_sum(&inputs, density, scale, gradient, |logit, target| {
        let terms = Logistic::new(logit, target);
        (terms.cross_entropy, terms.slope)
    })
}
