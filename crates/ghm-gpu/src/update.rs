//! The small kernel between the passes: moving average and factor of each bin.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// Units of its one cube.
pub(crate) const UNITS: u32 = 256;

/// How counts join the average, known when the kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, CubeType)]
pub struct UpdateRule {
    /// Momentum is above 0.
    pub averaged: bool,
    /// A bin that is empty in a call keeps its value.
    pub keep_empty: bool,
    /// Divide by the bins that hold an example and not by all.
    pub nonempty: bool,
    /// There is a cap.
    pub capped: bool,
}

/// From the counts `[M]` of a call and the average before, `[M]`, the average after it and the factors.
///
/// `arriving` is `1 - momentum`; `share` what of a constant has arrived in the average, where that is made up for.
#[cube(launch)]
#[expect(clippy::too_many_arguments, reason = "the buffers of a kernel are its parameters")]
pub(crate) fn update_kernel(
    histogram: &[u32],
    before: &[f32],
    after: &mut [f32],
    factors: &mut [f32],
    arriving: f32,
    share: f32,
    cap: f32,
    #[comptime] bins: usize,
    #[comptime] rule: UpdateRule,
) {
    let (examples, occupied) = totals(histogram, bins);
    let divisor = if comptime!(rule.nonempty) { occupied } else { comptime!(bins as u32).runtime() };
    let most = cap / f32::cast_from(max(examples, 1u32));
    let mut bin = UNIT_POS as usize;
    while bin < bins {
        let count = histogram[bin];
        let mut average = f32::cast_from(count);
        if comptime!(rule.averaged) {
            // Not m S + (1 - m) R, whose limit is off where the rounded m and 1 - m do not sum to 1.
            average = before[bin] + arriving * (average - before[bin]);
            if comptime!(rule.keep_empty) {
                average = select(count > 0u32, average, before[bin]);
            }
        }
        let mut factor = 0.0f32;
        if average > 0.0f32 && divisor > 0u32 {
            factor = share / (average * f32::cast_from(divisor));
        }
        if comptime!(rule.capped) {
            factor = select(factor < most, factor, most);
        }
        after[bin] = average;
        factors[bin] = factor;
        bin += CUBE_DIM as usize;
    }
}

/// The number of examples, and of bins that hold one.
#[cube]
fn totals(histogram: &[u32], #[comptime] bins: usize) -> (u32, u32) {
    let sums = Shared::<[Atomic<u32>]>::new_slice(2usize);
    if UNIT_POS < 2u32 {
        sums[UNIT_POS as usize].store(0u32);
    }
    sync_cube();
    let mut bin = UNIT_POS as usize;
    while bin < bins {
        let count = histogram[bin];
        if count > 0u32 {
            sums[0].fetch_add(count);
            sums[1].fetch_add(1u32);
        }
        bin += CUBE_DIM as usize;
    }
    sync_cube();
    (sums[0].load(), sums[1].load())
}
