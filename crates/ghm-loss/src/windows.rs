//! How many gradient norms lie in the window around each of them: norms in two tables, by which they are ranked.

use std::mem::{replace, take};
use std::ops::Range;

use rayon::prelude::*;

/// The window of a gradient norm `g`, from `g - eps / 2` to below `g + eps / 2`.
///
/// In f64: `half` is `0.5 / M` rounded, and so are the two ends, each once. Both grow with `g`, whatever is rounded.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    half: f64,
}

impl Window {
    /// The window of width `eps = 1 / bins`.
    pub fn of_bins(bins: usize) -> Self {
        Self { half: 0.5 / bins as f64 }
    }

    /// The first value inside and the first one beyond.
    #[inline(always)]
    fn ends(self, g: f32) -> (f64, f64) {
        let g = f64::from(g);
        (g - self.half, g + self.half)
    }

    /// How much of the window lies in `[0, 1]`: `l_eps` (Li et al. 2019, eq. 6).
    #[inline(always)]
    pub fn length(self, g: f32) -> f64 {
        let (from, to) = self.ends(g);
        to.min(1.0) - from.max(0.0)
    }
}

/// Norms that go into buckets together, each slice by itself: its tables and norms stay in the second-level cache.
pub(crate) const SLICE: usize = 64 * 1024;

/// A norm is ranked by its bits, which order floats of at least 0 as their values. The highest 16 choose a bucket, so
/// that there are 128 to each power of two; the next 8 a cell of it; the last 8 are compared.
const ONE: u32 = 1.0f32.to_bits();
const BUCKETS: usize = (ONE >> 16) as usize + 1;
const CELLS: usize = 256;

/// Above 1, and the first of the bucket behind the last.
const BEYOND: f64 = f32::from_bits((BUCKETS as u32) << 16) as f64;

/// Norms of a cell that are compared at once.
const LANES: usize = 64;

/// Norms whose windows are counted together, step by step: memory is asked for all of them before the first is needed.
const AHEAD: usize = 64;

/// The numbers of the lanes, in the type that is compared.
const LANE: [u8; LANES] = {
    let mut lanes = [0; LANES];
    let mut at = 0;
    while at < LANES {
        lanes[at] = at as u8;
        at += 1;
    }
    lanes
};

/// Gradient norms, ready to be counted in any window. Fewer than 2^32.
///
/// Memory: 1 byte a norm, and 1 KiB for each of up to 16,257 buckets that hold one; 2 bytes a norm and 1 for the tables
/// more while it is made.
pub(crate) struct Ranks {
    /// Each bucket, and one behind the last `[BUCKETS + 1]`.
    buckets: Vec<Bucket>,
    /// Where each cell of a bucket begins, from the start of the bucket: the first for those that are empty.
    cells: Vec<[u32; CELLS + 1]>,
    /// The last 8 bits of all norms, cell by cell; then some more, so that [`LANES`] of them can always be read.
    lows: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// How many norms are below it.
    start: u32,
    /// Which of the `cells` are its own.
    row: u32,
}

/// Where the end of a window falls: among the norms of one cell.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Where the cell begins.
    start: u32,
    /// How many norms it has.
    length: u32,
    /// The last 8 bits of the end.
    low: u8,
}

/// The norms of one slice.
struct Slice<'a> {
    /// The lower 16 bits, bucket by bucket.
    lows: &'a [u16],
    /// Where each bucket begins `[BUCKETS + 1]`.
    starts: Vec<u32>,
}

impl Ranks {
    /// Of `count` norms, which `write` writes for a range of them (as many as [`SLICE`], the last fewer), or why it could
    /// not. What is not in `[0, 1]`, NaN for instance, takes no part; signs are not looked at.
    pub fn of<E: Send>(
        count: usize,
        write: impl Fn(Range<usize>, &mut [f32]) -> Result<(), E> + Sync,
    ) -> Result<Self, E> {
        let mut lows = vec![0u16; count];
        let slice = |(index, lows): (usize, &'_ mut [u16])| {
            let mut norms = vec![0.0; lows.len()];
            write(index * SLICE..index * SLICE + norms.len(), &mut norms)?;
            Ok(by_bucket(&norms, lows))
        };
        let tables: Vec<Result<Vec<u32>, E>> = lows.par_chunks_mut(SLICE).enumerate().map(slice).collect();
        let tables = tables.into_iter().collect::<Result<Vec<_>, E>>()?;
        let slices = tables.into_iter().zip(lows.chunks(SLICE)).map(|(starts, lows)| Slice { lows, starts });
        Ok(Self::joined(&slices.collect::<Vec<_>>()))
    }

    fn joined(slices: &[Slice]) -> Self {
        let in_bucket =
            |bucket: usize| slices.iter().map(|slice| slice.starts[bucket + 1] - slice.starts[bucket]).sum::<u32>();
        let counts: Vec<u32> = (0..BUCKETS).into_par_iter().with_min_len(512).map(in_bucket).collect();
        let (mut buckets, mut next, mut rows) = (Vec::with_capacity(BUCKETS + 1), 0, 1);
        for &count in counts.iter().chain(&[0]) {
            buckets.push(Bucket { start: next, row: if count > 0 { rows } else { 0 } });
            (next, rows) = (next + count, rows + u32::from(count > 0));
        }
        let mut cells = vec![[0; CELLS + 1]; rows as usize];
        let mut lows = vec![0; next as usize + LANES];
        let mut rest = &mut lows[..];
        let mut parts = Vec::with_capacity(cells.len());
        let filled = (0..BUCKETS).filter(|&bucket| counts[bucket] > 0);
        for (bucket, cells) in filled.zip(&mut cells[1..]) {
            let (own, after) = take(&mut rest).split_at_mut(counts[bucket] as usize);
            parts.push((bucket, cells, own));
            rest = after;
        }
        parts.into_par_iter().for_each(|(bucket, cells, own)| by_cell(slices, bucket, cells, own));
        Self { buckets, cells, lows }
    }

    /// How many norms there are.
    pub fn len(&self) -> usize {
        self.buckets[BUCKETS].start as usize
    }

    /// How many norms lie in the window of each of `norms`, into `counts`.
    #[inline(always)]
    pub fn count_in(&self, window: Window, norms: &[f32], counts: &mut [u32]) {
        for (norms, counts) in norms.chunks(AHEAD).zip(counts.chunks_mut(AHEAD)) {
            // Both ends of all windows first: these loops become vector code, those that look ranks up do not.
            let (mut ends, mut starts) = ([0; AHEAD], [0; AHEAD]);
            for ((start, end), &norm) in starts.iter_mut().zip(&mut ends).zip(norms) {
                let (from, to) = window.ends(norm);
                (*start, *end) = (key_from(from), key_from(to));
            }
            self.below(&ends[..norms.len()], |at, below| counts[at] = below);
            // Below a window that begins at 0 or below it there is nothing.
            let (mut owners, mut length) = ([0; AHEAD], 0);
            for at in 0..norms.len() {
                (starts[length], owners[length]) = (starts[at], at as u8);
                length += usize::from(starts[length] > 0);
            }
            self.below(&starts[..length], |at, below| counts[usize::from(owners[at])] -= below);
        }
    }

    /// How many norms are below the end of each of the `keys`.
    #[inline(always)]
    fn below(&self, keys: &[u32], mut give: impl FnMut(usize, u32)) {
        let mut places = [Place::default(); AHEAD];
        for (place, &key) in places.iter_mut().zip(keys) {
            *place = self.place(key);
        }
        for (at, place) in places[..keys.len()].iter().enumerate() {
            give(at, self.below_at(place));
        }
    }

    /// Where the end with the bits `key` falls.
    #[inline(always)]
    fn place(&self, key: u32) -> Place {
        let Bucket { start, row } = self.buckets[(key >> 16) as usize];
        let (cells, cell) = (&self.cells[row as usize], (key >> 8) as usize % CELLS);
        Place { start: start + cells[cell], length: cells[cell + 1] - cells[cell], low: key as u8 }
    }

    /// How many norms are below the end that falls there.
    #[inline(always)]
    fn below_at(&self, place: &Place) -> u32 {
        let Place { start, length, low } = *place;
        if length as usize > LANES {
            let cell = &self.lows[start as usize..(start + length) as usize];
            return start + cell.partition_point(|&entry| entry < low) as u32;
        }
        let lanes = &self.lows[start as usize..start as usize + LANES];
        // As many comparisons whatever the length, so that they are one of vectors.
        let mut below = 0;
        for (&entry, &lane) in lanes.iter().zip(&LANE) {
            below += u8::from((entry < low) & (lane < length as u8));
        }
        start + u32::from(below)
    }
}

/// The bits of the first f32 that is not below `end`; what is below 0 is 0 here, and what is above 1 (and NaN) is in the
/// bucket behind the last.
#[inline(always)]
fn key_from(end: f64) -> u32 {
    let end = if end < 0.0 { 0.0 } else { end };
    let end = if end < BEYOND { end } else { BEYOND };
    let nearest = end as f32;
    nearest.to_bits() + u32::from(f64::from(nearest) < end)
}

/// The bits of a norm in `[0, 1]`.
#[inline(always)]
fn key_of(norm: f32) -> Option<u32> {
    let key = norm.abs().to_bits();
    (key <= ONE).then_some(key)
}

/// Puts the lower bits of the norms of a slice into `lows`, bucket by bucket. Returns where each bucket begins
/// `[BUCKETS + 1]`; what is behind the last end is of no use.
fn by_bucket(norms: &[f32], lows: &mut [u16]) -> Vec<u32> {
    let mut starts = vec![0; BUCKETS + 1];
    for key in norms.iter().filter_map(|&norm| key_of(norm)) {
        starts[(key >> 16) as usize] += 1;
    }
    let mut next = 0;
    for start in &mut starts {
        next += replace(start, next);
    }
    for key in norms.iter().filter_map(|&norm| key_of(norm)) {
        let place = &mut starts[(key >> 16) as usize];
        lows[*place as usize] = key as u16;
        *place += 1;
    }
    // Each stands at the end of its bucket now, which is the start of the next.
    starts.rotate_right(1);
    starts[0] = 0;
    starts
}

/// Puts the last bits of the norms of a `bucket` into `own`, cell by cell, and into `cells` where each begins. A cell of
/// more than [`LANES`] norms is sorted: it will be searched, the others compared.
fn by_cell(slices: &[Slice], bucket: usize, cells: &mut [u32; CELLS + 1], own: &mut [u8]) {
    let lows_of = |slice: &Slice| slice.starts[bucket] as usize..slice.starts[bucket + 1] as usize;
    let entries = || slices.iter().flat_map(|slice| &slice.lows[lows_of(slice)]);
    let mut places = [0; CELLS];
    for entry in entries() {
        places[usize::from(entry >> 8)] += 1;
    }
    let mut next = 0;
    for (place, cell) in places.iter_mut().zip(&mut *cells) {
        *cell = next;
        next += replace(place, next);
    }
    cells[CELLS] = next;
    for entry in entries() {
        let place = &mut places[usize::from(entry >> 8)];
        own[*place as usize] = *entry as u8;
        *place += 1;
    }
    for ends in cells.windows(2).map(|ends| ends[0] as usize..ends[1] as usize).filter(|ends| ends.len() > LANES) {
        own[ends].sort_unstable();
    }
}
