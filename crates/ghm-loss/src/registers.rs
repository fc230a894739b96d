//! Tables of 32 places in two registers of AVX-512, where a look-up is one instruction for 16 elements.

use std::arch::x86_64::{__m512, __m512i, _CMP_NLT_UQ};

use pulp::cast;
use pulp::x86::V4;

use crate::block::BLOCK;
use crate::logistic::against_zero;
use crate::number::Sixteen;
use crate::prefetch::prefetch_behind;
use crate::tally::Tally;

/// Lanes of a register.
const LANES: usize = 16;

/// How far the place computed from a norm lies below the norm's own, in bins: more than what is rounded, and far less than
/// a bin.
const BELOW: f32 = 1e-3;

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
    fn at(self, avx512: V4, places: __m512i) -> __m512 {
        avx512.avx512f._mm512_permutex2var_ps(self.low, places, self.high)
    }
}

#[inline(always)]
fn splat(value: u32) -> __m512i {
    cast([value; LANES])
}

/// Whether each logit is at least its edge; NaN is.
#[inline(always)]
fn reach(avx512: V4, logits: __m512, edges: __m512) -> u16 {
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
    fn bisect(&self, avx512: V4, logits: [f32; LANES]) -> [u16; 5] {
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

/// Logits on their way into a tally. Those of the first bin, in a trained detector nearly all, are only counted; the others
/// are gathered until there are as many as a block has.
pub(crate) struct Sieve {
    edges: Edges,
    /// Where the second bin begins, in every lane.
    second: __m512,
    gathered: [f32; 2 * BLOCK + LANES],
    length: usize,
    /// How many logits have come, less those that were gathered.
    first: u32,
}

impl Sieve {
    #[inline(always)]
    pub fn new(edges: &[f32; 2 * LANES]) -> Self {
        let (all, second) = (Edges::new(edges), cast([edges[1]; LANES]));
        Self { edges: all, second, gathered: [f32::NAN; 2 * BLOCK + LANES], length: 0, first: 0 }
    }

    /// Takes in the logits of a block; NaN is in no bin.
    #[inline(always)]
    pub fn take(&mut self, avx512: V4, logits: &[f32; BLOCK], tally: &mut Tally) {
        let (before, mut length) = (self.length, self.length);
        for logits in logits.as_chunks::<LANES>().0 {
            prefetch_behind(logits);
            let logits = cast(*logits);
            let others = reach(avx512, logits, self.second);
            let packed: [f32; LANES] = cast(avx512.avx512f._mm512_maskz_compress_ps(others, logits));
            self.gathered[length..length + LANES].copy_from_slice(&packed);
            length += others.count_ones() as usize;
        }
        self.first += (BLOCK - (length - before)) as u32;
        self.length = length;
        if length >= BLOCK {
            self.pass_on(avx512, tally);
        }
    }

    /// The count of each place.
    #[inline(always)]
    pub fn finish(&mut self, avx512: V4, tally: &mut Tally) -> [u32; 2 * LANES] {
        self.gathered[self.length..].fill(f32::NAN);
        self.pass_on(avx512, tally);
        let mut counts = tally.finish();
        counts[0] += self.first;
        counts
    }

    /// A block of those that are gathered goes into the tally.
    #[inline(always)]
    fn pass_on(&mut self, avx512: V4, tally: &mut Tally) {
        let (gathered, edges) = (self.gathered.as_chunks::<LANES>().0, &self.edges);
        tally.take(
            #[inline(always)]
            |at| edges.bisect(avx512, gathered[at]),
        );
        self.gathered.copy_within(BLOCK..2 * BLOCK, 0);
        self.length = self.length.saturating_sub(BLOCK);
    }
}

/// Takes the places of a block into a tally, each below 32.
#[inline(always)]
pub(crate) fn tally_places(avx512: V4, places: &[u32; BLOCK], tally: &mut Tally) {
    let (f, (places, _)) = (avx512.avx512f, places.as_chunks::<LANES>());
    let [a, b, c, d, e]: [__m512i; 5] = [1, 2, 4, 8, 16].map(|bit| cast([bit; LANES]));
    tally.take(
        #[inline(always)]
        |at| {
            let places = cast(places[at]);
            [
                f._mm512_test_epi32_mask(places, a),
                f._mm512_test_epi32_mask(places, b),
                f._mm512_test_epi32_mask(places, c),
                f._mm512_test_epi32_mask(places, d),
                f._mm512_test_epi32_mask(places, e),
            ]
        },
    );
}

/// Where the bins of a density begin, as logits, and what each multiplies its examples by.
#[derive(Clone, Copy)]
pub(crate) struct Factors {
    /// Where the bin after each begins.
    ends: Table,
    table: Table,
    /// How many of the places are in use.
    bins: usize,
    /// 1, which the compiler does not know: it would make two instructions of an addition of 1 under a mask.
    next: __m512i,
}

impl Factors {
    #[inline(always)]
    pub fn new(edges: &[f32; 2 * LANES], table: &[f32; 2 * LANES], bins: usize) -> Self {
        let mut ends = [f32::INFINITY; 2 * LANES];
        ends[..2 * LANES - 1].copy_from_slice(&edges[1..]);
        Self { ends: Table::new(&ends), table: Table::new(table), bins, next: splat(bins.min(1) as u32) }
    }

    /// The factor of each logit, whose sigmoid is `norm` but for rounding and sign.
    #[inline(always)]
    fn of(&self, avx512: V4, logits: __m512, norms: __m512) -> __m512 {
        let f = avx512.avx512f;
        // The norm's own place or the one before; the edge of the next tells which.
        let place = f._mm512_fmadd_ps(norms, cast([self.bins as f32; LANES]), cast([-BELOW; LANES]));
        let place = f._mm512_cvttps_epi32(place);
        let beyond = reach(avx512, logits, self.ends.at(avx512, place));
        self.table.at(avx512, f._mm512_mask_add_epi32(place, beyond, place, self.next))
    }

    /// The factors of the places of a block, each below 32.
    #[inline(always)]
    pub fn at_places(&self, avx512: V4, places: &[u32; BLOCK], factors: &mut [f32; BLOCK]) {
        for (factors, &places) in factors.as_chunks_mut::<LANES>().0.iter_mut().zip(places.as_chunks::<LANES>().0) {
            *factors = cast(self.table.at(avx512, cast(places)));
        }
    }

    /// The factors of the logits of a block, whose sigmoids are `slopes` but for rounding and sign.
    #[inline(always)]
    pub fn of_logits(&self, avx512: V4, logits: &[f32; BLOCK], slopes: &[f32; BLOCK], factors: &mut [f32; BLOCK]) {
        let inputs = logits.as_chunks::<LANES>().0.iter().zip(slopes.as_chunks::<LANES>().0);
        for (factors, (&logits, &slopes)) in factors.as_chunks_mut::<LANES>().0.iter_mut().zip(inputs) {
            let (logits, norms) = (cast(logits), avx512.avx512f._mm512_abs_ps(cast(slopes)));
            *factors = cast(self.of(avx512, logits, norms));
        }
    }

    /// Factor times cross entropy against target 0 for each logit of a block, and factor times its derivative.
    #[inline(always)]
    pub fn write(&self, avx512: V4, logits: &[f32; BLOCK], (losses, gradient): (&mut [f32; BLOCK], &mut [f32; BLOCK])) {
        let results = losses.as_chunks_mut::<LANES>().0.iter_mut().zip(gradient.as_chunks_mut::<LANES>().0);
        for (logits, (losses, gradient)) in logits.as_chunks::<LANES>().0.iter().zip(results) {
            prefetch_behind(logits);
            prefetch_behind(gradient);
            let logits = Sixteen::new(avx512, *logits);
            let (loss, norm) = against_zero(logits);
            let factor = logits.with(self.of(avx512, logits.lanes, norm.lanes));
            *losses = (loss * factor).to_array();
            *gradient = (norm * factor).to_array();
        }
    }
}
