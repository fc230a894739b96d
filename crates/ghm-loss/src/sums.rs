//! The pass that writes: losses and derivatives of all elements, each times its factor, into a value and a gradient.

use rayon::prelude::*;

use crate::block::{BLOCK, Block, Room};
use crate::blocks::{Inputs, Weighing, chunk_of, ranges};
use crate::error::LossError;
use crate::output::{Output, Reduction};
use crate::real::{Real, held};
use crate::sum::Sum;
use crate::vector::{Level, vectorised};

/// What a kernel made of a block: room for [`BLOCK`] elements, of which the first are used.
pub(crate) struct Terms {
    /// The losses.
    pub losses: [f32; BLOCK],
    /// Their derivatives in the values.
    pub slopes: [f32; BLOCK],
    /// What both are multiplied by beside the weights.
    pub factors: [f32; BLOCK],
    /// Room for what factors are found by.
    pub room: [f32; BLOCK],
}

/// Room for a block and what becomes of it.
struct Scratch {
    terms: Terms,
    room: Room,
    narrow: [f32; BLOCK],
}

impl Scratch {
    fn new() -> Box<Self> {
        let none = [0.0; BLOCK];
        let terms = Terms { losses: none, slopes: none, factors: none, room: none };
        Box::new(Self { terms, room: Room::new(), narrow: none })
    }
}

/// The part of the output that belongs to one chunk.
struct Part<'a, T> {
    start: usize,
    gradient: &'a mut [T],
    losses: Option<&'a mut [f32]>,
}

/// What the elements of a block become.
pub(crate) trait BlockLoss: Sync {
    /// Their losses, slopes and factors.
    fn write_terms(&self, level: Level, block: &Block, terms: &mut Terms);

    /// All at once, for a whole block, where that can be done: factor times loss in place of the losses, and in `gradient`
    /// factor times slope. With `None` nothing is to be found there. Only where [`write`] has no scale beside the factors.
    #[inline(always)]
    fn write_gradient(
        &self,
        _level: Level,
        _block: &Block,
        _terms: &mut Terms,
        _gradient: &mut [f32; BLOCK],
    ) -> Option<()> {
        None
    }
}

/// A kernel, which gives the loss of a value and a target and its derivative in the value, and what finds the factors of a
/// block from its losses and slopes.
///
/// What the kernel captures it owns: a setting behind a reference might change with every result that is written, as far as
/// the compiler knows, and is read anew.
pub(crate) struct Separate<K, F> {
    kernel: K,
    factors: F,
}

impl<K, F> Separate<K, F>
where
    K: Fn(f32, f32) -> (f32, f32) + Copy + Sync,
    F: Fn(&Block, &mut Terms) + Sync,
{
    pub fn new(kernel: K, factors: F) -> Self {
        Self { kernel, factors }
    }
}

impl<K, F> BlockLoss for Separate<K, F>
where
    K: Fn(f32, f32) -> (f32, f32) + Copy + Sync,
    F: Fn(&Block, &mut Terms) + Sync,
{
    #[inline(always)]
    fn write_terms(&self, _: Level, block: &Block, terms: &mut Terms) {
        terms.apply(self.kernel, block);
        (self.factors)(block, terms);
    }
}

impl Terms {
    /// The losses and slopes of a block.
    #[inline(always)]
    pub fn apply(&mut self, kernel: impl Fn(f32, f32) -> (f32, f32) + Copy, block: &Block) {
        let length = block.values.len();
        block.map_pairs(kernel, &mut self.losses[..length], &mut self.slopes[..length]);
    }
}

/// A loss that is a mean or a sum over elements, each loss times its weight.
///
/// `kernel` is that of [`Separate`].
pub(crate) fn weighted_sum<T: Real>(
    inputs: &Inputs<T>,
    output: Output<T>,
    kernel: impl Fn(f32, f32) -> (f32, f32) + Copy + Sync,
) -> Result<f64, LossError> {
    let scale = match output.reduction {
        Reduction::Sum => f64::from(output.scale),
        Reduction::Mean => f64::from(output.scale) / taking_part(inputs)?.max(1) as f64,
    };
    let loss = Separate::new(
        kernel,
        #[inline(always)]
        |_, terms| terms.factors.fill(1.0),
    );
    write(inputs, output, scale, &loss)
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
            let block = inputs.block(at, Weighing::Gates, &mut room);
            inputs.check_targets(&block)?;
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
/// Elements whose weight is not above 0 add nothing and have gradient 0, whatever they hold.
pub(crate) fn write<T: Real>(
    inputs: &Inputs<T>,
    output: Output<T>,
    scale: f64,
    loss: &impl BlockLoss,
) -> Result<f64, LossError> {
    inputs.check_output(&output)?;
    let sums: Vec<Result<f64, LossError>> = parts(output)
        .into_par_iter()
        .map_init(Scratch::new, |scratch, part| {
            vectorised(
                #[inline(always)]
                |level| write_part(level, inputs, part, scale, (loss, scratch)),
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
    level: Level,
    inputs: &Inputs<T>,
    part: Part<T>,
    scale: f64,
    (loss, scratch): (&impl BlockLoss, &mut Scratch),
) -> Result<f64, LossError> {
    let Part { start, gradient, mut losses } = part;
    let Scratch { terms, room, narrow } = scratch;
    let mut sum = Sum::default();
    for range in ranges(start..start + gradient.len()) {
        let at = range.start - start..range.end - start;
        let block = inputs.block(range, Weighing::Weights, room);
        inputs.check_targets(&block)?;
        if at.len() == BLOCK && losses.is_none() {
            let done = T::through(
                &mut gradient[at.clone()],
                narrow,
                #[inline(always)]
                |gradient| {
                    loss.write_gradient(level, &block, terms, gradient.first_chunk_mut()?)?;
                    sum.add(&terms.losses)
                },
            );
            if done.is_some() {
                continue;
            }
        }
        loss.write_terms(level, &block, terms);
        let Terms { losses: own, slopes, factors, room: products } = terms;
        let (own, slopes, factors) = (&mut own[..at.len()], &mut slopes[..at.len()], &mut factors[..at.len()]);
        if let Some(weights) = block.weights {
            weigh(weights, own, slopes, factors);
        }
        let products = &mut products[..at.len()];
        for (product, (&loss, &factor)) in products.iter_mut().zip(own.iter().zip(&*factors)) {
            *product = loss * factor;
        }
        if sum.add(products).is_none() {
            sum.add_slowly(own.iter().zip(&*factors).map(|(&loss, &factor)| f64::from(loss) * f64::from(factor)));
        }
        if let Some(losses) = &mut losses {
            for (result, (&loss, &factor)) in losses[at.clone()].iter_mut().zip(own.iter().zip(&*factors)) {
                *result = held((scale * f64::from(factor) * f64::from(loss)) as f32, f32::MAX);
            }
        }
        T::write_products(slopes, factors, scale as f32, &mut gradient[at]);
    }
    Ok(sum.total())
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
