//! The second pass: the gradient of every example and the sum of their losses.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use crate::bin::bin_of;
use crate::element::{Example, NAN_BITS, is_nan};
use crate::examples::{example, goals};
use crate::terms::{ElementLoss, Settings};

/// Units of a cube in both kernels; a power of two, for the sums halve it.
pub(crate) const UNITS: u32 = 256;

/// Writes the gradient, and the loss of each cube into `partials [cubes]`, as bits: each example's own times `scale` and,
/// where there are `factors [M]` of the bins between `edges [M + 1]`, times that of its bin.
///
/// Losses and slopes are computed from the values once more, which costs less than keeping them.
#[cube(launch)]
#[expect(clippy::too_many_arguments, reason = "the buffers of a kernel are its parameters")]
pub(crate) fn apply_kernel<F: Float, N: Size>(
    values: &[Vector<F, N>],
    rows: ComptimeOption<&[i32]>,
    targets: ComptimeOption<&[Vector<F, N>]>,
    gates: ComptimeOption<&[Vector<F, N>]>,
    edges: ComptimeOption<&[f32]>,
    factors: ComptimeOption<&[f32]>,
    gradient: &mut [Vector<F, N>],
    partials: &mut [u32],
    vectors: usize,
    classes: usize,
    first: f32,
    second: f32,
    scale: f32,
    #[comptime] loss: ElementLoss,
    #[comptime] bins: usize,
    #[comptime] shared: bool,
    #[define(F)] _dtype: ElemType,
) {
    let by_class = comptime!(rows.is_some());
    let mut local = Shared::<[f32]>::new_slice(comptime!(if shared { bins } else { 1 }));
    if comptime!(shared) {
        #[comptime]
        if let ComptimeOption::Some(factors) = factors {
            fill(&mut local, factors, bins);
        }
    }
    let mut sum = 0.0f32;
    let mut strange = 0u32;
    let mut index = ABSOLUTE_POS;
    while index < vectors {
        let goal = goals::<F, N>(rows, targets, gates, index, classes, Settings { first, second });
        let value = values[index];
        let mut slopes = Vector::<F, N>::new(F::new(0.0f32));
        #[unroll]
        for lane in 0..N::value() {
            let x = f32::cast_from(value.extract(lane));
            let found = example::<F, N>(x, &goal, lane, by_class, loss);
            let mut factor = 0.0f32;
            if found.counted {
                factor = scale;
                #[comptime]
                if let ComptimeOption::Some(edges) = edges {
                    let bin = bin_of(found.slope.abs(), edges, bins);
                    factor *= factor_of(bin, factors, &local, shared);
                }
                sum += factor * found.loss;
            }
            if found.strange {
                strange = 1u32;
            }
            slopes.insert(lane, F::cast_from(gradient_of(x, &found, factor)));
        }
        gradient[index] = slopes;
        index += CUBE_COUNT * CUBE_DIM as usize;
    }
    let bits = cube_sum(sum, strange);
    if UNIT_POS == 0u32 {
        partials[CUBE_POS] = bits;
    }
}

/// Copies the factors into shared memory. Every unit has to come here.
#[cube]
fn fill(local: &mut Shared<[f32]>, factors: &[f32], #[comptime] bins: usize) {
    let mut bin = UNIT_POS as usize;
    while bin < bins {
        local[bin] = factors[bin];
        bin += CUBE_DIM as usize;
    }
    sync_cube();
}

#[cube]
fn factor_of(bin: usize, factors: ComptimeOption<&[f32]>, local: &Shared<[f32]>, #[comptime] shared: bool) -> f32 {
    if comptime!(shared) {
        local[bin]
    } else {
        #[comptime]
        match factors {
            ComptimeOption::Some(factors) => factors[bin],
            ComptimeOption::None => 1.0f32,
        }
    }
}

/// The gradient of an example in its value `x`: 0 where it is left out, NaN where it can be in no bin.
#[cube]
fn gradient_of(x: f32, found: &Example, factor: f32) -> f32 {
    let mut slope = 0.0f32;
    if found.counted {
        slope = factor * found.slope;
    } else if found.strange {
        // Not a constant: WGSL refuses one that is NaN.
        slope = f32::reinterpret(u32::reinterpret(x) | NAN_BITS);
    }
    slope
}

/// The value `[1]`, as bits, from the partial sums of the cubes, in an order that depends on nothing but their number.
#[cube(launch)]
pub(crate) fn finish_kernel(partials: &[u32], value: &mut [u32], cubes: usize) {
    let mut sum = 0.0f32;
    let mut strange = 0u32;
    let mut index = UNIT_POS as usize;
    while index < cubes {
        let part = f32::reinterpret(partials[index]);
        if is_nan(part) {
            strange = 1u32;
        } else {
            sum += part;
        }
        index += CUBE_DIM as usize;
    }
    let bits = cube_sum(sum, strange);
    if UNIT_POS == 0u32 {
        value[0] = bits;
    }
}

/// The bits of the sum over the cube's units, those of NaN where one of them is `strange`. All units have to come here.
#[cube]
fn cube_sum(sum: f32, strange: u32) -> u32 {
    let unit = UNIT_POS as usize;
    let mut sums = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let mut marks = Shared::<[u32]>::new_slice(comptime!(UNITS as usize));
    sums[unit] = sum;
    marks[unit] = strange;
    sync_cube();
    let mut half = comptime!(UNITS as usize / 2).runtime();
    while half > 0usize {
        if unit < half {
            sums[unit] += sums[unit + half];
            marks[unit] |= marks[unit + half];
        }
        sync_cube();
        half /= 2usize;
    }
    select(marks[0] > 0u32, NAN_BITS, u32::reinterpret(sums[0]))
}
