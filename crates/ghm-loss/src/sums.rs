//! The pass that writes: losses and derivatives of all elements, each times its factor, into a value and a gradient.

use rayon::prelude::*;

use crate::blocks::{BLOCK, Block, Inputs, Room, Weighing, chunk_of, ranges};
use crate::error::LossError;
use crate::output::{Output, Reduction};
use crate::real::{Real, held};
use crate::vector::vectorised;

/// What a kernel made of a block: room for [`BLOCK`] elements, of which the first are used.
pub(crate) struct Terms {
    /// The losses.
    pub losses: [f32; BLOCK],
    /// Their derivatives in the values.
    pub slopes: [f32; BLOCK],
    /// What both are multiplied by beside the weights.
    pub factors: [f32; BLOCK],
}

/// The part of the output that belongs to one chunk.
struct Part<'a, T> {
    start: usize,
    gradient: &'a mut [T],
    losses: Option<&'a mut [f32]>,
}

/// A loss that is a mean or a sum over elements, each loss times its weight.
///
/// `kernel` gives the loss of a value and a target, and its derivative in the value.
pub(crate) fn weighted_sum<T: Real>(
    inputs: &Inputs<T>,
    output: Output<T>,
    kernel: impl Fn(f32, f32) -> (f32, f32) + Sync,
) -> Result<f64, LossError> {
    let scale = match output.reduction {
        Reduction::Sum => f64::from(output.scale),
        Reduction::Mean => f64::from(output.scale) / taking_part(inputs)?.max(1) as f64,
    };
    write(
        inputs,
        output,
        scale,
        kernel,
        #[inline(always)]
        |_, terms| terms.factors.fill(1.0),
    )
}

/// How many elements take part.
pub(crate) fn taking_part<T: Real>(inputs: &Inputs<T>) -> Result<usize, LossError> {
    if inputs.all_take_part() {
        return Ok(inputs.len());
    }
    let chunk = chunk_of(inputs.len());
    let count = |index: usize| {
        let mut count = 0;
        let mut room = Room::new();
        for at in ranges(index * chunk..((index + 1) * chunk).min(inputs.len())) {
            let block = inputs.block(at, Weighing::Gates, &mut room)?;
            let open = |weights: &[f32]| weights.iter().filter(|&&weight| weight > 0.0).count();
            count += block.weights.map_or(block.values.len(), open);
        }
        Ok(count)
    };
    let counts: Vec<Result<usize, LossError>> = (0..inputs.len().div_ceil(chunk)).into_par_iter().map(count).collect();
    counts.into_iter().sum()
}

/// `scale` times the sum over elements of weight times factor times loss; its gradient, with the factors as constants.
///
/// `kernel` is as in [`weighted_sum`]; `factors` finds the factors of a block from its losses and slopes. Elements whose
/// weight is not above 0 add nothing and have gradient 0, whatever they hold.
pub(crate) fn write<T: Real>(
    inputs: &Inputs<T>,
    output: Output<T>,
    scale: f64,
    kernel: impl Fn(f32, f32) -> (f32, f32) + Sync,
    factors: impl Fn(&Block, &mut Terms) + Sync,
) -> Result<f64, LossError> {
    inputs.check_output(&output)?;
    let sums: Vec<Result<f64, LossError>> = parts(output)
        .into_par_iter()
        .map(|part| {
            vectorised(
                #[inline(always)]
                || write_part(inputs, part, scale, &kernel, &factors),
            )
        })
        .collect();
    // In the order of the chunks, whichever was ready first.
    let mut sum = 0.0;
    for part in sums {
        sum += part?;
    }
    Ok(scale * sum)
}

fn parts<T>(output: Output<T>) -> Vec<Part<T>> {
    let chunk = chunk_of(output.gradient.len());
    let mut losses = output.losses.map(|losses| losses.chunks_mut(chunk));
    let part =
        |(index, gradient)| Part { start: index * chunk, gradient, losses: losses.as_mut().and_then(Iterator::next) };
    output.gradient.chunks_mut(chunk).enumerate().map(part).collect()
}

#[inline(always)]
fn write_part<T: Real>(
    inputs: &Inputs<T>,
    part: Part<T>,
    scale: f64,
    kernel: &impl Fn(f32, f32) -> (f32, f32),
    factors: &impl Fn(&Block, &mut Terms),
) -> Result<f64, LossError> {
    let Part { start, gradient, mut losses } = part;
    let mut terms = Terms { losses: [0.0; BLOCK], slopes: [0.0; BLOCK], factors: [0.0; BLOCK] };
    let (mut room, mut sum) = (Room::new(), 0.0);
    for range in ranges(start..start + gradient.len()) {
        let block = inputs.block(range, Weighing::Weights, &mut room)?;
        let length = block.values.len();
        apply(kernel, &block, &mut terms);
        // Through the reference, so that the closure itself is inlined and not a call through it.
        (*factors)(&block, &mut terms);
        let Terms { losses: own, slopes, factors } = &mut terms;
        let (own, slopes, factors) = (&mut own[..length], &mut slopes[..length], &mut factors[..length]);
        if let Some(weights) = block.weights {
            weigh(weights, own, slopes, factors);
        }
        sum += sum_of_products(own, factors);
        let at = block.start - start..block.start - start + length;
        if let Some(losses) = &mut losses {
            for (result, (&loss, &factor)) in losses[at.clone()].iter_mut().zip(own.iter().zip(&*factors)) {
                *result = held((scale * f64::from(factor) * f64::from(loss)) as f32, f32::MAX);
            }
        }
        for (slope, &factor) in slopes.iter_mut().zip(&*factors) {
            *slope *= factor * scale as f32;
        }
        T::narrow(slopes, &mut gradient[at]);
    }
    Ok(sum)
}

/// The losses of a block and their derivatives.
#[inline(always)]
fn apply(kernel: &impl Fn(f32, f32) -> (f32, f32), block: &Block, terms: &mut Terms) {
    let inputs = block.values.iter().zip(block.targets);
    for ((&value, &target), (loss, slope)) in inputs.zip(terms.losses.iter_mut().zip(&mut terms.slopes)) {
        (*loss, *slope) = (*kernel)(value, target);
    }
}

/// Factors times weights; loss and slope 0 where the weight is not above 0, whatever stands there.
#[inline(always)]
fn weigh(weights: &[f32], losses: &mut [f32], slopes: &mut [f32], factors: &mut [f32]) {
    let terms = losses.iter_mut().zip(slopes).zip(factors);
    for (&weight, ((loss, slope), factor)) in weights.iter().zip(terms) {
        let open = weight > 0.0;
        // Choices and not products, which would let a NaN through.
        *loss = if open { *loss } else { 0.0 };
        *slope = if open { *slope } else { 0.0 };
        *factor = if open { *factor * weight } else { 0.0 };
    }
}

/// The sum in f64 of `losses` times `factors`, always in the same order: sixteen running sums, so that the additions
/// need not wait for each other.
#[inline(always)]
fn sum_of_products(losses: &[f32], factors: &[f32]) -> f64 {
    const SUMS: usize = 16;
    let ((losses, more_losses), (factors, more_factors)) = (losses.as_chunks::<SUMS>(), factors.as_chunks::<SUMS>());
    let mut sums = [0.0f64; SUMS];
    for (losses, factors) in losses.iter().zip(factors) {
        for (sum, (&loss, &factor)) in sums.iter_mut().zip(losses.iter().zip(factors)) {
            *sum += f64::from(loss) * f64::from(factor);
        }
    }
    for (sum, (&loss, &factor)) in sums.iter_mut().zip(more_losses.iter().zip(more_factors)) {
        *sum += f64::from(loss) * f64::from(factor);
    }
    sums.iter().sum()
}
