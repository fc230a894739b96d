//! Varifocal loss: qualities weigh the positives, focusing holds down the negatives alone.

use serde::{Deserialize, Serialize};

use crate::blocks::Inputs;
use crate::error::{LossError, expect_setting};
use crate::examples::Examples;
use crate::focus::{Focused, Power, focused_sum};
use crate::logistic::Logistic;
use crate::output::Output;
use crate::real::Real;

/// Settings of [`varifocal`]. The default is the paper's: alpha 0.75, gamma 2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VarifocalConfig {
    /// Weight of the negatives, finite and at least 0. Not the alpha of focal loss, which is that of the positives.
    pub alpha: f32,
    /// How strongly well-classified negatives are held down, from 0 to 100; 0 holds none.
    pub gamma: f32,
}

impl Default for VarifocalConfig {
    fn default() -> Self {
        Self { alpha: 0.75, gamma: 2.0 }
    }
}

/// Varifocal loss (Zhang et al. 2021, *VarifocalNet*, eq. 2) of logits with `p = sigmoid(logit)`: `t` times the binary
/// cross entropy of `p` and `t` where the target `t` is above 0, and `alpha p^gamma` times it where `t` is 0. Returns the
/// value and writes the gradient.
///
/// A target is the quality of a prediction, normally the IoU of its box, for the class it is of, and 0 for the others.
/// The weight `t` of a positive is a constant; the `p^gamma` of a negative is not, and the gradient goes through it.
/// The paper leaves that open. The code of mmdetection (`varifocal_loss.py`) differentiates `p^gamma` as well; RT-DETR's
/// `loss_vfl`, after the same paper, detaches it, and so has the gradient `alpha p^gamma p` for negatives.
///
/// # Shapes
/// Logits, gates, weights: one an element; see [`Targets`](crate::Targets) for the targets and [`Examples`] for who takes
/// part. A NaN that does makes the value NaN.
///
/// # Errors
/// [`LossError`] where lengths differ, a target is none or a setting is outside its range.
pub fn varifocal<'o, T: Real>(
    examples: &Examples<T>,
    config: VarifocalConfig,
    output: impl Into<Output<'o, T>>,
) -> Result<f64, LossError> {
    let inputs = Inputs::of_logits(examples)?;
    let VarifocalConfig { alpha, gamma } = config;
    expect_setting("alpha", f64::from(alpha), "a finite number of at least 0", |alpha| {
        (0.0..f64::INFINITY).contains(&alpha)
    })?;
    expect_setting("gamma", f64::from(gamma), "a number from 0 to 100", |gamma| (0.0..=100.0).contains(&gamma))?;
    focused_sum(&inputs, output.into(), gamma, config)
}

impl Focused for VarifocalConfig {
    /// The power is of `p`.
    #[inline(always)]
    fn terms(self, logit: f32, target: f32, power: impl Power) -> (f32, f32) {
        let VarifocalConfig { alpha, gamma } = self;
        let logistic = Logistic::new(logit, target);
        let Logistic { p, q, cross_entropy, slope } = logistic;
        let positive = target > 0.0;
        let factor = if positive { target } else { alpha * power.raise(p) };
        // The derivative of p^gamma over p^gamma: gamma p q / p.
        let focus_slope = if positive { 0.0 } else { gamma * q };
        (factor * cross_entropy, factor * (focus_slope * logistic.fading_cross_entropy() + slope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::{cross_entropy, focal, varifocal};
    use crate::focal::FocalConfig;
    use crate::targets::Targets;

    const LN_2: f64 = std::f64::consts::LN_2;

    /// Value and gradient of one element with the paper's settings.
    fn one(logit: f32, target: f32) -> (f64, f64) {
        let mut gradient = [0.0];
        let config = VarifocalConfig::default();
        let value = varifocal(&[logit], Targets::Dense(&[target]), None, config, 1.0, &mut gradient).unwrap();
        (value, f64::from(gradient[0]))
    }

    #[test]
    fn at_logit_zero_the_terms_are_those_computed_by_hand() {
        let (value, gradient) = one(0.0, 0.0);
        assert!((value - 0.1875 * LN_2).abs() < 1e-6);
        // alpha (gamma p^gamma (1 - p) ln 2 + p^gamma p)
        assert!((gradient - 0.1875 * (LN_2 + 0.5)).abs() < 1e-6);
        let (value, gradient) = one(0.0, 0.8);
        assert!((value - 0.8 * LN_2).abs() < 1e-6);
        assert!((gradient - 0.8 * (0.5 - 0.8)).abs() < 1e-6);
    }

    #[test]
    fn with_target_1_it_is_cross_entropy_and_with_target_0_focal_loss_of_the_negatives() {
        let logits: Vec<f32> = (-50..=50).map(|step| step as f32 / 5.0).collect();
        let (ones, zeros) = (vec![1.0; logits.len()], vec![0.0; logits.len()]);
        for gamma in [2.0, 1.3] {
            let config = VarifocalConfig { alpha: 0.75, gamma };
            let (mut found, mut expected) = (zeros.clone(), zeros.clone());
            let value = varifocal(&logits, Targets::Dense(&ones), None, config, 1.0, &mut found);
            assert_eq!(value, cross_entropy(&logits, Targets::Dense(&ones), None, 1.0, &mut expected));
            assert_eq!(found, expected);

            varifocal(&logits, Targets::Dense(&zeros), None, config, 1.0, &mut found).unwrap();
            let other = FocalConfig { alpha: 0.25, gamma };
            focal(&logits, Targets::Dense(&zeros), None, other, 1.0, &mut expected).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                // Focal loss has p q / p where this has q.
                assert!((found - expected).abs() <= 1e-6 * expected.abs(), "{found}, {expected}");
            }
        }
    }

    #[test]
    fn well_classified_examples_keep_their_digits() {
        let (value, gradient) = one(-20.0, 0.0);
        // p^2 ln(1 / (1 - p)) is p^3 to nine digits, and so is a third of its derivative.
        let expected = 0.75 * f64::exp(-60.0);
        assert!((value - expected).abs() < 3e-6 * expected, "{value}");
        assert!((gradient - 3.0 * expected).abs() < 9e-6 * expected, "{gradient}");
        let (value, gradient) = one(20.0, 1.0);
        let expected = f64::exp(-20.0);
        assert!((value - expected).abs() < 1e-6 * expected, "{value}");
        assert!((gradient + expected).abs() < 1e-6 * expected, "{gradient}");
    }
}
