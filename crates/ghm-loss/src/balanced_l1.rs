//! Balanced L1, a smooth L1 that gives the easy examples more of the gradient.

use serde::{Deserialize, Serialize};

use crate::blocks::Inputs;
use crate::error::{LossError, expect_setting};
use crate::examples::Examples;
use crate::output::Output;
use crate::real::{Real, difference, held};
use crate::sums::weighted_sum;

/// Settings of [`balanced_l1`]. The default is the one of Libra R-CNN: alpha 0.5, gamma 1.5, beta 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalancedL1Config {
    /// How fast the gradient rises at first, from 1e-15 to 1e15; the smaller, the more the easy examples get.
    pub alpha: f32,
    /// The gradient of a hard example, from `alpha / 1000` to `100 alpha`.
    pub gamma: f32,
    /// The difference from which an example is hard, from 1e-15 to 1e15, in the unit of the predictions.
    pub beta: f32,
}

impl Default for BalancedL1Config {
    fn default() -> Self {
        Self { alpha: 0.5, gamma: 1.5, beta: 1.0 }
    }
}

/// Balanced L1 (Pang et al. 2019, eq. 8 to 11) of `d = prediction - target`. Returns the value and writes the
/// gradient.
///
/// In size the gradient is `alpha ln(b |d| / beta + 1)` below `beta` and `gamma` from there on, where it does not jump
/// because `alpha ln(b + 1) = gamma` says what `b` is. The loss is, with `z = b |d| / beta`, `beta alpha / b ((z + 1)
/// ln(z + 1) - z)` below and `gamma |d| + beta (gamma / b - alpha)` from there on.
///
/// # Shapes
/// Predictions, targets, gates, weights: one an element; see [`Examples`] for who takes part. A NaN that does makes the value
/// NaN.
///
/// # Errors
/// [`LossError`] where lengths differ or a setting is outside its range.
///
/// # Deviations
/// The paper's `beta` is 1. Another one stretches loss and difference alike, as it does in smooth L1; mmdetection 3.3
/// has `b |d| + 1` where `b |d| + beta` would do that, so that its gradient jumps at `beta`.
pub fn balanced_l1<'o, T: Real>(
    examples: &Examples<T>,
    config: BalancedL1Config,
    output: impl Into<Output<'o, T>>,
) -> Result<f64, LossError> {
    let inputs = Inputs::of_predictions(examples)?;
    let curve = Curve::new(config)?;
    weighted_sum(
        &inputs,
        output.into(),
        #[inline(always)]
        move |prediction, target| curve.terms(difference(prediction, target)),
    )
}

/// The settings, checked, and what follows from them.
#[derive(Clone, Copy)]
struct Curve {
    alpha: f64,
    gamma: f64,
    beta: f64,
    b: f64,
}

impl Curve {
    fn new(config: BalancedL1Config) -> Result<Self, LossError> {
        let (alpha, gamma, beta) = (f64::from(config.alpha), f64::from(config.gamma), f64::from(config.beta));
        let of_any_unit = |setting: f64| (1e-15..=1e15).contains(&setting);
        expect_setting("alpha", alpha, "a number from 1e-15 to 1e15", of_any_unit)?;
        // Beyond these b, which is about gamma / alpha or e to that power, leaves the loss without digits or range.
        let steepness = 1e-3 * alpha..=1e2 * alpha;
        expect_setting("gamma", gamma, "a number from alpha / 1000 to 100 alpha", |gamma| steepness.contains(&gamma))?;
        expect_setting("beta", beta, "a number from 1e-15 to 1e15", of_any_unit)?;
        Ok(Self { alpha, gamma, beta, b: libm::expm1(gamma / alpha) })
    }

    /// Loss and derivative at difference `d`.
    #[inline(always)]
    fn terms(&self, d: f32) -> (f32, f32) {
        let &Self { alpha, gamma, beta, b } = self;
        let size = f64::from(d.abs());
        if size < beta {
            let z = b * size / beta;
            ((beta * alpha / b * rise(z)) as f32, ((alpha * libm::log1p(z)) as f32).copysign(d))
        } else {
            let loss = (gamma * size + beta * (gamma / b - alpha)) as f32;
            // A product, which keeps a NaN.
            (if d.is_finite() { held(loss, f32::MAX) } else { loss }, gamma as f32 * d.signum())
        }
    }
}

/// `(z + 1) ln(z + 1) - z` for `z >= 0`.
#[inline(always)]
fn rise(z: f64) -> f64 {
    if z < 1e-4 {
        // The difference of two near numbers; the next term of the series is below 1e-13 of the first.
        z * z * (1.0 / 2.0 - z * (1.0 / 6.0 - z * (1.0 / 12.0)))
    } else {
        (z + 1.0) * libm::log1p(z) - z
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::balanced_l1;

    #[test]
    fn the_settings_of_the_paper_give_the_values_of_its_formulas() {
        let curve = Curve::new(BalancedL1Config::default()).unwrap();
        // b = e^3 - 1 = 19.0855; at 1 the loss is gamma + gamma / b - alpha.
        for (d, loss, slope) in
            [(0.5, 0.400_567_5, 1.177_720_1), (1.0, 1.078_593_5, 1.5), (-2.0, 2.578_593_5, -1.5), (0.0, 0.0, 0.0)]
        {
            let found = curve.terms(d);
            let errors = (f64::from(found.0) - loss, f64::from(found.1) - slope);
            assert!(errors.0.abs() < 1e-6 && errors.1.abs() < 1e-6, "{found:?} at {d}");
        }
    }

    #[test]
    fn loss_and_gradient_do_not_jump_at_beta() {
        for (alpha, gamma, beta) in [(0.5, 1.5, 1.0), (0.5, 1.5, 0.11), (0.2, 0.05, 3.0)] {
            let curve = Curve::new(BalancedL1Config { alpha, gamma, beta }).unwrap();
            let (below, at) = (curve.terms(beta.next_down()), curve.terms(beta));
            assert!((below.0 - at.0).abs() < 1e-6 * at.0, "{below:?} and {at:?} at {beta}");
            assert!((below.1 - at.1).abs() < 1e-6 * at.1, "{below:?} and {at:?} at {beta}");
        }
    }

    #[test]
    fn small_differences_keep_their_digits() {
        // For small z the loss is beta alpha / b z^2 / 2 = alpha b d^2 / 2 at beta 1.
        let curve = Curve::new(BalancedL1Config::default()).unwrap();
        for d in [1e-9f32, 1e-7] {
            let expected = 0.5 * 0.5 * curve.b * f64::from(d) * f64::from(d);
            assert!((f64::from(curve.terms(d).0) - expected).abs() < 1e-5 * expected, "{d}");
        }
        // On either side of where the series ends.
        let (below, above) = (rise(1e-4f64.next_down()), rise(1e-4));
        assert!((below - above).abs() < 1e-10 * above, "{below} and {above}");
    }

    #[test]
    fn settings_outside_their_range_are_refused_by_name() {
        let usual = BalancedL1Config::default();
        for (config, name) in [
            (BalancedL1Config { alpha: 0.0, ..usual }, "alpha"),
            (BalancedL1Config { alpha: f32::NAN, ..usual }, "alpha"),
            (BalancedL1Config { gamma: 51.0, ..usual }, "gamma"),
            (BalancedL1Config { gamma: -1.5, ..usual }, "gamma"),
            (BalancedL1Config { beta: 0.0, ..usual }, "beta"),
            (BalancedL1Config { beta: f32::INFINITY, ..usual }, "beta"),
        ] {
            let error = balanced_l1(&[1.0], &[0.0], None, config, 1.0, &mut [0.0]).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{name} is ")), "{error}");
        }
    }
}
