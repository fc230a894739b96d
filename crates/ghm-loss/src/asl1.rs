//! ASL1, the smooth L1 whose gradient keeps apart the hard examples; plain, and harmonised as GHM-R: by unit regions,
//! by factors given, or by the exact density.

use crate::density::{BinWeights, GradientDensity};
use crate::error::{LossError, expect_setting};
use crate::exact::{ExactDensity, exact_sum};
use crate::harmonise::{harmonised_sum, harmonised_sum_given};
use crate::inputs::Inputs;
use crate::sums::weighted_sum;

/// The authentic smooth L1 of Li et al. 2019, `sqrt(d^2 + mu^2) - mu` of `d = prediction - target`: `scale` times its
/// sum over elements, each times its weight. Returns the value and writes the gradient, `d / sqrt(d^2 + mu^2)` times
/// weight and scale.
///
/// # Shapes
/// `predictions`, `targets`, `weights`, `gradient`: one entry an element. An element whose weight is not above 0 adds
/// nothing and has gradient 0. `mu > 0` is in the unit of the predictions; the paper has 0.02.
///
/// # Errors
/// [`LossError`] where lengths differ or `mu` is not a positive number; `gradient` is untouched then.
pub fn asl1(
    predictions: &[f32],
    targets: &[f32],
    weights: Option<&[f32]>,
    mu: f32,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let inputs = Inputs::of_predictions(predictions, targets, weights, gradient)?;
    check_mu(mu)?;
    Ok(weighted_sum(&inputs, scale, gradient, |prediction, target| terms(prediction - target, mu)))
}

/// GHM-R (Li et al. 2019): the [`asl1`] losses of the elements, each divided by the density of its gradient norm
/// `|d| / sqrt(d^2 + mu^2)`. Returns the value, writes the gradient (the factors are constants of it), and takes this
/// call's counts into `density`.
///
/// # Shapes
/// `predictions`, `targets`, `weights`, `gradient`: one entry an element, normally the four offsets of the positive
/// anchors. `mu > 0` is in the unit of the predictions; the paper has 0.02.
///
/// # Weights
/// An element takes part when there are no weights or its weight is above 0; by how much makes no difference. That is
/// so in the released code too, whose sum of weights multiplies the factors and divides the loss.
///
/// # Not finite
/// A NaN among the elements that take part makes the value NaN, and so its own entry of the gradient. Differences beyond
/// 1e19, whose square is no f32 any more, make the value infinite or NaN.
///
/// # Errors
/// [`LossError`] where lengths differ or `mu` is not a positive number; `density` and `gradient` are untouched then.
pub fn ghm_r(
    predictions: &[f32],
    targets: &[f32],
    weights: Option<&[f32]>,
    mu: f32,
    density: &mut GradientDensity,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let inputs = Inputs::of_predictions(predictions, targets, weights, gradient)?;
    check_mu(mu)?;
    harmonised_sum(&inputs, density, scale, gradient, |prediction, target| terms(prediction - target, mu))
}

/// [`ghm_r`] by factors that are given: one shard of a call that is spread over workers. The factors are
/// [`GradientDensity::update`]'s for the counts of all shards, merged ([`crate::Counts`]).
///
/// Gradients are bit for bit those of one call over all shards, and the values sum to its value.
///
/// # Shapes
/// `predictions`, `targets`, `weights`, `gradient`: one entry an element of the shard. `mu` is as in [`ghm_r`].
///
/// # Errors
/// [`LossError`] where lengths differ or `mu` is not a positive number; `gradient` is untouched then.
pub fn ghm_r_given(
    predictions: &[f32],
    targets: &[f32],
    weights: Option<&[f32]>,
    mu: f32,
    bin_weights: &BinWeights,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let inputs = Inputs::of_predictions(predictions, targets, weights, gradient)?;
    check_mu(mu)?;
    let kernel = |prediction: f32, target: f32| terms(prediction - target, mu);
    Ok(harmonised_sum_given(&inputs, bin_weights, scale, gradient, kernel))
}

/// [`ghm_r`] by the density as the paper defines it before its unit regions (Li et al. 2019, eq. 4 to 7), without a
/// moving average: each example is divided by the [`ExactDensity`] of its gradient norm among those of this call.
///
/// Elements that take part, NaN and infinity are as in [`ghm_r`].
///
/// # Shapes
/// `predictions`, `targets`, `weights`, `gradient`: one entry an element. `mu` is as in [`ghm_r`].
///
/// # Errors
/// [`LossError`] where lengths differ, `mu` is not a positive number, a setting is outside its range, or there are 2^32
/// elements or more; `gradient` is untouched then.
pub fn ghm_r_exact(
    predictions: &[f32],
    targets: &[f32],
    weights: Option<&[f32]>,
    mu: f32,
    density: ExactDensity,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let inputs = Inputs::of_predictions(predictions, targets, weights, gradient)?;
    check_mu(mu)?;
    exact_sum(&inputs, density, scale, gradient, |prediction, target| terms(prediction - target, mu))
}

pub(crate) fn check_mu(mu: f32) -> Result<(), LossError> {
    // Its square has to be a number above 0, too.
    expect_setting("mu", f64::from(mu), "a number from 1e-15 to 1e15", |mu| (1e-15..=1e15).contains(&mu))
}

/// Loss and derivative at difference `d`.
#[inline(always)]
pub(crate) fn terms(d: f32, mu: f32) -> (f32, f32) {
    let root = (d * d + mu * mu).sqrt();
    // sqrt(d^2 + mu^2) - mu without the difference of two near numbers.
    (d * d / (root + mu), d / root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_differences_keep_their_digits() {
        for d in [1e-6f32, 1e-4, 0.02, 3.0, -1e-6] {
            let (wide, mu) = (f64::from(d), f64::from(0.02f32));
            let expected = wide * wide / ((wide * wide + mu * mu).sqrt() + mu);
            assert!((f64::from(terms(d, 0.02).0) - expected).abs() < 4e-7 * expected);
        }
    }

    #[test]
    fn a_mu_that_is_not_positive_is_refused() {
        for mu in [0.0, -0.02, f32::NAN, f32::INFINITY] {
            let error = asl1(&[1.0], &[0.0], None, mu, 1.0, &mut [0.0]).unwrap_err();
            assert!(matches!(error, LossError::Setting { name: "mu", .. }));
        }
    }
}
