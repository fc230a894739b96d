//! L1 and smooth L1.

use crate::blocks::Inputs;
use crate::error::{LossError, expect_setting};
use crate::examples::Examples;
use crate::output::Output;
use crate::real::{Real, difference};
use crate::sums::weighted_sum;

/// Smooth L1 of `d = prediction - target`, `d^2 / (2 beta)` below `beta` and `|d| - beta / 2` from there on. Returns the
/// value and writes the gradient. With `beta` 0 it is [`l1`].
///
/// # Shapes
/// Predictions, targets, gates, weights: one an element; see [`Examples`] for who takes part. A NaN that does makes the value
/// NaN. `beta` is in the unit of the predictions.
///
/// # Errors
/// [`LossError`] where lengths differ or `beta` is not a number of at least 0.
pub fn smooth_l1<'o, T: Real>(
    examples: &Examples<T>,
    beta: f32,
    output: impl Into<Output<'o, T>>,
) -> Result<f64, LossError> {
    let inputs = Inputs::of_predictions(examples)?;
    expect_setting("beta", f64::from(beta), "a finite number of at least 0", |beta| {
        (0.0..f64::INFINITY).contains(&beta)
    })?;
    weighted_sum(
        &inputs,
        output.into(),
        #[inline(always)]
        move |prediction, target| {
            let d = difference(prediction, target);
            if d.abs() < beta { (0.5 * d * (d / beta), d / beta) } else { (d.abs() - 0.5 * beta, sign(d)) }
        },
    )
}

/// `|prediction - target|`. Returns the value and writes the gradient, which is 0 where the two are equal.
///
/// # Shapes
/// Predictions, targets, gates, weights: one an element; see [`Examples`] for who takes part. A NaN that does makes the value
/// NaN.
///
/// # Errors
/// [`LossError`] where lengths differ.
pub fn l1<'o, T: Real>(examples: &Examples<T>, output: impl Into<Output<'o, T>>) -> Result<f64, LossError> {
    let inputs = Inputs::of_predictions(examples)?;
    weighted_sum(
        &inputs,
        output.into(),
        #[inline(always)]
        move |prediction, target| {
            let d = difference(prediction, target);
            (d.abs(), sign(d))
        },
    )
}

/// -1, 0 or 1; NaN for NaN.
#[inline(always)]
fn sign(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { d.signum() }
}
