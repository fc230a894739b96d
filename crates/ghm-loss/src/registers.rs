//! Tables of 32 places in two registers of AVX-512, where a look-up is one instruction for 16 elements, and bisection.

use std::arch::x86_64::{__m512, __m512i, _CMP_NLT_UQ};

use pulp::cast;
use pulp::x86::V4;

/// Lanes of a register.
pub(crate) const LANES: usize = 16;

/// An entry for each of 32 places.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    low: __m512,
    high: __m512,
}

impl Table {
    #[inline(always)]
    pub fn new(entries: &[f32; 2 * LANES]) -> Self {
        let [low, high]: [[f32; LANES]; 2] = cast(*entries);
        Self { low: cast(low), high: cast(high) }
    }

    #[inline(always)]
    pub fn at(self, avx512: V4, places: __m512i) -> __m512 {
        avx512.avx512f._mm512_permutex2var_ps(self.low, places, self.high)
    }
}

/// The same number in every lane.
#[inline(always)]
pub(crate) fn splat(value: u32) -> __m512i {
    cast([value; LANES])
}

/// Whether each logit is at least its edge; NaN is.
#[inline(always)]
pub(crate) fn reach(avx512: V4, logits: __m512, edges: __m512) -> u16 {
    avx512.avx512f._mm512_cmp_ps_mask::<_CMP_NLT_UQ>(logits, edges)
}

/// At most f32's largest number; NaN stays.
#[inline(always)]
fn bounded(avx512: V4, logits: __m512) -> __m512 {
    // The second operand is the result where either is NaN.
    avx512.avx512f._mm512_min_ps(cast([f32::MAX; LANES]), logits)
}

/// Where 32 places begin, in ascending order.
#[derive(Clone, Copy)]
pub(crate) struct Edges {
    all: Table,
    /// Those at a quarter, at half and at three quarters, in every lane.
    middle: [__m512; 3],
}

impl Edges {
    #[inline(always)]
    pub fn new(edges: &[f32; 2 * LANES]) -> Self {
        Self { all: Table::new(edges), middle: [8, 16, 24].map(|at| cast([edges[at]; LANES])) }
    }

    /// The places of sixteen logits, a bit of all of them at a time from the lowest on. NaN is at the last place.
    ///
    /// By bisection: each of the five comparisons is a bit of the place.
    #[inline(always)]
    pub fn bisect(&self, avx512: V4, logits: [f32; LANES]) -> [u16; 5] {
        let (f, [quarter, half, three_quarters]) = (avx512.avx512f, self.middle);
        let logits = bounded(avx512, cast(logits));
        let bit_4 = reach(avx512, logits, half);
        let bit_3 = reach(avx512, logits, f._mm512_mask_blend_ps(bit_4, quarter, three_quarters));
        let places = f._mm512_maskz_mov_epi32(bit_4, splat(16));
        let places = f._mm512_mask_or_epi32(places, bit_3, places, splat(8));
        let next = f._mm512_or_epi32(places, splat(4));
        let bit_2 = reach(avx512, logits, self.all.at(avx512, next));
        let places = f._mm512_mask_mov_epi32(places, bit_2, next);
        let next = f._mm512_or_epi32(places, splat(2));
        let bit_1 = reach(avx512, logits, self.all.at(avx512, next));
        let places = f._mm512_mask_mov_epi32(places, bit_1, next);
        let bit_0 = reach(avx512, logits, self.all.at(avx512, f._mm512_or_epi32(places, splat(1))));
        [bit_0, bit_1, bit_2, bit_3, bit_4]
    }
}
