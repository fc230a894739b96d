//! Gradient harmonising: each example's gradient divided by how many gradients are like it.

use rayon::prelude::*;

use crate::density::{BinWeights, GradientDensity};
use crate::error::LossError;
use crate::inputs::{BLOCK, CHUNK, Inputs};
use crate::sums::apply;

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
    let (bins, outside) = measure(inputs, density, gradient, kernel);
    let counts: Vec<u64> = bins.iter().map(|bin| bin.count).collect();
    let weights = density.update(&counts)?;
    multiply(density, &weights, scale, gradient);
    let harmonised: f64 = bins.iter().zip(weights.factors()).map(|(bin, factor)| factor * bin.loss).sum();
    Ok(f64::from(scale) * (harmonised + outside))
}

/// The derivatives into `gradient`; the histogram `[M]`; and the loss outside it, which is 0 unless a value was NaN.
fn measure(
    inputs: &Inputs,
    density: &GradientDensity,
    gradient: &mut [f32],
    kernel: impl Fn(f32, f32) -> (f32, f32) + Sync,
) -> (Vec<Bin>, f64) {
    let bins = density.config().bins;
    let histograms: Vec<Vec<Bin>> = gradient
        .par_chunks_mut(CHUNK)
        .enumerate()
        .map(|(index, gradient)| histogram(&inputs.chunk(index), density, gradient, &kernel))
        .collect();
    let mut total = vec![Bin::default(); bins + 1];
    for histogram in &histograms {
        for (sum, bin) in total.iter_mut().zip(histogram) {
            *sum = sum.plus(bin);
        }
    }
    let outside = total.pop().map_or(0.0, |bin| bin.loss);
    (total, outside)
}

/// The histogram of one chunk, `[M + 1]`: the last entry takes what is not to be counted.
fn histogram(
    chunk: &Inputs,
    density: &GradientDensity,
    gradient: &mut [f32],
    kernel: impl Fn(f32, f32) -> (f32, f32),
) -> Vec<Bin> {
    let outside = density.config().bins;
    let mut lanes = vec![[Bin::default(); LANES]; outside + 1];
    chunk.for_each_block(gradient, |block, derivatives| {
        let (mut losses, mut places) = ([0.0; BLOCK], [0; BLOCK]);
        let (losses, places) = (&mut losses[..derivatives.len()], &mut places[..derivatives.len()]);
        apply(&kernel, block, losses, derivatives);
        for (place, derivative) in places.iter_mut().zip(&*derivatives) {
            *place = if derivative.is_nan() { outside } else { density.bin_of(derivative.abs()) };
        }
        if let Some(weights) = block.weights {
            gate(weights, losses, derivatives, places, outside);
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

/// Takes out the elements whose weight is not above 0, whatever they hold.
fn gate(weights: &[f32], losses: &mut [f32], derivatives: &mut [f32], places: &mut [usize], outside: usize) {
    for (((&weight, loss), derivative), place) in weights.iter().zip(losses).zip(derivatives).zip(places) {
        *loss = if weight > 0.0 { *loss } else { 0.0 };
        *derivative = if weight > 0.0 { *derivative } else { 0.0 };
        *place = if weight > 0.0 { *place } else { outside };
    }
}

/// Each derivative times the factor of its bin. Those gated out are 0 and stay so, those of NaN stay NaN.
fn multiply(density: &GradientDensity, weights: &BinWeights, scale: f32, gradient: &mut [f32]) {
    let factors: Vec<f32> = weights.factors().iter().map(|factor| (factor * f64::from(scale)) as f32).collect();
    gradient.par_chunks_mut(BLOCK).with_min_len(CHUNK / BLOCK).for_each(|derivatives| {
        // All bins first: that loop becomes vector code, the one that looks factors up cannot.
        let mut places = [0; BLOCK];
        for (place, derivative) in places.iter_mut().zip(&*derivatives) {
            *place = density.bin_of(derivative.abs());
        }
        for (derivative, &place) in derivatives.iter_mut().zip(&places) {
            *derivative *= factors[place];
        }
    });
}
