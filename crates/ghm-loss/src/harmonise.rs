//! Gradient harmonising: each example's loss and gradient divided by how many gradients are like it.

use std::borrow::Cow;

use crate::blocks::Inputs;
use crate::density::GradientDensity;
use crate::error::LossError;
use crate::exact::{ExactDensity, exact_sum};
use crate::histogram::counted;
use crate::output::{Output, Reduction};
use crate::real::Real;
use crate::regions::BinWeights;
use crate::sums::write;

/// What a harmonised loss is divided by. Each of the three turns into it by itself.
#[derive(Debug)]
pub enum Density<'a> {
    /// The density by unit regions, which takes in the counts of this call first.
    Regions(&'a mut GradientDensity),
    /// Factors that are given: this call is one shard of several, whose counts were merged ([`Counts`](crate::Counts)),
    /// and the mean is the shard's part of the mean over all.
    Given(&'a BinWeights),
    /// The density as defined, without bins, of this call alone.
    Exact(ExactDensity),
}

impl<'a> From<&'a mut GradientDensity> for Density<'a> {
    fn from(density: &'a mut GradientDensity) -> Self {
        Self::Regions(density)
    }
}

impl<'a> From<&'a BinWeights> for Density<'a> {
    fn from(weights: &'a BinWeights) -> Self {
        Self::Given(weights)
    }
}

impl From<ExactDensity> for Density<'_> {
    fn from(density: ExactDensity) -> Self {
        Self::Exact(density)
    }
}

/// The harmonised loss: the mean or sum of the elements' losses, each times its `beta`; and its gradient, with `beta`
/// as a constant.
///
/// `kernel` gives the loss of a value and a target, and its derivative in the value, whose size is the gradient norm.
///
/// A first pass counts norms by bin; the second computes losses and derivatives once more, which costs less than to
/// write them down and read them again, and multiplies them. So no memory is used beyond the histograms.
pub(crate) fn harmonised_sum<T: Real>(
    inputs: &Inputs<T>,
    density: Density,
    output: Output<T>,
    kernel: impl Fn(f32, f32) -> (f32, f32) + Sync,
) -> Result<f64, LossError> {
    inputs.check_output(&output)?;
    let weights = match density {
        Density::Exact(density) => return exact_sum(inputs, density, output, kernel),
        Density::Given(weights) => Cow::Borrowed(weights),
        Density::Regions(density) => {
            density.regions().check_columns(inputs)?;
            let counts = counted(
                inputs,
                density.regions(),
                #[inline(always)]
                |value, target| kernel(value, target).1,
            )?;
            Cow::Owned(density.update(&counts)?)
        }
    };
    weights.regions.check_columns(inputs)?;
    let (lookup, scale) = (weights.lookup(), scale_of(&output, weights.examples));
    write(
        inputs,
        output,
        scale,
        kernel,
        #[inline(always)]
        |block, terms| lookup.factors(block, terms),
    )
}

/// What the sum of losses over densities is multiplied by: it is the mean over `examples` already.
pub(crate) fn scale_of<T>(output: &Output<T>, examples: u64) -> f64 {
    match output.reduction {
        Reduction::Mean => f64::from(output.scale),
        Reduction::Sum => f64::from(output.scale) * examples as f64,
    }
}
