//! Quality focal loss: focal loss towards a quality between 0 and 1.

use serde::{Deserialize, Serialize};

use crate::blocks::Inputs;
use crate::error::{LossError, expect_setting};
use crate::examples::Examples;
use crate::focus::{Focused, Power, focused_sum};
use crate::logistic::Logistic;
use crate::output::Output;
use crate::real::Real;

/// Settings of [`quality_focal`]. The default is the paper's: beta 2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QualityFocalConfig {
    /// How strongly predictions near their target are held down, from 0 to 100; 0 leaves cross entropy.
    pub beta: f32,
}

impl Default for QualityFocalConfig {
    fn default() -> Self {
        Self { beta: 2.0 }
    }
}

/// Quality focal loss (Li et al. 2020, *Generalized Focal Loss*, eq. 2) of logits, `|t - sigmoid(logit)|^beta` times
/// binary cross entropy. Returns the value and writes the gradient, through the focusing factor too, as the released code
/// does.
///
/// A target `t` is the quality of a prediction, normally the IoU of its box, for the class it is of, and 0 for the others.
/// With a beta above 0 the loss is least, 0, where `sigmoid(logit) = t`; there the gradient is 0, also for a beta up to 1,
/// where the loss has a kink. With targets 0 and 1 this is [`focal`](fn@crate::focal) loss of gamma = beta without its alpha.
///
/// # Shapes
/// Logits, gates, weights: one an element; see [`Targets`](crate::Targets) for the targets and [`Examples`] for who takes
/// part. A NaN that does makes the value NaN.
///
/// # Errors
/// [`LossError`] where lengths differ, a target is none or a setting is outside its range.
pub fn quality_focal<'o, T: Real>(
    examples: &Examples<T>,
    config: QualityFocalConfig,
    output: impl Into<Output<'o, T>>,
) -> Result<f64, LossError> {
    let inputs = Inputs::of_logits(examples)?;
    let QualityFocalConfig { beta } = config;
    expect_setting("beta", f64::from(beta), "a number from 0 to 100", |beta| (0.0..=100.0).contains(&beta))?;
    focused_sum(&inputs, output.into(), beta, config)
}

impl Focused for QualityFocalConfig {
    /// The power is of `|t - p|`.
    #[inline(always)]
    fn terms(self, logit: f32, target: f32, power: impl Power) -> (f32, f32) {
        let QualityFocalConfig { beta } = self;
        let logistic = Logistic::new(logit, target);
        let Logistic { p, q, cross_entropy, slope } = logistic;
        // The slope of cross entropy is p - t already, with all its digits.
        let factor = power.raise(slope.abs());
        // The derivative of |p - t| is p q times the sign of p - t: both terms below have that sign, so nothing cancels.
        let focus_slope = if slope == 0.0 { 0.0 } else { beta * (p * q / slope) };
        (factor * cross_entropy, factor * (focus_slope * logistic.fading_cross_entropy() + slope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::{focal, quality_focal};
    use crate::focal::FocalConfig;
    use crate::targets::Targets;

    const LN_2: f64 = std::f64::consts::LN_2;

    /// Value and gradient of one element.
    fn one(logit: f32, target: f32, beta: f32) -> (f64, f64) {
        let mut gradient = [0.0];
        let config = QualityFocalConfig { beta };
        let value = quality_focal(&[logit], Targets::Dense(&[target]), None, config, 1.0, &mut gradient).unwrap();
        (value, f64::from(gradient[0]))
    }

    #[test]
    fn at_logit_zero_the_terms_are_those_computed_by_hand() {
        // p = 1/2, so cross entropy is ln 2 whatever the target, |t - p| = 1/4 and its derivative is -1/4.
        let (value, gradient) = one(0.0, 0.75, 2.0);
        assert!((value - LN_2 / 16.0).abs() < 1e-6);
        assert!((gradient + LN_2 / 8.0 + 1.0 / 64.0).abs() < 1e-6);
        let (value, gradient) = one(0.0, 0.75, 1.0);
        assert!((value - LN_2 / 4.0).abs() < 1e-6);
        assert!((gradient + LN_2 / 4.0 + 1.0 / 16.0).abs() < 1e-6);
    }

    #[test]
    fn with_targets_0_and_1_it_is_focal_loss_without_alpha_bit_for_bit() {
        let logits: Vec<f32> = (-50..=50).map(|step| step as f32 / 5.0).collect();
        for (target, exponent) in [(0.0, 2.0), (1.0, 2.0), (0.0, 1.3), (1.0, 1.3), (0.0, 0.0), (1.0, 0.0)] {
            let targets = vec![target; logits.len()];
            let (mut found, mut expected) = (vec![0.0; logits.len()], vec![0.0; logits.len()]);
            let config = QualityFocalConfig { beta: exponent };
            let value = quality_focal(&logits, Targets::Dense(&targets), None, config, 1.0, &mut found);
            // An alpha of 1/2 weighs both sides alike; twice the half is exact.
            let other = FocalConfig { alpha: 0.5, gamma: exponent };
            assert_eq!(value, focal(&logits, Targets::Dense(&targets), None, other, 2.0, &mut expected));
            assert_eq!(found, expected, "target {target}, exponent {exponent}");
        }
    }

    #[test]
    fn a_prediction_that_equals_its_target_has_no_loss_and_no_gradient() {
        for beta in [0.5, 1.0, 1.5, 2.0, 3.0] {
            assert_eq!(one(0.0, 0.5, beta), (0.0, 0.0));
        }
        // Beta 0 is cross entropy, which is not 0 towards a soft target.
        let (value, gradient) = one(0.0, 0.5, 0.0);
        assert!((value - LN_2).abs() < 1e-6 && gradient == 0.0);
    }

    #[test]
    fn well_classified_examples_keep_their_digits() {
        // p^2 ln(1 / (1 - p)) is p^3 to nine digits, and so is a third of its derivative.
        let expected = f64::exp(-60.0);
        for (logit, target, sign) in [(-20.0, 0.0, 1.0), (20.0, 1.0, -1.0)] {
            let (value, gradient) = one(logit, target, 2.0);
            assert!((value - expected).abs() < 3e-6 * expected, "{value}");
            assert!((sign * gradient - 3.0 * expected).abs() < 9e-6 * expected, "{gradient}");
        }
    }
}
