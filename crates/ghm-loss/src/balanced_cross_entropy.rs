//! Balanced cross entropy: positives against negatives, and class against class.

use serde::{Deserialize, Serialize};

use crate::blocks::Inputs;
use crate::error::{LossError, expect_setting};
use crate::examples::Examples;
use crate::logistic::Logistic;
use crate::output::Output;
use crate::real::Real;
use crate::sums::weighted_sum;

/// Settings of [`balanced_cross_entropy`]. The default is the best of Lin et al. 2017, table 1a: alpha 0.75, and all
/// classes alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalancedCrossEntropyConfig {
    /// Weight of the positives, in `[0, 1]`; negatives have `1 - alpha`, so 0.5 leaves half of cross entropy.
    pub alpha: f32,
    /// Weight of each class `[C]`, finite and at least 0, for its positives and negatives alike; 1 where absent. A row
    /// of logits is as long as this. A class of weight 0 adds nothing, but counts in the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f32>>,
}

impl Default for BalancedCrossEntropyConfig {
    fn default() -> Self {
        Self { alpha: 0.75, class_weights: None }
    }
}

/// Balanced cross entropy (Lin et al. 2017, eq. 3) of logits, `alpha_t` times binary cross entropy, and times the weight of
/// its class. Returns the value and writes the gradient.
///
/// Soft targets `t` blend: `alpha_t = alpha t + (1 - alpha) (1 - t)`, as in [`focal`](fn@crate::focal), which this is at
/// gamma 0. The factor does not depend on the logit, so the loss is least where `sigmoid(logit) = t` still.
///
/// # Shapes
/// Logits, gates, weights: one an element; see [`Targets`](crate::Targets) for the targets and [`Examples`] for who takes
/// part. A NaN that does makes the value NaN. With class weights, dense targets are rows of `C`
/// elements too; an element whose class weight is 0 adds nothing, but counts.
///
/// # Errors
/// [`LossError`] where lengths differ, a target is none or a setting is outside its range.
///
/// # Deviations
/// The paper has no weights of single classes.
pub fn balanced_cross_entropy<'o, T: Real>(
    examples: &Examples<T>,
    config: &BalancedCrossEntropyConfig,
    output: impl Into<Output<'o, T>>,
) -> Result<f64, LossError> {
    let alpha = config.alpha;
    let inputs = Inputs::of_logits(examples)?.with_class_weights(config.class_weights.as_deref())?;
    expect_setting("alpha", f64::from(alpha), "a number from 0 to 1", |alpha| (0.0..=1.0).contains(&alpha))?;
    weighted_sum(
        &inputs,
        output.into(),
        #[inline(always)]
        move |logit, target| {
            let terms = Logistic::new(logit, target);
            let factor = alpha * target + (1.0 - alpha) * (1.0 - target);
            (factor * terms.cross_entropy, factor * terms.slope)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::{balanced_cross_entropy, focal};
    use crate::focal::FocalConfig;
    use crate::targets::BACKGROUND;
    use crate::targets::Targets;

    const LN_2: f64 = std::f64::consts::LN_2;

    #[test]
    fn at_logit_zero_both_sides_have_their_share_of_ln_2_and_of_one_half() {
        let mut gradient = [0.0; 2];
        let config = BalancedCrossEntropyConfig::default();
        let value =
            balanced_cross_entropy(&[0.0; 2], Targets::Dense(&[1.0, 0.0]), None, &config, 1.0, &mut gradient).unwrap();
        assert!((value - LN_2).abs() < 1e-6);
        assert_eq!(gradient, [-0.375, 0.125]);
    }

    #[test]
    fn class_weights_multiply_positives_and_negatives_of_their_class() {
        let config = BalancedCrossEntropyConfig { alpha: 0.75, class_weights: Some(vec![2.0, 0.5, 0.0]) };
        let rows = Targets::ClassIndex { rows: &[0, BACKGROUND], classes: 3 };
        let dense = Targets::Dense(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        for targets in [rows, dense] {
            let mut gradient = [9.0; 6];
            let logits = [0.0, 0.0, f32::NAN, 0.0, 0.0, 0.0];
            let value = balanced_cross_entropy(&logits, targets, None, &config, 1.0, &mut gradient).unwrap();
            // 0.75 * 2 of the positive; 0.25 * 0.5 beside it; 0.25 * 2 and 0.25 * 0.5 below.
            assert!((value - 2.25 * LN_2).abs() < 1e-6);
            assert_eq!(gradient, [-0.75, 0.0625, 0.0, 0.25, 0.0625, 0.0]);
        }
    }

    #[test]
    fn it_is_focal_loss_of_gamma_zero() {
        let logits: Vec<f32> = (-50..=50).map(|step| step as f32 / 5.0).collect();
        for target in [0.0, 0.3, 1.0] {
            let targets = vec![target; logits.len()];
            let (mut found, mut expected) = (vec![0.0; logits.len()], vec![0.0; logits.len()]);
            let config = BalancedCrossEntropyConfig { alpha: 0.2, class_weights: None };
            let value = balanced_cross_entropy(&logits, Targets::Dense(&targets), None, &config, 1.0, &mut found);
            let other = FocalConfig { alpha: 0.2, gamma: 0.0 };
            assert_eq!(value, focal(&logits, Targets::Dense(&targets), None, other, 1.0, &mut expected));
            assert_eq!(found, expected);
        }
    }
}
