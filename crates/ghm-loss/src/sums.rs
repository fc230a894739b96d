//! Losses that are sums over elements: value and gradient in one pass.

use rayon::prelude::*;

use crate::inputs::{BLOCK, Block, CHUNK, Inputs};

/// `scale` times the sum over elements of weight times loss, and its gradient.
///
/// `kernel` gives the loss of a value and a target, and its derivative in the value. Elements whose weight is not above
/// 0 add nothing and have gradient 0, whatever they hold.
pub(crate) fn weighted_sum(
    inputs: &Inputs,
    scale: f32,
    gradient: &mut [f32],
    kernel: impl Fn(f32, f32) -> (f32, f32) + Sync,
) -> f64 {
    let sums: Vec<f64> = gradient
        .par_chunks_mut(CHUNK)
        .enumerate()
        .map(|(index, gradient)| {
            let mut sum = 0.0;
            inputs.chunk(index).for_each_block(gradient, |block, gradient| {
                let mut losses = [0.0; BLOCK];
                let losses = &mut losses[..gradient.len()];
                apply(&kernel, block, losses, gradient);
                weigh(block.weights, scale, losses, gradient);
                sum += sum_of(losses);
            });
            sum
        })
        .collect();
    f64::from(scale) * sums.iter().sum::<f64>()
}

/// The losses of a block and their derivatives.
#[inline(always)]
pub(crate) fn apply(
    kernel: impl Fn(f32, f32) -> (f32, f32),
    block: Block,
    losses: &mut [f32],
    derivatives: &mut [f32],
) {
    let inputs = block.values.iter().zip(block.targets);
    for ((&value, &target), (loss, derivative)) in inputs.zip(losses.iter_mut().zip(derivatives)) {
        (*loss, *derivative) = kernel(value, target);
    }
}

/// Puts loss and derivative 0 where the weight is not above 0, whatever stands there.
pub(crate) fn gate(weights: &[f32], losses: &mut [f32], derivatives: &mut [f32]) {
    for (&weight, (loss, derivative)) in weights.iter().zip(losses.iter_mut().zip(derivatives)) {
        *loss = if weight > 0.0 { *loss } else { 0.0 };
        *derivative = if weight > 0.0 { *derivative } else { 0.0 };
    }
}

/// Losses times their weights, derivatives times weight and scale; 0 where the weight is not above 0.
pub(crate) fn weigh(weights: Option<&[f32]>, scale: f32, losses: &mut [f32], derivatives: &mut [f32]) {
    match weights {
        None => derivatives.iter_mut().for_each(|derivative| *derivative *= scale),
        Some(weights) => {
            for (&weight, (loss, derivative)) in weights.iter().zip(losses.iter_mut().zip(derivatives)) {
                // A choice and not a product, which would let a NaN through.
                *loss = if weight > 0.0 { weight * *loss } else { 0.0 };
                *derivative = if weight > 0.0 { weight * scale * *derivative } else { 0.0 };
            }
        }
    }
}

/// The sum in f64, always in the same order: eight running sums, so that the additions need not wait for each other.
pub(crate) fn sum_of(losses: &[f32]) -> f64 {
    let (eights, rest) = losses.as_chunks::<8>();
    let mut sums = [0.0f64; 8];
    for eight in eights {
        for (sum, &loss) in sums.iter_mut().zip(eight) {
            *sum += f64::from(loss);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&loss| f64::from(loss)).sum::<f64>()
}
