//! Finding the largest of many numbers without sorting them.

use rayon::prelude::*;

/// Entries a task of the thread pool takes at a time; the ties of each are counted.
pub(crate) const CHUNK: usize = 16 * 1024;

/// The bits of an f32 below its sign in three digits, highest first: where each begins and how many bits it has.
///
/// Of two numbers of at least 0 the larger has the larger bits, so the n-th largest is found as among integers, digit by
/// digit. A histogram of the widest has 16 KiB.
const DIGITS: [(u32, u32); 3] = [(20, 11), (10, 10), (0, 10)];

/// Which entries of a slice are the largest: of equal ones the first. Entries that are not finite or below 0 do not
/// compete.
pub(crate) struct Largest {
    /// Entries above this belong to them, those below do not.
    threshold: f32,
    /// How many of the entries of each chunk that equal the threshold belong to them.
    ties: Vec<usize>,
}

/// [`Largest`] of one chunk, asked entry by entry.
pub(crate) struct Cut {
    threshold: f32,
    ties: usize,
}

impl Largest {
    /// The `count` largest of the finite entries of at least 0, or all where there are fewer.
    ///
    /// Each digit is one pass over the entries; a fourth counts those that equal the threshold. Beside them there is a
    /// histogram a task of the thread pool and a number a chunk.
    pub fn of(entries: &[f32], count: usize) -> Self {
        let chunks = entries.len().div_ceil(CHUNK);
        if count == 0 {
            return Self { threshold: f32::MAX, ties: vec![0; chunks] };
        }
        let (mut bits, mut rest) = (0, count);
        for (shift, width) in DIGITS {
            match nth_from_above(&histogram(entries, bits, shift, width), rest) {
                Some((digit, rest_there)) => (bits, rest) = (bits | (digit << shift), rest_there),
                None => return Self { threshold: 0.0, ties: vec![CHUNK; chunks] },
            }
        }
        let threshold = f32::from_bits(bits);
        let equal = |chunk: &[f32]| chunk.iter().filter(|&&entry| entry == threshold).count();
        let mut ties: Vec<usize> = entries.par_chunks(CHUNK).map(equal).collect();
        for ties in &mut ties {
            *ties = rest.min(*ties);
            rest -= *ties;
        }
        Self { threshold, ties }
    }

    /// The part of the `index`-th chunk.
    pub fn cut(&self, index: usize) -> Cut {
        Cut { threshold: self.threshold, ties: self.ties[index] }
    }
}

impl Cut {
    /// Whether the next entry of the chunk belongs to the largest. Infinity always does, a number below 0 never.
    pub fn takes(&mut self, entry: f32) -> bool {
        let tied = entry == self.threshold && self.ties > 0;
        self.ties -= usize::from(tied);
        tied || entry > self.threshold
    }
}

/// How many entries have each value of the digit at `shift`, of those that agree with `bits` in all digits above it.
fn histogram(entries: &[f32], bits: u32, shift: u32, width: u32) -> Vec<usize> {
    let (above, mask) = (shift + width, (1u32 << width) - 1);
    let none = || vec![0usize; 1 << width];
    let count = |mut histogram: Vec<usize>, chunk: &[f32]| {
        for entry in chunk.iter().map(|entry| entry.to_bits()) {
            // One comparison for finite and not below 0: the sign is the highest bit.
            if entry <= f32::MAX.to_bits() && entry >> above == bits >> above {
                histogram[((entry >> shift) & mask) as usize] += 1;
            }
        }
        histogram
    };
    let plus = |mut sums: Vec<usize>, counts: Vec<usize>| {
        sums.iter_mut().zip(&counts).for_each(|(sum, count)| *sum += count);
        sums
    };
    // Whole numbers: however the tasks are shared out, the sum is the same.
    entries.par_chunks(CHUNK).fold(none, count).reduce(none, plus)
}

/// The digit of the `n`-th entry from above, `n` at least 1, and its place among those of that digit, from 1; None where
/// there are fewer.
fn nth_from_above(histogram: &[usize], n: usize) -> Option<(u32, usize)> {
    let mut rest = n;
    for (digit, &count) in histogram.iter().enumerate().rev() {
        if count >= rest {
            return Some((digit as u32, rest));
        }
        rest -= count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_sorting(entries: &[f32], count: usize) -> Vec<bool> {
        let competes = |&index: &usize| (0.0..f32::INFINITY).contains(&entries[index]);
        let mut order: Vec<usize> = (0..entries.len()).filter(competes).collect();
        // A stable sort: equal entries stay in their order.
        order.sort_by(|&a, &b| entries[b].total_cmp(&entries[a]));
        let mut taken: Vec<bool> = entries.iter().map(|&entry| entry == f32::INFINITY).collect();
        order.iter().take(count).for_each(|&index| taken[index] = true);
        taken
    }

    fn by_selection(entries: &[f32], count: usize) -> Vec<bool> {
        let largest = Largest::of(entries, count);
        let taken_of = |(index, chunk): (usize, &[f32])| {
            let mut cut = largest.cut(index);
            chunk.iter().map(|&entry| cut.takes(entry)).collect::<Vec<_>>()
        };
        entries.chunks(CHUNK).enumerate().flat_map(taken_of).collect()
    }

    #[test]
    fn the_largest_are_those_that_sorting_everything_finds() {
        let length = 2 * CHUNK + 777;
        let scrambled = |index: usize| (index as u32).wrapping_mul(2_654_435_761);
        // Every kind of float of at least 0; few values with many equal; all equal.
        let wide = |index| f32::from_bits(scrambled(index) % f32::INFINITY.to_bits());
        let few = |index| (scrambled(index) % 11) as f32 / 8.0;
        let same = |_: usize| 0.25f32;
        let kinds: [&dyn Fn(usize) -> f32; 3] = [&wide, &few, &same];
        for (kind, entry) in kinds.iter().enumerate() {
            let mut entries: Vec<f32> = (0..length).map(entry).collect();
            entries.iter_mut().step_by(50).for_each(|entry| *entry = -1.0);
            entries.iter_mut().skip(7).step_by(90).for_each(|entry| *entry = f32::INFINITY);
            for count in [0, 1, 2, 1_000, CHUNK, CHUNK + 1, length - 2_000, length, usize::MAX] {
                assert!(by_selection(&entries, count) == by_sorting(&entries, count), "kind {kind}, {count} of them");
            }
        }
    }

    #[test]
    fn of_no_entries_there_are_none() {
        assert!(by_selection(&[], 3).is_empty());
    }
}
