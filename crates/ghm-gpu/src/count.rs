//! The counting kernel: how many examples fall into each bin.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use crate::bin::bin_of;
use crate::examples::{example, goals};
use crate::terms::{ElementLoss, Settings};

/// Adds the examples of a call to `histogram [M]`, which holds zeros before.
///
/// Every unit goes through the values in strides of the whole grid and adds a run of equal bins at once: most examples
/// of a detector share one bin, and additions to one address wait for each other. Runs go into the cube's own histogram
/// where it is `shared`, which is added to the global one in the end; else into the global one.
#[cube(launch)]
#[expect(clippy::too_many_arguments, reason = "the buffers of a kernel are its parameters")]
pub(crate) fn count_kernel<F: Float, N: Size>(
    values: &[Vector<F, N>],
    rows: ComptimeOption<&[i32]>,
    targets: ComptimeOption<&[Vector<F, N>]>,
    gates: ComptimeOption<&[Vector<F, N>]>,
    edges: &[f32],
    histogram: &[Atomic<u32>],
    vectors: usize,
    classes: usize,
    first: f32,
    second: f32,
    #[comptime] loss: ElementLoss,
    #[comptime] bins: usize,
    #[comptime] shared: bool,
    #[define(F)] _dtype: ElemType,
) {
    let by_class = comptime!(rows.is_some());
    let local = Shared::<[Atomic<u32>]>::new_slice(comptime!(if shared { bins } else { 1 }));
    if comptime!(shared) {
        clear(&local, bins);
    }
    let mut run = 0u32;
    let mut run_bin = 0usize;
    let mut index = ABSOLUTE_POS;
    while index < vectors {
        let goal = goals::<F, N>(rows, targets, gates, index, classes, Settings { first, second });
        let value = values[index];
        #[unroll]
        for lane in 0..N::value() {
            let found = example::<F, N>(f32::cast_from(value.extract(lane)), &goal, lane, by_class, loss);
            if found.counted {
                let bin = bin_of(found.slope.abs(), edges, bins);
                if bin != run_bin {
                    add(&local, histogram, run_bin, run, shared);
                    run = 0u32;
                    run_bin = bin;
                }
                run += 1u32;
            }
        }
        index += CUBE_COUNT * CUBE_DIM as usize;
    }
    add(&local, histogram, run_bin, run, shared);
    if comptime!(shared) {
        flush(&local, histogram, bins);
    }
}

/// Every unit has to come here and to [`flush`], for all wait for each other.
#[cube]
fn clear(local: &Shared<[Atomic<u32>]>, #[comptime] bins: usize) {
    let mut bin = UNIT_POS as usize;
    while bin < bins {
        local[bin].store(0u32);
        bin += CUBE_DIM as usize;
    }
    sync_cube();
}

#[cube]
fn flush(local: &Shared<[Atomic<u32>]>, histogram: &[Atomic<u32>], #[comptime] bins: usize) {
    sync_cube();
    let mut bin = UNIT_POS as usize;
    while bin < bins {
        let count = local[bin].load();
        if count > 0u32 {
            histogram[bin].fetch_add(count);
        }
        bin += CUBE_DIM as usize;
    }
}

#[cube]
fn add(local: &Shared<[Atomic<u32>]>, histogram: &[Atomic<u32>], bin: usize, count: u32, #[comptime] shared: bool) {
    if count > 0u32 {
        if comptime!(shared) {
            local[bin].fetch_add(count);
        } else {
            histogram[bin].fetch_add(count);
        }
    }
}
