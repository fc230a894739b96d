//! Factors from tables in registers: the writing pass for few bins with AVX-512.

use std::arch::x86_64::{__m512, __m512i};

use pulp::cast;
use pulp::x86::V4;

use crate::block::BLOCK;
use crate::logistic::against_zero;
use crate::number::Sixteen;
use crate::prefetch::prefetch_behind;
use crate::registers::{LANES, Table, reach, splat};

/// How far the place computed from a norm lies below the norm's own, in bins: more than what is rounded, and far less than
/// a bin.
const BELOW: f32 = 1e-3;

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
