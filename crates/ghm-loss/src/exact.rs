//! Harmonising by the exact gradient density: how many examples lie in a window around each.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};

use crate::block::{BLOCK, Block, Room};
use crate::blocks::{Inputs, Weighing, ranges};
use crate::density::check_cap;
use crate::error::{LossError, expect_setting};
use crate::harmonise::{Harmonised, scale_of};
use crate::output::Output;
use crate::real::Real;
use crate::regions::check_bins;
use crate::sums::{Separate, write};
use crate::vector::vectorised;
use crate::windows::{Window, WindowCounts};

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
/// `O(N)`, as norms are ranked by their bits. Memory, for the time of the call: at most 10 bytes an element, and some 100
/// KB.
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
        let counted = count(window, norms);
        let mut densities = Vec::with_capacity(norms.len());
        for norms in norms.chunks(BLOCK) {
            let mut counts = [0; BLOCK];
            counted.read(densities.len(), &mut counts[..norms.len()]);
            densities.extend(norms.iter().zip(counts).map(|(&norm, count)| f64::from(count) / window.length(norm)));
        }
        Ok(densities)
    }

    /// The most that a factor may be: beta over the number of examples.
    fn most(&self, examples: usize) -> f32 {
        self.cap.map_or(f32::INFINITY, |cap| (cap / examples.max(1) as f64) as f32)
    }

    /// Whether the settings are in range, and `elements` can be counted.
    fn check(&self, elements: usize) -> Result<(), LossError> {
        check_bins(self.bins)?;
        check_cap(self.cap)?;
        expect_setting("elements", elements as f64, "fewer than 2^32", |_| u32::try_from(elements).is_ok())
    }
}

/// The harmonised loss: the mean or sum of the elements' losses, each times its `beta`; and its gradient, with `beta` as
/// a constant.
///
/// A first pass finds the norms, whose windows are counted; a second computes losses and derivatives once more, which is
/// cheaper than to keep them, and multiplies them.
pub(crate) fn exact_sum<T: Real>(
    inputs: &Inputs<T>,
    density: ExactDensity,
    output: Output<T>,
    kernel: impl Harmonised,
) -> Result<f64, LossError> {
    density.check(inputs.len())?;
    let window = Window::of_bins(density.bins);
    let counts = WindowCounts::of(window, inputs.len(), |range, norms| {
        vectorised(
            #[inline(always)]
            |_| {
                let (start, mut room) = (range.start, Room::new());
                for at in ranges(range) {
                    let block = inputs.block(at.clone(), Weighing::Gates, &mut room);
                    inputs.check_targets(&block)?;
                    write_norms(&block, kernel, &mut norms[at.start - start..at.end - start]);
                }
                Ok(())
            },
        )
    })?;
    let most = density.most(counts.norms());
    let scale = scale_of(&output, counts.norms() as u64);
    let loss = Separate::new(
        #[inline(always)]
        move |value, target| kernel.terms(value, target),
        #[inline(always)]
        |block, terms| {
            let length = block.values.len();
            let (slopes, factors) = (&terms.slopes[..length], &mut terms.factors[..length]);
            write_factors(window, slopes, &counts, block.start, most, factors);
        },
    );
    write(inputs, output, scale, &loss)
}

/// The factor of each of the `norms`, of which NaN takes no part, and how many do.
pub(crate) fn row_factors(norms: &[f32], density: ExactDensity) -> Result<(Vec<f32>, u64), LossError> {
    density.check(norms.len())?;
    let window = Window::of_bins(density.bins);
    let counts = count(window, norms);
    let most = density.most(counts.norms());
    let mut factors = vec![0.0; norms.len()];
    for (index, (norms, factors)) in norms.chunks(BLOCK).zip(factors.chunks_mut(BLOCK)).enumerate() {
        write_factors(window, norms, &counts, index * BLOCK, most, factors);
    }
    Ok((factors, counts.norms() as u64))
}

/// The factors of the block of norms that begins at `start`, signs apart. What is NaN has to stay so; what does not take
/// part is shut out elsewhere.
#[inline(always)]
fn write_factors(window: Window, norms: &[f32], counts: &WindowCounts, start: usize, most: f32, factors: &mut [f32]) {
    let mut own = [0; BLOCK];
    let own = &mut own[..norms.len()];
    counts.read(start, own);
    for (factor, (&norm, &count)) in factors.iter_mut().zip(norms.iter().zip(&*own)) {
        let own = window.length_f32(norm.abs()) / count as f32;
        *factor = if own > most { most } else { own };
    }
}

fn count(window: Window, norms: &[f32]) -> WindowCounts {
    let Ok(counts) = WindowCounts::of::<Infallible>(window, norms.len(), |range, result| {
        result.copy_from_slice(&norms[range]);
        Ok(())
    });
    counts
}

/// The norms of a block, NaN where an element takes no part.
#[inline(always)]
fn write_norms(block: &Block, kernel: impl Harmonised, norms: &mut [f32]) {
    block.map(
        #[inline(always)]
        move |value, target| kernel.terms(value, target).1.abs(),
        norms,
    );
    block.shut(f32::NAN, norms);
}
