//! GHM-C: binary cross entropy, harmonised.

use crate::blocks::Inputs;
use crate::error::LossError;
use crate::examples::Examples;
use crate::harmonise::{Density, Harmonised, harmonised_sum};
use crate::logistic::Logistic;
use crate::output::Output;
use crate::real::Real;

/// GHM-C (Li et al. 2019, eq. 8 and 11): the binary cross entropies of the elements, each divided by the density of its
/// gradient norm `|sigmoid(logit) - target|`. Returns the value, writes the gradient, and takes this call's counts into
/// the density, where that is a [`GradientDensity`](crate::GradientDensity).
///
/// The factors are constants of the gradient: an element's is `factor * (sigmoid(logit) - target)`. The mean is the
/// published loss, `sum loss / GD(g)`; the sum is that times the number of examples that take part.
///
/// With factors that are given ([`Density::Given`]), gradients are bit for bit those of one call over all shards, and the
/// values sum to its value. With an [`ExactDensity`](crate::ExactDensity) there is no moving average: each example is
/// divided by the density of its gradient norm among those of this call, as the paper defines it (eq. 4 to 8).
///
/// # Shapes
/// Logits: one an element; see [`Targets`](crate::Targets) for the targets, which may be soft. Gates and weights: one an
/// element; see [`Examples`] for who takes part. A weight multiplies loss and gradient; the density does not see it.
///
/// # Not finite
/// A NaN among the logits that take part makes the value NaN, and so its own entry of the gradient; it falls into no
/// bin. An infinite logit makes the value infinite or NaN. Any finite logit gives a finite value.
///
/// # Errors
/// [`LossError`] where lengths differ, a target is none, a setting is out of its range, or there are 2^32 elements or more
/// for the exact density; the density is untouched then.
///
/// # Deviations
/// See [`GradientDensity`](crate::GradientDensity) and `docs/ghm.md` for where paper and released code differ and how to
/// choose.
pub fn ghm_c<'d, 'o, T: Real>(
    examples: &Examples<T>,
    density: impl Into<Density<'d>>,
    output: impl Into<Output<'o, T>>,
) -> Result<f64, LossError> {
    let inputs = Inputs::of_logits(examples)?;
    harmonised_sum(&inputs, density.into(), output.into(), CrossEntropy)
}

/// Binary cross entropy, to be harmonised.
#[derive(Clone, Copy)]
pub(crate) struct CrossEntropy;

impl Harmonised for CrossEntropy {
    const LOGITS: bool = true;

    #[inline(always)]
    fn terms(self, logit: f32, target: f32) -> (f32, f32) {
        let terms = Logistic::new(logit, target);
        (terms.cross_entropy, terms.slope)
    }
}
