//! Gradient harmonising: each example's gradient divided by how many gradients are like it.

use rayon::prelude::*;

use crate::density::{BinWeights, GradientDensity};
use crate::edges::bin_of;
use crate::error::LossError;
use crate::inputs::{BLOCK, CHUNK, Inputs};
use crate::sums::{apply, gate};

/// One bin of a histogram: how many elements fell into it, and the sum of their losses.
#[derive(Clone, Copy, Default)]
struct Bin {
    count: u64,
    loss: f64,
}

impl Bin {
    fn plus(self, other: &Self) -> Self {
        Self { count: self.count + other.count, loss: self.loss + other.loss }
    }
}

/// Neighbouring elements are counted in turns: most fall into the same bin, and each addition there has to wait
/// for the one before.
const LANES: usize = 4;

/// The harmonised loss: `scale` times the sum of the elements' losses, each times the factor of its bin; and its
/// gradient, with the factors as constants.
///
/// `kernel` gives the loss of a value and a target, and its derivative in the value, whose size is the gradient norm.
///
/// A first pass writes the derivatives into `gradient` and sums counts and losses by bin, which is all the value needs;
/// a second multiplies each derivative by the factor of its bin, found again from the derivative itself. So nothing is
/// computed twice and no memory is used beyond the histograms.
pub(crate) fn harmonised_sum(
    inputs: &Inputs,
    density: &mut GradientDensity,
    scale: f32,
    gradient: &mut [f32],
    kernel: impl Fn(f32, f32) -> (f32, f32) + Sync,
) -> Result<f64, LossError> {
    let measured = measure(inputs, density.config().bins, gradient, kernel);
    let weights = density.update(&measured.counts())?;
    Ok(measured.harmonise(&weights, scale, gradient))
}

/// The same by factors that are given, from counts of other elements than these alone.
pub(crate) fn harmonised_sum_given(
    inputs: &Inputs,
    weights: &BinWeights,
    scale: f32,
    gradient: &mut [f32],
    kernel: impl Fn(f32, f32) -> (f32, f32) + Sync,
) -> f64 {
    measure(inputs, weights.factors().len(), gradient, kernel).harmonise(weights, scale, gradient)
}

/// The first pass alone, for its counts `[M]`; the derivatives are dropped.
pub(crate) fn counted(inputs: &Inputs, bins: usize, kernel: impl Fn(f32, f32) -> (f32, f32) + Sync) -> Vec<u64> {
    let of_chunk = |index: usize| {
        let chunk = inputs.chunk(index);
        histogram(&chunk, bins, &mut vec![0.0; chunk.len()], &kernel)
    };
    let histograms: Vec<Vec<Bin>> = (0..inputs.len().div_ceil(CHUNK)).into_par_iter().map(of_chunk).collect();
    Measured::joined(&histograms, bins).counts()
}

/// What the first pass finds.
struct Measured {
    /// The histogram `[M]`.
    bins: Vec<Bin>,
    /// The loss outside it, which is 0 unless a value was NaN.
    outside: f64,
}

impl Measured {
    /// Of the histograms of all chunks, in their order.
    fn joined(histograms: &[Vec<Bin>], bins: usize) -> Self {
        let mut total = vec![Bin::default(); bins + 1];
        for histogram in histograms {
            for (sum, bin) in total.iter_mut().zip(histogram) {
                *sum = sum.plus(bin);
            }
        }
        let outside = total.pop().map_or(0.0, |bin| bin.loss);
        Self { bins: total, outside }
    }

    fn counts(&self) -> Vec<u64> {
        self.bins.iter().map(|bin| bin.count).collect()
    }

    /// The second pass: the value, and the gradient from the derivatives.
    fn harmonise(&self, weights: &BinWeights, scale: f32, gradient: &mut [f32]) -> f64 {
        multiply(weights, scale, gradient);
        let harmonised: f64 = self.bins.iter().zip(weights.factors()).map(|(bin, factor)| factor * bin.loss).sum();
        f64::from(scale) * (harmonised + self.outside)
    }
}

/// The derivatives into `gradient`, and the histogram.
fn measure(
    inputs: &Inputs,
    bins: usize,
    gradient: &mut [f32],
    kernel: impl Fn(f32, f32) -> (f32, f32) + Sync,
) -> Measured {
    let histograms: Vec<Vec<Bin>> = gradient
        .par_chunks_mut(CHUNK)
        .enumerate()
        .map(|(index, gradient)| histogram(&inputs.chunk(index), bins, gradient, &kernel))
        .collect();
    Measured::joined(&histograms, bins)
}

/// The histogram of one chunk, `[M + 1]`: the last entry, at `outside = M`, takes what is not to be counted.
fn histogram(
    chunk: &Inputs,
    outside: usize,
    gradient: &mut [f32],
    kernel: impl Fn(f32, f32) -> (f32, f32),
) -> Vec<Bin> {
    let bins = outside as f32;
    let mut lanes = vec![[Bin::default(); LANES]; outside + 1];
    chunk.for_each_block(gradient, |block, derivatives| {
        let (mut losses, mut places) = ([0.0; BLOCK], [0; BLOCK]);
        let (losses, places) = (&mut losses[..derivatives.len()], &mut places[..derivatives.len()]);
        apply(&kernel, block, losses, derivatives);
        for (place, derivative) in places.iter_mut().zip(&*derivatives) {
            *place = if derivative.is_nan() { outside } else { bin_of(derivative.abs(), bins) };
        }
        if let Some(weights) = block.weights {
            gate(weights, losses, derivatives);
            for (&weight, place) in weights.iter().zip(&mut *places) {
                *place = if weight > 0.0 { *place } else { outside };
            }
        }
        for (at, (&loss, &place)) in losses.iter().zip(&*places).enumerate() {
            let bin = &mut lanes[place][at % LANES];
            bin.count += 1;
            bin.loss += f64::from(loss);
        }
    });
    let merged = |lanes: &[Bin; LANES]| lanes.iter().fold(Bin::default(), Bin::plus);
    lanes.iter().map(merged).collect()
}

/// Each derivative times the factor of its bin. Those gated out are 0 and stay so, those of NaN stay NaN.
fn multiply(weights: &BinWeights, scale: f32, gradient: &mut [f32]) {
    let bins = weights.factors().len() as f32;
    let factors: Vec<f32> = weights.factors().iter().map(|factor| (factor * f64::from(scale)) as f32).collect();
    gradient.par_chunks_mut(BLOCK).with_min_len(CHUNK / BLOCK).for_each(|derivatives| {
        // All bins first: that loop becomes vector code, the one that looks factors up cannot.
        let mut places = [0; BLOCK];
        for (place, derivative) in places.iter_mut().zip(&*derivatives) {
            *place = bin_of(derivative.abs(), bins);
        }
        for (derivative, &place) in derivatives.iter_mut().zip(&places) {
            *derivative *= factors[place];
        }
    });
}
