//! Gradient harmonising: each example's loss and gradient divided by how many gradients are like it.

use std::borrow::Cow;

use crate::block::{BLOCK, Block};
use crate::blocks::Inputs;
use crate::density::GradientDensity;
use crate::edges::bin_of;
use crate::error::LossError;
use crate::exact::{ExactDensity, exact_sum};
use crate::histogram::counted;
use crate::logit_edges::bin_of_logit;
use crate::output::{Output, Reduction};
use crate::real::Real;
use crate::regions::{BinWeights, Lookup};
use crate::sums::{BlockLoss, Terms, write};
use crate::vector::Level;

/// A loss that can be harmonised.
pub(crate) trait Harmonised: Copy + Sync {
    /// Whether values are logits and the slope is their sigmoid less the target.
    const LOGITS: bool;

    /// The loss of a value and a target, and its derivative in the value, whose size is the gradient norm.
    fn terms(self, value: f32, target: f32) -> (f32, f32);

    /// The bin of an element whose gradient norm is `norm`, but for rounding, among as many as `bins` says.
    fn bin(self, value: f32, target: f32, norm: f32, bins: f32) -> u32 {
        match target {
            0.0 if Self::LOGITS => bin_of_logit(value, norm, bins),
            1.0 if Self::LOGITS => bin_of_logit(-value, norm, bins),
            _ => bin_of(norm, bins),
        }
    }
}

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
/// A first pass counts norms by bin; the second computes losses and derivatives, which costs less than to write the norms
/// of the first down and read them again, and multiplies them. So no memory is used beyond the histograms.
pub(crate) fn harmonised_sum<T: Real>(
    inputs: &Inputs<T>,
    density: Density,
    output: Output<T>,
    kernel: impl Harmonised,
) -> Result<f64, LossError> {
    inputs.check_output(&output)?;
    let weights = match density {
        Density::Exact(density) => return exact_sum(inputs, density, output, kernel),
        Density::Given(weights) => Cow::Borrowed(weights),
        Density::Regions(density) => {
            density.regions().check_columns(inputs)?;
            let counts = counted(inputs, density.regions(), kernel)?;
            Cow::Owned(density.update(&counts)?)
        }
    };
    weights.regions.check_columns(inputs)?;
    let lookup = weights.lookup(scale_of(&output, weights.examples));
    write(inputs, output, 1.0, &Regional { lookup, kernel })
}

/// A loss times the factors of its bins.
struct Regional<K> {
    lookup: Lookup,
    kernel: K,
}

impl<K: Harmonised> BlockLoss for Regional<K> {
    #[inline(always)]
    fn write_terms(&self, level: Level, block: &Block, terms: &mut Terms) {
        let kernel = self.kernel;
        terms.apply(
            #[inline(always)]
            move |value, target| kernel.terms(value, target),
            block,
        );
        self.lookup.factors(level, block, kernel, terms);
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn write_gradient(
        &self,
        level: Level,
        block: &Block,
        terms: &mut Terms,
        gradient: &mut [f32; BLOCK],
    ) -> Option<()> {
        self.lookup.write::<K>(level, block, terms, gradient)
    }
}

/// What the sum of losses over densities is multiplied by: it is the mean over `examples` already.
pub(crate) fn scale_of<T>(output: &Output<T>, examples: u64) -> f64 {
    match output.reduction {
        Reduction::Mean => f64::from(output.scale),
        Reduction::Sum => f64::from(output.scale) * examples as f64,
    }
}
