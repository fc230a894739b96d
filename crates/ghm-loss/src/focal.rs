//! Focal loss.

use serde::{Deserialize, Serialize};

use crate::blocks::Inputs;
use crate::error::{LossError, expect_setting};
use crate::examples::Examples;
use crate::focus::{Focused, Power, focused_sum};
use crate::logistic::Logistic;
use crate::output::Output;
use crate::real::Real;

/// Settings of [`focal`]. The default is the one of RetinaNet: alpha 0.25, gamma 2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FocalConfig {
    /// Weight of the positives, in `[0, 1]`; negatives have `1 - alpha`.
    pub alpha: f32,
    /// How strongly well-classified examples are held down, at least 0; 0 leaves weighted cross entropy.
    pub gamma: f32,
}

impl Default for FocalConfig {
    fn default() -> Self {
        Self { alpha: 0.25, gamma: 2.0 }
    }
}

/// Focal loss (Lin et al. 2017, eq. 5) of logits, `alpha_t (1 - p_t)^gamma` times binary cross entropy. Returns
/// the value and writes the gradient, through the focusing factor too. The published mean is over the positives: the sum,
/// with one over their number as its scale.
///
/// Soft targets `t` blend: `1 - p_t = p (1 - t) + (1 - p) t` and `alpha_t = alpha t + (1 - alpha) (1 - t)`.
///
/// # Shapes
/// Logits, gates, weights: one an element; see [`Targets`](crate::Targets) for the targets and [`Examples`] for who takes
/// part. A NaN that does makes the value NaN.
///
/// # Errors
/// [`LossError`] where lengths differ, a target is none or a setting is outside its range.
pub fn focal<'o, T: Real>(
    examples: &Examples<T>,
    config: FocalConfig,
    output: impl Into<Output<'o, T>>,
) -> Result<f64, LossError> {
    let inputs = Inputs::of_logits(examples)?;
    let FocalConfig { alpha, gamma } = config;
    expect_setting("alpha", f64::from(alpha), "a number from 0 to 1", |alpha| (0.0..=1.0).contains(&alpha))?;
    expect_setting("gamma", f64::from(gamma), "a number from 0 to 100", |gamma| (0.0..=100.0).contains(&gamma))?;
    focused_sum(&inputs, output.into(), gamma, config)
}

impl Focused for FocalConfig {
    /// The power is of `1 - p_t`.
    #[inline(always)]
    fn terms(self, logit: f32, target: f32, power: impl Power) -> (f32, f32) {
        let FocalConfig { alpha, gamma } = self;
        let logistic = Logistic::new(logit, target);
        let Logistic { p, q, cross_entropy, slope } = logistic;
        // 1 - p_t: above 0, as p and q are.
        let miss = (1.0 - target) * p + target * q;
        let factor = (alpha * target + (1.0 - alpha) * (1.0 - target)) * power.raise(miss);
        // The derivative of miss is (1 - 2 t) p q, and p q / miss <= 1 even where miss to the power gamma - 1 overflows.
        let focus_slope = gamma * (1.0 - 2.0 * target) * (p * q / miss);
        (factor * cross_entropy, factor * (focus_slope * logistic.fading_cross_entropy() + slope))
    }
}
