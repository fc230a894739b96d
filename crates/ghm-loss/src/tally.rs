//! Counting how many elements are at each of 32 places, from the bits of the places.

use std::arch::x86_64::__m512i;

use pulp::cast;
use pulp::core_arch::x86::Avx512f;
use pulp::x86::V4;

use crate::block::BLOCK;

/// Bits of a place: there are 32.
const BITS: usize = 5;

/// How many places there are.
const PLACES: usize = 1 << BITS;

/// Blocks that are counted together.
const BLOCKS: usize = 8;

/// A set of the elements of a block, a bit each.
type Set = __m512i;

/// The places of the elements of a block, a bit of all of them side by side: bit `b` of the place of element `16 i + k` is
/// bit `k` of entry `[b][i]`.
type Planes = [[u16; BLOCK / 16]; BITS];

/// How many elements are at each of 32 places. Blocks wait here until there are eight of them.
///
/// The elements of a block at a place are those whose bits are its own, an intersection of five sets. Such sets are added
/// up as numbers of one binary digit, lane by lane: of eight sets and what was left before, whole eights are counted, and
/// ones, twos and fours are left (Harley and Seal's way of counting bits).
pub(crate) struct Tally {
    avx512: V4,
    waiting: [Planes; BLOCKS],
    length: usize,
    /// Ones, twos and fours that are left at each place.
    left: [[Set; 3]; PLACES],
    /// Eights at each place, by words.
    eights: [[u64; BLOCK / 64]; PLACES],
}

impl Tally {
    #[inline(always)]
    pub fn new(avx512: V4) -> Self {
        let (waiting, left) = ([[[0; BLOCK / 16]; BITS]; BLOCKS], [[cast([0u64; 8]); 3]; PLACES]);
        Self { avx512, waiting, length: 0, left, eights: [[0; BLOCK / 64]; PLACES] }
    }

    /// Takes in a block: `places` gives the places of the sixteen elements from `16 i` on, a bit of all of them at a time,
    /// from the lowest on.
    #[inline(always)]
    pub fn take(&mut self, places: impl Fn(usize) -> [u16; BITS]) {
        let planes = &mut self.waiting[self.length % BLOCKS];
        for at in 0..BLOCK / 16 {
            for (plane, bits) in planes.iter_mut().zip(places(at)) {
                plane[at] = bits;
            }
        }
        self.length += 1;
        if self.length == BLOCKS {
            self.count();
        }
    }

    /// The count of each place, at the end.
    #[inline(always)]
    pub fn finish(&mut self) -> [u32; PLACES] {
        // Nobody is anywhere in the blocks that are missing; place 31 gets them, and gives them back.
        let missing = BLOCKS - self.length;
        for planes in &mut self.waiting[self.length..] {
            *planes = [[u16::MAX; BLOCK / 16]; BITS];
        }
        self.count();
        let mut counts = [0; PLACES];
        for (count, (eights, [ones, twos, fours])) in counts.iter_mut().zip(self.eights.iter().zip(&self.left)) {
            *count = 8 * eights.iter().sum::<u64>() as u32 + 4 * size(*fours) + 2 * size(*twos) + size(*ones);
        }
        counts[PLACES - 1] -= (missing * BLOCK) as u32;
        counts
    }

    /// Counts those that wait.
    #[inline(always)]
    fn count(&mut self) {
        let (f, none) = (self.avx512.avx512f, cast([0u64; 8]));
        let (mut low, mut high) = ([[none; BLOCKS]; 4], [[none; BLOCKS]; 8]);
        for (block, &planes) in self.waiting.iter().enumerate() {
            let [a, b, c, d, e] = sets_of(planes);
            // The truth table of one combination has a single 1.
            let sets = [
                f._mm512_ternarylogic_epi64::<0x01>(none, b, a),
                f._mm512_ternarylogic_epi64::<0x02>(none, b, a),
                f._mm512_ternarylogic_epi64::<0x04>(none, b, a),
                f._mm512_ternarylogic_epi64::<0x08>(none, b, a),
            ];
            for (low, set) in low.iter_mut().zip(sets) {
                low[block] = set;
            }
            let sets = [
                f._mm512_ternarylogic_epi64::<0x01>(e, d, c),
                f._mm512_ternarylogic_epi64::<0x02>(e, d, c),
                f._mm512_ternarylogic_epi64::<0x04>(e, d, c),
                f._mm512_ternarylogic_epi64::<0x08>(e, d, c),
                f._mm512_ternarylogic_epi64::<0x10>(e, d, c),
                f._mm512_ternarylogic_epi64::<0x20>(e, d, c),
                f._mm512_ternarylogic_epi64::<0x40>(e, d, c),
                f._mm512_ternarylogic_epi64::<0x80>(e, d, c),
            ];
            for (high, set) in high.iter_mut().zip(sets) {
                high[block] = set;
            }
        }
        for (place, (left, eights)) in self.left.iter_mut().zip(&mut self.eights).enumerate() {
            let (low, high) = (&low[place % 4], &high[place / 4]);
            let mut sets = [none; BLOCKS];
            for (set, (&low, &high)) in sets.iter_mut().zip(low.iter().zip(high)) {
                *set = f._mm512_and_si512(low, high);
            }
            let [ones, twos, fours] = *left;
            let (ones, twos_a) = sum(f, ones, sets[0], sets[1]);
            let (ones, twos_b) = sum(f, ones, sets[2], sets[3]);
            let (ones, twos_c) = sum(f, ones, sets[4], sets[5]);
            let (ones, twos_d) = sum(f, ones, sets[6], sets[7]);
            let (twos, fours_a) = sum(f, twos, twos_a, twos_b);
            let (twos, fours_b) = sum(f, twos, twos_c, twos_d);
            let (fours, more_eights) = sum(f, fours, fours_a, fours_b);
            *left = [ones, twos, fours];
            let more_eights: [u64; BLOCK / 64] = cast(more_eights);
            for (eights, word) in eights.iter_mut().zip(more_eights) {
                *eights += u64::from(word.count_ones());
            }
        }
        self.length = 0;
    }
}

/// The sum of three binary digits in each lane: its lower and its higher digit.
#[inline(always)]
fn sum(f: Avx512f, a: Set, b: Set, c: Set) -> (Set, Set) {
    // Truth tables: an odd number of the three, and most of the three.
    (f._mm512_ternarylogic_epi64::<0x96>(a, b, c), f._mm512_ternarylogic_epi64::<0xe8>(a, b, c))
}

/// The elements with each bit of their place.
#[inline(always)]
fn sets_of(planes: Planes) -> [Set; BITS] {
    let [a, b, c, d, e] = planes;
    [cast(a), cast(b), cast(c), cast(d), cast(e)]
}

/// How many elements a set has.
#[inline(always)]
fn size(set: Set) -> u32 {
    let words: [u64; 8] = cast(set);
    words.iter().map(|word| word.count_ones()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_counted_at_its_place_in_any_number_of_blocks() {
        let Some(avx512) = V4::try_new() else { return };
        let place_of = |element: usize| element * element * 7 / 5 % PLACES;
        for blocks in [0, 1, 7, 8, 9, 20] {
            let (mut tally, mut expected) = (Tally::new(avx512), [0; PLACES]);
            for block in 0..blocks {
                let element = |at: usize, lane: usize| block * BLOCK + 16 * at + lane;
                tally.take(|at| {
                    std::array::from_fn(|bit| {
                        (0..16).map(|lane| ((place_of(element(at, lane)) >> bit & 1) as u16) << lane).sum()
                    })
                });
            }
            (0..blocks * BLOCK).for_each(|element| expected[place_of(element)] += 1);
            assert_eq!(tally.finish(), expected, "{blocks} blocks");
        }
    }
}
