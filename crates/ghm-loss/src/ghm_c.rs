//! GHM-C: binary cross entropy, harmonised by unit regions, by factors given, or by the exact density.

use crate::density::{BinWeights, GradientDensity};
use crate::error::LossError;
use crate::exact::{ExactDensity, exact_sum};
use crate::harmonise::{harmonised_sum, harmonised_sum_given};
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
    harmonised_sum(&inputs, density, scale, gradient, terms)
}

/// [`ghm_c`] by factors that are given: one shard of a call that is spread over workers. The factors are
/// [`GradientDensity::update`]'s for the counts of all shards, merged ([`crate::Counts`]).
///
/// Gradients are bit for bit those of one call over all shards, and the values sum to its value.
///
/// # Shapes
/// `logits`, `weights`, `gradient`: one entry an element of the shard; see [`Targets`] for the targets.
///
/// # Errors
/// [`LossError`] where lengths differ or a target is none; `gradient` is untouched then.
pub fn ghm_c_given(
    logits: &[f32],
    targets: Targets,
    weights: Option<&[f32]>,
    bin_weights: &BinWeights,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let inputs = Inputs::of_logits(logits, targets, weights, gradient)?;
    Ok(harmonised_sum_given(&inputs, bin_weights, scale, gradient, terms))
}

/// [`ghm_c`] by the density as the paper defines it before its unit regions (Li et al. 2019, eq. 4 to 8), without a
/// moving average: each example is divided by the [`ExactDensity`] of its gradient norm among those of this call.
///
/// Elements that take part, NaN and infinity are as in [`ghm_c`].
///
/// # Shapes
/// `logits`, `weights`, `gradient`: one entry an element; see [`Targets`] for the targets.
///
/// # Errors
/// [`LossError`] where lengths differ, a target is none, a setting is outside its range, or there are 2^32 elements or
/// more; `gradient` is untouched then.
pub fn ghm_c_exact(
    logits: &[f32],
    targets: Targets,
    weights: Option<&[f32]>,
    density: ExactDensity,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let inputs = Inputs::of_logits(logits, targets, weights, gradient)?;
    exact_sum(&inputs, density, scale, gradient, terms)
}

/// Loss and derivative of one logit.
#[inline(always)]
pub(crate) fn terms(logit: f32, target: f32) -> (f32, f32) {
    let terms = Logistic::new(logit, target);
    (terms.cross_entropy, terms.slope)
}
