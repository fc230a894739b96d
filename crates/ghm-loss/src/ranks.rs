//! How many gradient norms are below any number: norms in cells, of which one is searched.

use std::mem::{replace, take};

#[cfg(target_arch = "x86_64")]
use pulp::cast;
use rayon::prelude::*;

use crate::partition::{BUCKETS, LOW_BITS, ONE, Partition, bucket_of};
use crate::vector::Level;

/// Norms of a cell that are compared at once; where it has more they are sorted, and searched.
const LANES: usize = 16;

/// Norms to a cell of a bucket, on the average; at least half as many.
const PER_CELL: u32 = 6;

/// Bits of a key that are compared, the lowest. A cell is no wider.
const COMPARED: u32 = u16::BITS;

/// Behind the keys of all norms.
pub(crate) const BEYOND: u32 = ONE + 1;

/// Gradient norms by their keys, ready to be counted.
///
/// Memory: 2 bytes a norm, and 4 for each of the cells, at most one for three norms but for 8 in each bucket.
pub(crate) struct Ranks {
    buckets: Vec<Bucket>,
    /// How many norms are below each cell, bucket by bucket, and below what is behind the last.
    cells: Vec<u32>,
    /// The lowest bits of all keys, cell by cell; then some more, so that [`LANES`] of them can always be read.
    lows: Vec<u16>,
}

/// A bucket has one cell, or 8, 16, and so on, each as wide as the others.
#[derive(Clone, Copy)]
struct Bucket {
    /// Its first cell.
    cells: u32,
    /// Bits of a key that do not matter for its cell.
    shift: u32,
}

impl Bucket {
    /// Of `length` norms.
    fn new(cells: u32, length: u32) -> Self {
        let wanted = length.div_ceil(PER_CELL).next_power_of_two().ilog2();
        let bits = if length == 0 { 0 } else { wanted.clamp(LOW_BITS - COMPARED, LOW_BITS) };
        Self { cells, shift: LOW_BITS - bits }
    }

    /// How many cells it has.
    fn length(self) -> u32 {
        1 << (LOW_BITS - self.shift)
    }

    /// The cell of a key, among its own.
    #[inline(always)]
    fn cell(self, key: u32) -> u32 {
        (key % (1 << LOW_BITS)) >> self.shift
    }
}

impl Ranks {
    pub fn of(partition: &Partition) -> Self {
        let lengths = partition.lengths();
        let (mut buckets, mut cells, mut norms) = (Vec::with_capacity(BUCKETS), 0, 0);
        for &length in &lengths {
            let bucket = Bucket::new(cells, length);
            cells += bucket.length();
            norms += length as usize;
            buckets.push(bucket);
        }
        let (mut cells, mut lows) = (vec![0; cells as usize + 1], vec![0; norms + LANES]);
        let (mut free_cells, mut free_lows) = (&mut cells[..], &mut lows[..]);
        let (mut parts, mut below) = (Vec::new(), 0);
        for (index, (bucket, &length)) in buckets.iter().zip(&lengths).enumerate() {
            let (cells, rest) = take(&mut free_cells).split_at_mut(bucket.length() as usize);
            free_cells = rest;
            let (lows, rest) = take(&mut free_lows).split_at_mut(length as usize);
            free_lows = rest;
            if length > 0 {
                parts.push((index, below, cells, lows));
            } else {
                cells[0] = below;
            }
            below += length;
        }
        free_cells[0] = below;
        let least = (16 * 1024 * parts.len()).checked_div(norms).unwrap_or(0).max(1);
        parts.into_par_iter().with_min_len(least).for_each(|(index, below, cells, lows)| {
            by_cell(partition.pieces(index), buckets[index], below, cells, lows);
        });
        Self { buckets, cells, lows }
    }

    /// How many norms there are.
    pub fn len(&self) -> usize {
        self.lows.len() - LANES
    }

    /// How many norms have a key below `key`, which is at most that behind [`ONE`].
    #[inline(always)]
    pub fn below(&self, level: Level, key: u32) -> u32 {
        let bucket = self.buckets[bucket_of(key)];
        let cell = (bucket.cells + bucket.cell(key)) as usize;
        let ends = &self.cells[cell..cell + 2];
        let (start, length, low) = (ends[0] as usize, (ends[1] - ends[0]) as usize, key as u16);
        if length > LANES {
            return ends[0] + self.lows[start..start + length].partition_point(|&entry| entry < low) as u32;
        }
        let Some((lows, _)) = self.lows[start..].split_first_chunk() else { return 0 };
        ends[0] + (u32::from(smaller(level, lows, low)) & ((1 << length) - 1)).count_ones()
    }
}

/// Which of the `lows` are below `low`.
#[inline(always)]
fn smaller(level: Level, lows: &[u16; LANES], low: u16) -> u16 {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512(avx512) => avx512.avx512bw._mm256_cmplt_epu16_mask(cast(*lows), cast([low; LANES])),
        Level::Plain => lows.iter().rev().fold(0, |smaller, &entry| smaller << 1 | u16::from(entry < low)),
    }
}

/// Puts the lowest bits of the keys of a bucket into `lows`, cell by cell, and how many norms are below each cell into
/// `cells`, of which `below` are below the bucket.
fn by_cell<'a>(
    pieces: impl Iterator<Item = &'a [u32]> + Clone,
    bucket: Bucket,
    below: u32,
    cells: &mut [u32],
    lows: &mut [u16],
) {
    for piece in pieces.clone() {
        for &key in piece {
            cells[bucket.cell(key) as usize] += 1;
        }
    }
    let (mut next, mut crowded) = (0, false);
    for cell in &mut *cells {
        crowded |= *cell as usize > LANES;
        next += replace(cell, next);
    }
    for piece in pieces {
        for &key in piece {
            let next = &mut cells[bucket.cell(key) as usize];
            lows[*next as usize] = key as u16;
            *next += 1;
        }
    }
    // Each is the end of its cell now, which is the start of the next.
    let last = cells.len() - 1;
    cells.copy_within(..last, 1);
    cells[0] = 0;
    if crowded {
        for at in 0..cells.len() {
            let end = cells.get(at + 1).map_or(lows.len(), |&end| end as usize);
            let own = &mut lows[cells[at] as usize..end];
            if own.len() > LANES {
                own.sort_unstable();
            }
        }
    }
    for cell in cells {
        *cell += below;
    }
}
