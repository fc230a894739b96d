//! Harmonising by the exact gradient density: how many examples lie in a window around each.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::density::{check_bins, check_cap};
use crate::error::{LossError, expect_setting};
use crate::inputs::{BLOCK, CHUNK, Inputs};
use crate::sums::{apply, gate};
use crate::windows::{Window, counts_around};

/// The gradient density as the paper defines it, before its unit regions: settings alone, for nothing is kept from call
/// to call.
///
/// | | |
/// | --- | --- |
/// | window of `g` (Li et al. 2019, eq. 5), `eps = 1 / M` | the `g_k` with `g - eps / 2 <= g_k < g + eps / 2` |
/// | its valid length (eq. 6) | `l(g) = min(g + eps / 2, 1) - max(g - eps / 2, 0)` |
/// | density (eq. 4) | `GD(g)` = number of `g_k` in the window, over `l(g)` |
/// | harmonising parameter (eq. 7), `N` = examples | `beta = N / GD(g)` |
/// | harmonised loss (eq. 8) | `(1/N) sum beta loss = sum loss / GD(g)` |
///
/// Norms are f32; `eps / 2 = 0.5 / M` and the ends of the windows are f64, each rounded once, and norms are compared
/// with them as f64. Where `M` is a power of two nothing is rounded, but for norms below 1e-9.
///
/// # Cost
/// `O(N)`, as norms are sorted by their bits. Memory, for the time of the call: 9 bytes an element, 25 where all norms
/// are nearly the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExactDensity {
    /// `M`, 1 to [`MAX_BINS`](crate::MAX_BINS): a window is as wide as one of `M` unit regions.
    pub bins: usize,
    /// The most that `beta` may be, above 0; nothing holds it where absent, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<f64>,
}

impl ExactDensity {
    /// The density `GD(g)` at each of the gradient norms `g`, among all of them; above 0.
    ///
    /// # Shapes
    /// `norms`: one entry an example, in `[0, 1]`; and so is the result, in their order.
    ///
    /// # Errors
    /// [`LossError::Setting`] for a setting or a norm outside its range.
    pub fn of_norms(&self, norms: &[f32]) -> Result<Vec<f64>, LossError> {
        self.check(norms.len())?;
        for &norm in norms {
            expect_setting("a gradient norm", f64::from(norm), "a number from 0 to 1", |g| (0.0..=1.0).contains(&g))?;
        }
        let window = Window::of_bins(self.bins);
        let counts = counts_around(norms, window);
        Ok(norms.iter().zip(counts).map(|(&norm, count)| f64::from(count) / window.length(norm)).collect())
    }

    /// Whether the settings are in range, and `elements` can be counted.
    fn check(&self, elements: usize) -> Result<(), LossError> {
        check_bins(self.bins)?;
        check_cap(self.cap)?;
        expect_setting("elements", elements as f64, "fewer than 2^32", |_| u32::try_from(elements).is_ok())
    }
}

/// The harmonised loss: `scale` times the sum of the elements' losses, each over the exact density of its gradient
/// norm; and its gradient, with the densities as constants.
///
/// `kernel` gives the loss of a value and a target, and its derivative in the value, whose size is the gradient norm.
///
/// A first pass writes the norms where the gradient will be; their windows are counted; a second computes losses and
/// derivatives once more, which is cheaper than to keep them, and multiplies them.
pub(crate) fn exact_sum(
    inputs: &Inputs,
    density: ExactDensity,
    scale: f32,
    gradient: &mut [f32],
    kernel: impl Fn(f32, f32) -> (f32, f32) + Sync,
) -> Result<f64, LossError> {
    density.check(gradient.len())?;
    write_norms(inputs, gradient, &kernel);
    let window = Window::of_bins(density.bins);
    let counts = counts_around(gradient, window);
    let examples = counts.par_iter().filter(|&&count| count > 0).count();
    let most = density.cap.map_or(f64::INFINITY, |cap| cap / examples.max(1) as f64);
    // What does not take part has loss and derivative 0, or is NaN and has to stay so.
    let factor = |norm: f32, count: u32| match count {
        0 => 1.0,
        count => (window.length(norm) / f64::from(count)).min(most),
    };
    let chunks = gradient.par_chunks_mut(CHUNK).zip(counts.par_chunks(CHUNK)).enumerate();
    let sums: Vec<f64> =
        chunks.map(|(index, part)| multiplied(&inputs.chunk(index), part, scale, &kernel, factor)).collect();
    Ok(f64::from(scale) * sums.iter().sum::<f64>())
}

/// The norms of all elements into `norms`, and NaN for those that take no part.
fn write_norms(inputs: &Inputs, norms: &mut [f32], kernel: impl Fn(f32, f32) -> (f32, f32) + Sync) {
    norms.par_chunks_mut(CHUNK).enumerate().for_each(|(index, norms)| {
        inputs.chunk(index).for_each_block(norms, |block, norms| {
            for ((norm, &value), &target) in norms.iter_mut().zip(block.values).zip(block.targets) {
                *norm = kernel(value, target).1.abs();
            }
            if let Some(weights) = block.weights {
                for (norm, &weight) in norms.iter_mut().zip(weights) {
                    *norm = if weight > 0.0 { *norm } else { f32::NAN };
                }
            }
        });
    });
}

/// The sum of the losses of one chunk, each times its factor; into `gradient` the derivatives, times factor and scale.
fn multiplied(
    chunk: &Inputs,
    (gradient, counts): (&mut [f32], &[u32]),
    scale: f32,
    kernel: impl Fn(f32, f32) -> (f32, f32),
    factor: impl Fn(f32, u32) -> f64,
) -> f64 {
    let (mut blocks, mut sum) = (counts.chunks(BLOCK), 0.0);
    chunk.for_each_block(gradient, |block, derivatives| {
        let mut losses = [0.0; BLOCK];
        let losses = &mut losses[..derivatives.len()];
        apply(&kernel, block, losses, derivatives);
        if let Some(weights) = block.weights {
            gate(weights, losses, derivatives);
        }
        let counts = blocks.next().unwrap_or_default();
        for ((&loss, derivative), &count) in losses.iter().zip(derivatives).zip(counts) {
            let factor = factor(derivative.abs(), count);
            sum += factor * f64::from(loss);
            *derivative *= (factor * f64::from(scale)) as f32;
        }
    });
    sum
}
