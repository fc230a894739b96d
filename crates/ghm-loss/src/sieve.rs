//! From logits, or places, to a tally: the counting pass for few bins with AVX-512.

use std::arch::x86_64::{__m512, __m512i};

use pulp::cast;
use pulp::x86::V4;

use crate::block::BLOCK;
use crate::prefetch::prefetch_behind;
use crate::registers::{Edges, LANES, reach};
use crate::tally::Tally;

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
