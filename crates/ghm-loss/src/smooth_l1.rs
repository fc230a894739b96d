//! L1 and smooth L1.

use crate::error::{LossError, expect_setting};
use crate::inputs::Inputs;
use crate::sums::weighted_sum;

/// Smooth L1 of `d = prediction - target`, `d^2 / (2 beta)` below `beta` and `|d| - beta / 2` from there on: `scale` times
/// its sum over elements, each times its weight. Returns the value and writes the gradient. With `beta` 0 it is [`l1`].
///
/// # Shapes
/// `predictions`, `targets`, `weights`, `gradient`: one entry an element. An element whose weight is not above 0 adds
/// nothing and has gradient 0, even where it holds NaN; a NaN elsewhere makes the value NaN. `beta` is in the unit of
/// the predictions.
///
/// # Errors
/// [`LossError`] where lengths differ or `beta` is not a number of at least 0; `gradient` is untouched then.
pub fn smooth_l1(
    predictions: &[f32],
    targets: &[f32],
    weights: Option<&[f32]>,
    beta: f32,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let inputs = Inputs::of_predictions(predictions, targets, weights, gradient)?;
    expect_setting("beta", f64::from(beta), "a finite number of at least 0", |beta| {
        (0.0..f64::INFINITY).contains(&beta)
    })?;
    Ok(weighted_sum(&inputs, scale, gradient, |prediction, target| {
        let d = prediction - target;
        if d.abs() < beta { (0.5 * d * d / beta, d / beta) } else { (d.abs() - 0.5 * beta, sign(d)) }
    }))
}

/// `|prediction - target|`: `scale` times its sum over elements, each times its weight. Returns the value and writes the
/// gradient, which is 0 where the two are equal.
///
/// # Shapes
/// `predictions`, `targets`, `weights`, `gradient`: one entry an element. An element whose weight is not above 0 adds
/// nothing and has gradient 0, even where it holds NaN; a NaN elsewhere makes the value NaN.
///
/// # Errors
/// [`LossError`] where lengths differ; `gradient` is untouched then.
pub fn l1(
    predictions: &[f32],
    targets: &[f32],
    weights: Option<&[f32]>,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let inputs = Inputs::of_predictions(predictions, targets, weights, gradient)?;
    Ok(weighted_sum(&inputs, scale, gradient, |prediction, target| {
        let d = prediction - target;
        (d.abs(), sign(d))
    }))
}

/// -1, 0 or 1; NaN for NaN.
#[inline(always)]
fn sign(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { d.signum() }
}
