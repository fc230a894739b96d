//! ASL1, the smooth L1 whose gradient keeps apart the hard examples; plain, and harmonised as GHM-R.

use crate::blocks::Inputs;
use crate::error::{LossError, expect_setting};
use crate::examples::Examples;
use crate::harmonise::{Density, Harmonised, harmonised_sum};
use crate::output::Output;
use crate::real::{Real, difference};
use crate::sums::weighted_sum;

/// The authentic smooth L1 of Li et al. 2019, `sqrt(d^2 + mu^2) - mu` of `d = prediction - target`. Returns the value
/// and writes the gradient, `d / sqrt(d^2 + mu^2)` of each element.
///
/// # Shapes
/// Predictions, targets, gates, weights: one entry an element. `mu > 0` is in the unit of the predictions; the paper has
/// 0.02.
///
/// # Errors
/// [`LossError`] where lengths differ or `mu` is not a positive number.
pub fn asl1<'o, T: Real>(examples: &Examples<T>, mu: f32, output: impl Into<Output<'o, T>>) -> Result<f64, LossError> {
    let inputs = Inputs::of_predictions(examples)?;
    check_mu(mu)?;
    weighted_sum(
        &inputs,
        output.into(),
        #[inline(always)]
        move |prediction, target| terms(difference(prediction, target), mu),
    )
}

/// GHM-R (Li et al. 2019): the [`asl1`] losses of the elements, each divided by the density of its gradient norm
/// `|d| / sqrt(d^2 + mu^2)`. Returns the value, writes the gradient (the factors are constants of it), and takes this
/// call's counts into the density, where that is a [`GradientDensity`](crate::GradientDensity). Factors that are given and
/// the exact density are as in [`ghm_c`](fn@crate::ghm_c).
///
/// # Shapes
/// Predictions, targets, gates, weights: one entry an element, normally the four offsets of the positive anchors. `mu > 0`
/// is in the unit of the predictions; the paper has 0.02.
///
/// # Gates
/// The `label_weight` of the released code is a gate ([`Examples::gated`]): there, too, it makes no difference how far it
/// is above 0, for its sum multiplies the factors and divides the loss.
///
/// # Not finite
/// A NaN among the elements that take part makes the value NaN, and so its own entry of the gradient. Any finite
/// difference gives a finite value.
///
/// # Errors
/// [`LossError`] where lengths differ, `mu` is not a positive number, a setting is out of its range, or there are 2^32
/// elements or more for the exact density; the density is untouched then.
pub fn ghm_r<'d, 'o, T: Real>(
    examples: &Examples<T>,
    mu: f32,
    density: impl Into<Density<'d>>,
    output: impl Into<Output<'o, T>>,
) -> Result<f64, LossError> {
    let inputs = Inputs::of_predictions(examples)?;
    check_mu(mu)?;
    harmonised_sum(&inputs, density.into(), output.into(), Asl1 { mu })
}

/// ASL1, to be harmonised.
#[derive(Clone, Copy)]
pub(crate) struct Asl1 {
    pub mu: f32,
}

impl Harmonised for Asl1 {
    const LOGITS: bool = false;

    #[inline(always)]
    fn terms(self, prediction: f32, target: f32) -> (f32, f32) {
        terms(difference(prediction, target), self.mu)
    }
}

pub(crate) fn check_mu(mu: f32) -> Result<(), LossError> {
    // Its square has to be a number above 0, too.
    expect_setting("mu", f64::from(mu), "a number from 1e-15 to 1e15", |mu| (1e-15..=1e15).contains(&mu))
}

/// Loss and derivative at difference `d`.
#[inline(always)]
fn terms(d: f32, mu: f32) -> (f32, f32) {
    // Both times a power of two, which is exact, so that the larger is from 2 to 4: no square is too large, and what becomes
    // too small is nothing beside the other.
    let size = if d.abs() > mu { d.abs() } else { mu };
    let scale = f32::from_bits((255 << 23) - (size.to_bits() & f32::INFINITY.to_bits()));
    let (d_scaled, mu_scaled) = (d * scale, mu * scale);
    let root = d_scaled.mul_add(d_scaled, mu_scaled * mu_scaled).sqrt();
    // sqrt(d^2 + mu^2) - mu without the difference of two near numbers.
    (d * (d_scaled / (root + mu_scaled)), d_scaled / root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Targets;

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
            let error = asl1(&Examples::new(&[1.0f32], Targets::Dense(&[0.0])), mu, &mut [0.0]).unwrap_err();
            assert!(matches!(error, LossError::Setting { name: "mu", .. }));
        }
    }
}
