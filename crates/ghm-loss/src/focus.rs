//! Losses that are cross entropy times a power: the power two in arithmetic, any other by a call.

use crate::blocks::Inputs;
use crate::error::LossError;
use crate::output::Output;
use crate::real::Real;
use crate::sums::weighted_sum;

/// A number raised to a power.
pub(crate) trait Power: Copy + Sync {
    fn raise(self, base: f32) -> f32;
}

/// The usual power, in arithmetic the compiler turns into vector code.
#[derive(Clone, Copy)]
struct Square;

/// Any power; a call an element.
#[derive(Clone, Copy)]
struct Exponent(f32);

impl Power for Square {
    #[inline(always)]
    fn raise(self, base: f32) -> f32 {
        base * base
    }
}

impl Power for Exponent {
    #[inline(always)]
    fn raise(self, base: f32) -> f32 {
        base.powf(self.0)
    }
}

/// A loss with a focusing power.
pub(crate) trait Focused: Copy + Sync {
    /// Loss and derivative.
    fn terms(self, logit: f32, target: f32, power: impl Power) -> (f32, f32);
}

/// The mean or sum of a loss whose focusing power is `exponent`.
pub(crate) fn focused_sum<T: Real>(
    inputs: &Inputs<T>,
    output: Output<T>,
    exponent: f32,
    loss: impl Focused,
) -> Result<f64, LossError> {
    if exponent == 2.0 {
        return weighted_sum(
            inputs,
            output,
            #[inline(always)]
            move |logit, target| loss.terms(logit, target, Square),
        );
    }
    weighted_sum(
        inputs,
        output,
        #[inline(always)]
        move |logit, target| loss.terms(logit, target, Exponent(exponent)),
    )
}
