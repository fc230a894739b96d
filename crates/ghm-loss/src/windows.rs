//! How many gradient norms lie in the window around each of them.

use std::ops::Range;

use rayon::prelude::*;

use crate::partition::Partition;
use crate::ranks::{BEYOND, Ranks};
use crate::vector::{Level, vectorised};

/// The window of a gradient norm `g`, from `g - eps / 2` to below `g + eps / 2`.
///
/// In f64: `half` is `0.5 / M` rounded, and so are the two ends, each once. Both grow with `g`, whatever is rounded.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    half: f64,
}

impl Window {
    /// The window of width `eps = 1 / bins`.
    pub fn of_bins(bins: usize) -> Self {
        Self { half: 0.5 / bins as f64 }
    }

    /// The first value inside and the first one beyond.
    #[inline(always)]
    fn ends(self, g: f32) -> (f64, f64) {
        let g = f64::from(g);
        (g - self.half, g + self.half)
    }

    /// How much of the window lies in `[0, 1]`: `l_eps` (Li et al. 2019, eq. 6).
    #[inline(always)]
    pub fn length(self, g: f32) -> f64 {
        let (from, to) = self.ends(g);
        to.min(1.0) - from.max(0.0)
    }

    /// The same in f32, to three roundings: each side of `g` by itself, so that no digits are lost.
    #[inline(always)]
    pub fn length_f32(self, g: f32) -> f32 {
        let half = self.half as f32;
        let (below, above) = (if half > g { g } else { half }, if half > 1.0 - g { 1.0 - g } else { half });
        below + above
    }
}

/// Norms whose windows are counted together.
const TOGETHER: usize = 64;

/// How many gradient norms lie in the window around each of them.
pub(crate) struct WindowCounts {
    /// The counts, in place of the norms.
    partition: Partition,
    norms: usize,
}

impl WindowCounts {
    /// Of `count` norms, which `write` writes for a range of them, or why it could not. What is not in `[0, 1]`, NaN for
    /// instance, takes no part; signs are not looked at.
    pub fn of<E: Send>(
        window: Window,
        count: usize,
        write: impl Fn(Range<usize>, &mut [f32]) -> Result<(), E> + Sync,
    ) -> Result<Self, E> {
        let mut partition = Partition::of(count, write)?;
        let ranks = Ranks::of(&partition);
        let pieces = partition.all_pieces();
        let least = (16 * 1024 * pieces.len()).checked_div(count).unwrap_or(0).max(1);
        pieces.into_par_iter().with_min_len(least).for_each(|piece| {
            vectorised(
                #[inline(always)]
                |level| count_in_windows(level, window, &ranks, piece),
            )
        });
        Ok(Self { partition, norms: ranks.len() })
    }

    /// How many norms there are.
    pub fn norms(&self) -> usize {
        self.norms
    }

    /// The counts of the norms from `start` on, a block of them, whatever for those that take no part.
    #[inline(always)]
    pub fn read(&self, start: usize, counts: &mut [u32]) {
        self.partition.read(start, counts);
    }
}

/// The count in the window of each norm in place of its key.
#[inline(always)]
fn count_in_windows(level: Level, window: Window, ranks: &Ranks, keys: &mut [u32]) {
    for keys in keys.chunks_mut(TOGETHER) {
        let (mut starts, mut ends) = ([0; TOGETHER], [0; TOGETHER]);
        let mut some_below = 0;
        for ((start, end), &key) in starts.iter_mut().zip(&mut ends).zip(&*keys) {
            let (from, to) = window.ends(f32::from_bits(key));
            (*start, *end) = (key_from(from), key_from(to));
            some_below |= *start;
        }
        for (count, &end) in keys.iter_mut().zip(&ends) {
            *count = ranks.below(level, end);
        }
        // Below a window that begins at 0 there is nothing.
        if some_below > 0 {
            for (count, &start) in keys.iter_mut().zip(&starts) {
                *count -= ranks.below(level, start);
            }
        }
    }
}

/// The key of the first f32 that is not below `end`; of 0 for what is below it, and [`BEYOND`] for what is above 1.
#[inline(always)]
fn key_from(end: f64) -> u32 {
    let end = if end < 0.0 { 0.0 } else { end };
    let beyond = f64::from(f32::from_bits(BEYOND));
    let end = if end < beyond { end } else { beyond };
    let nearest = end as f32;
    nearest.to_bits() + u32::from(f64::from(nearest) < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_in_f32_is_that_in_f64_to_four_roundings() {
        for bins in [1, 2, 3, 30, 1000, 4096] {
            let window = Window::of_bins(bins);
            for step in 0..=100_000 {
                let norm = step as f32 / 100_000.0;
                let (short, long) = (f64::from(window.length_f32(norm)), window.length(norm));
                assert!(
                    (short - long).abs() <= 4.0 * f64::from(f32::EPSILON) * long,
                    "{norm} of {bins} bins: {short}, {long}"
                );
            }
        }
    }
}
