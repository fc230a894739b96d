//! Which bin each element of a block falls into.

use crate::block::Block;
use crate::edges::ROUND;
use crate::harmonise::Harmonised;

/// How far a slope may be off, and an edge, with room to spare: slopes are within 2.41 units of the last place, edges and
/// products are rounded.
const OFF: f32 = 1e-6;

/// The bin of each element, by its slope, into `places`. NaN falls into the last.
///
/// Norms are rounded to a bin twice, once a little lower and once a little higher than they are. The few where that makes a
/// difference lie at an edge, and are looked at one by one.
#[inline(always)]
pub(crate) fn write_places(block: &Block, kernel: impl Harmonised, slopes: &[f32], bins: usize, places: &mut [u32]) {
    let bins = bins as f32;
    let mut apart = 0;
    for (place, &slope) in places.iter_mut().zip(slopes) {
        let (low, high) = around(slope, bins);
        apart |= low ^ high;
        *place = low;
    }
    if apart != 0 {
        settle(block, kernel, slopes, bins, places);
    }
}

/// The bins of a norm that is a little lower, and of one that is a little higher.
#[inline(always)]
fn around(slope: f32, bins: f32) -> (u32, u32) {
    // The outer ends are no edges.
    let (first, last) = (0.5 / bins, 1.0 - 0.5 / bins);
    let norm = slope.abs();
    let norm = if norm < last { norm } else { last };
    let norm = if norm > first { norm } else { first };
    let rounded = |off: f32| (norm.mul_add(bins, off - 0.5) + ROUND).to_bits() - ROUND.to_bits();
    (rounded(-OFF * bins), rounded(OFF * bins))
}

#[cold]
#[inline(never)]
fn settle(block: &Block, kernel: impl Harmonised, slopes: &[f32], bins: f32, places: &mut [u32]) {
    for (at, (place, &slope)) in places.iter_mut().zip(slopes).enumerate() {
        let (low, high) = around(slope, bins);
        if low != high {
            *place = kernel.bin(block.values[at], block.target(at), slope.abs(), bins);
        }
    }
}
