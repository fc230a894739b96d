//! Losses of one class out of several: softmax cross entropy, plain and harmonised.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::edges::bin_of;
use crate::error::LossError;
use crate::exact::row_factors;
use crate::examples::Examples;
use crate::harmonise::{Density, scale_of};
use crate::output::{Output, Reduction};
use crate::real::{Real, held};
use crate::regions::Regions;
use crate::rows::{Row, Rows};
use crate::vector::vectorised;

/// Which length of the gradient `p - y` of a row is its gradient norm; both lie in `[0, 1]`.
///
/// With `p = softmax(logits)`, `y` the one-hot target and `p_t` the probability of the true class, the entries of `p - y` are
/// `p_t - 1` at the true class and `p_k` elsewhere, which sum to 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoftmaxNorm {
    /// `1 - p_t`: the largest entry, and half of the sum of all in size. Of two classes it is GHM-C's norm of the
    /// difference of their logits.
    #[default]
    Largest,
    /// `sqrt(((1 - p_t)^2 + sum_k p_k^2) / 2)` over the other classes `k`: the Euclidean length, over its largest value.
    /// A row that is wrong about one class has a larger norm than one whose error is spread over many.
    Euclidean,
}

/// Softmax cross entropy, `-ln p_t` of each row. Returns the value and writes the gradient, `p - y`.
///
/// # Shapes
/// Logits: rows of classes; targets: [`Targets::ClassIndex`](crate::Targets::ClassIndex). An example is a row: gates,
/// weights and [`Output::each`] have one entry a row.
///
/// # Errors
/// [`LossError`] where lengths differ, the targets are dense, or a row that takes part is
/// [`BACKGROUND`](crate::BACKGROUND), for which softmax has to have a class.
pub fn softmax_cross_entropy<'o, T: Real>(
    examples: &Examples<T>,
    output: impl Into<Output<'o, T>>,
) -> Result<f64, LossError> {
    let (rows, output) = (Rows::new(examples)?, output.into());
    rows.check_output(&output)?;
    let scale = match output.reduction {
        Reduction::Sum => f64::from(output.scale),
        Reduction::Mean => f64::from(output.scale) / rows.taking_part().max(1) as f64,
    };
    Ok(write(&rows, output, scale, |_, _| 1.0))
}

/// GHM-C for softmax: the cross entropy `-ln p_t` of each row, divided by the density of its gradient norm. Returns the
/// value, writes the gradient, `factor * (p - y)`, and takes this call's counts into the density, where that is a
/// [`GradientDensity`](crate::GradientDensity). An example is a row, and in a density by classes its class is its target.
///
/// The paper has sigmoids alone. Its principle needs of a loss no more than a size of each example's gradient, and here
/// that gradient is the vector `p - y`: [`SoftmaxNorm`] says which of its lengths is counted.
///
/// # Shapes
/// As [`softmax_cross_entropy`].
///
/// # Not finite
/// A row that holds NaN makes the value NaN and its own gradient; it falls into no bin. Finite logits give a finite value.
///
/// # Errors
/// As [`softmax_cross_entropy`], and where the density has other classes than the rows or a setting is out of its range.
pub fn softmax_ghm_c<'d, 'o, T: Real>(
    examples: &Examples<T>,
    norm: SoftmaxNorm,
    density: impl Into<Density<'d>>,
    output: impl Into<Output<'o, T>>,
) -> Result<f64, LossError> {
    let (rows, output) = (Rows::new(examples)?, output.into());
    rows.check_output(&output)?;
    let weights = match density.into() {
        Density::Exact(density) => {
            let (factors, examples) = row_factors(&norms(&rows, norm), density)?;
            let scale = scale_of(&output, examples);
            return Ok(write(&rows, output, scale, |index, _| factors[index]));
        }
        Density::Given(weights) => Cow::Borrowed(weights),
        Density::Regions(density) => {
            let counts = counted(&rows, norm, density.regions())?;
            Cow::Owned(density.update(&counts)?)
        }
    };
    rows.check_classes(weights.regions)?;
    let (lookup, by_class) = (weights.lookup(1.0), weights.regions.classes > 1);
    let scale = scale_of(&output, weights.examples);
    Ok(write(&rows, output, scale, |_, row| lookup.factor(row.norm(norm), if by_class { row.class } else { 0 })))
}

/// The counts of the rows that take part `[classes * bins]`, by their gradient norms. A NaN falls into no bin.
pub(crate) fn counted<T: Real>(rows: &Rows<T>, norm: SoftmaxNorm, regions: Regions) -> Result<Vec<u64>, LossError> {
    rows.check_classes(regions)?;
    let mut counts = vec![0; regions.count()];
    for (index, norm) in norms(rows, norm).into_iter().enumerate().filter(|(_, norm)| !norm.is_nan()) {
        let class = if regions.classes > 1 { rows.class(index) } else { 0 };
        counts[class * regions.bins + bin_of(norm, regions.bins as f32) as usize] += 1;
    }
    Ok(counts)
}

/// The gradient norm of each row, and NaN for those that take no part.
fn norms<T: Real>(rows: &Rows<T>, norm: SoftmaxNorm) -> Vec<f32> {
    let mut norms = vec![f32::NAN; rows.len()];
    norms.par_chunks_mut(rows.chunk()).enumerate().for_each(|(chunk, norms)| {
        let start = chunk * rows.chunk();
        vectorised(
            #[inline(always)]
            |_| {
                rows.for_each(start..start + norms.len(), |index, row| {
                    norms[index - start] = row.map_or(f32::NAN, |row| row.norm(norm));
                });
            },
        );
    });
    norms
}

/// The part of the output that belongs to one chunk of rows.
struct Part<'a, T> {
    rows: Range<usize>,
    gradient: &'a mut [T],
    losses: Option<&'a mut [f32]>,
}

/// `scale` times the sum over rows of weight times factor times loss, and its gradient with the factors as constants.
fn write<T: Real>(rows: &Rows<T>, output: Output<T>, scale: f64, factor: impl Fn(usize, &Row) -> f32 + Sync) -> f64 {
    let sums: Vec<f64> = parts(rows, output)
        .into_par_iter()
        .map(|part| {
            vectorised(
                #[inline(always)]
                |_| write_part(rows, part, scale, &factor),
            )
        })
        .collect();
    scale * sums.iter().sum::<f64>()
}

fn parts<'a, T: Real>(rows: &Rows<T>, output: Output<'a, T>) -> Vec<Part<'a, T>> {
    let (classes, chunk) = (rows.classes(), rows.chunk());
    let mut losses = output.losses.map(|losses| losses.chunks_mut(chunk));
    let part = |(index, gradient): (usize, &'a mut [T])| {
        let start = index * chunk;
        let rows = start..start + gradient.len() / classes;
        Part { rows, gradient, losses: losses.as_mut().and_then(Iterator::next) }
    };
    output.gradient.chunks_mut(chunk * classes).enumerate().map(part).collect()
}

#[inline(always)]
fn write_part<T: Real>(rows: &Rows<T>, part: Part<T>, scale: f64, factor: &impl Fn(usize, &Row) -> f32) -> f64 {
    let Part { rows: range, gradient, mut losses } = part;
    let (start, classes, mut sum) = (range.start, rows.classes(), 0.0);
    rows.for_each(range, |index, row| {
        let gradient = &mut gradient[(index - start) * classes..(index - start + 1) * classes];
        let mut own = 0.0;
        match row {
            // By choice and not by product, which would let a NaN through.
            Some(mut row) if row.weight > 0.0 => {
                let factor = (*factor)(index, &row) * row.weight;
                own = f64::from(factor) * row.loss();
                T::narrow(row.slopes(factor * scale as f32), gradient);
            }
            _ => gradient.fill(T::default()),
        }
        sum += own;
        if let Some(losses) = &mut losses {
            losses[index - start] = held((scale * own) as f32, f32::MAX);
        }
    });
    sum
}
