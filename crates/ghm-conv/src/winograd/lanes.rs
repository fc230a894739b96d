//! Vectors to and from slices.

use pulp::Simd;

/// The most lanes of a vector, and what lines of tiles are padded to.
pub(super) const LANES: usize = 16;

#[inline(always)]
pub(super) fn load<S: Simd>(values: &[f32], at: usize) -> S::f32s {
    S::as_simd_f32s(&values[at..at + S::F32_LANES]).0[0]
}

/// The first `length` lanes from `at` on, then zeros.
#[inline(always)]
pub(super) fn load_some<S: Simd>(simd: S, values: &[f32], at: usize, length: usize) -> S::f32s {
    let values = &values[at..at + length];
    match S::as_simd_f32s(values).0.first() {
        Some(whole) => *whole,
        None => simd.partial_load_f32s(values),
    }
}

#[inline(always)]
pub(super) fn store<S: Simd>(simd: S, values: &mut [f32], at: usize, length: usize, vector: S::f32s) {
    let target = &mut values[at..at + length];
    match S::as_mut_simd_f32s(target).0.first_mut() {
        Some(whole) => *whole = vector,
        None => simd.partial_store_f32s(target, vector),
    }
}
