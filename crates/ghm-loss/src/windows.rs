//! How many gradient norms lie in the window around each of them: one counting sort, then pointers that only advance.

use std::mem::{replace, swap, take};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

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

/// Norms whose places are counted together. Each slice of them keeps a table of [`BUCKETS`] entries, which is one byte
/// a norm.
const SLICE: usize = 64 * 1024;

/// A norm is sorted by its bits, which order floats of at least 0 as their values. The highest 16 choose a bucket, so
/// that there are 128 to each power of two; the lowest 16 are sorted inside it.
const LOW_BITS: u32 = 16;
const ONE: u32 = 1.0f32.to_bits();
const BUCKETS: usize = (ONE >> LOW_BITS) as usize + 1;

/// Buckets of at least as many norms are sorted digit by digit: from here on that is worth its counters.
const BY_DIGIT: usize = 128;

/// For each norm in `[0, 1]` the number of norms inside its window, at least 1 for itself. What is no such norm, NaN
/// for instance, takes no part and gets 0. Fewer than 2^32 norms; signs are not looked at.
///
/// The norms go into their buckets, each slice of them to places of its own; the buckets are sorted; the ends of the
/// windows advance over the sorted norms; and each norm finds its count again at its place, which is worked out once
/// more in the same order. So no norm is searched for. Beside the result that takes 4 bytes a norm, 1 for the tables,
/// and in each thread 16 a norm of the bucket it sorts.
pub(crate) fn counts_around(norms: &[f32], window: Window) -> Vec<u32> {
    let (firsts, starts) = layout(norms);
    let places: Vec<AtomicU32> = (0..starts[BUCKETS]).map(|_| AtomicU32::new(0)).collect();
    norms.par_chunks(SLICE).zip(&firsts).for_each(|(norms, first)| {
        for (place, key) in placed(norms, first).flatten() {
            places[place].store(key, Relaxed);
        }
    });
    let mut sorted = vec![0; norms.len()];
    sort(&starts, &places, &mut sorted[..starts[BUCKETS]]);
    starts.par_windows(2).for_each(|ends| {
        count_bucket(&sorted[..starts[BUCKETS]], ends[0]..ends[1], &places[ends[0]..ends[1]], window);
    });
    let mut counts = sorted;
    counts.par_chunks_mut(SLICE).zip(norms.par_chunks(SLICE)).zip(&firsts).for_each(|((counts, norms), first)| {
        for (count, place) in counts.iter_mut().zip(placed(norms, first)) {
            *count = place.map_or(0, |(place, _)| places[place].load(Relaxed));
        }
    });
    counts
}

/// The bits of a norm in `[0, 1]`.
#[inline(always)]
fn key_of(norm: f32) -> Option<u32> {
    let key = norm.abs().to_bits();
    (key <= ONE).then_some(key)
}

fn bucket_of(key: u32) -> usize {
    (key >> LOW_BITS) as usize
}

/// For each slice the first place of its norms in each bucket `[slices][BUCKETS]`, and where each bucket begins
/// `[BUCKETS + 1]`: buckets stand one after the other, and within one the slices in their order.
fn layout(norms: &[f32]) -> (Vec<Vec<u32>>, Vec<usize>) {
    let mut slices: Vec<Vec<u32>> = norms.par_chunks(SLICE).map(histogram).collect();
    let mut starts = Vec::with_capacity(BUCKETS + 1);
    let mut next = 0u32;
    for bucket in 0..BUCKETS {
        starts.push(next as usize);
        for slice in &mut slices {
            let count = slice[bucket];
            slice[bucket] = next;
            next += count;
        }
    }
    starts.push(next as usize);
    (slices, starts)
}

fn histogram(norms: &[f32]) -> Vec<u32> {
    let mut counts = vec![0; BUCKETS];
    for key in norms.iter().filter_map(|&norm| key_of(norm)) {
        counts[bucket_of(key)] += 1;
    }
    counts
}

/// The place and the bits of each norm of a slice, in its order; none for what takes no part.
fn placed(norms: &[f32], first: &[u32]) -> impl Iterator<Item = Option<(usize, u32)>> {
    let mut next = first.to_vec();
    norms.iter().map(move |&norm| {
        let key = key_of(norm)?;
        let next = &mut next[bucket_of(key)];
        let place = *next as usize;
        *next += 1;
        Some((place, key))
    })
}

/// Sorts each bucket of `places` into its part of `sorted`.
fn sort(starts: &[usize], places: &[AtomicU32], sorted: &mut [u32]) {
    let mut rest = sorted;
    let part = |ends: &[usize]| {
        let (part, after) = take(&mut rest).split_at_mut(ends[1] - ends[0]);
        rest = after;
        (&places[ends[0]..ends[1]], part)
    };
    let parts: Vec<(&[AtomicU32], &mut [u32])> =
        starts.windows(2).map(part).filter(|(places, _)| !places.is_empty()).collect();
    parts.into_par_iter().for_each(|(places, sorted)| sort_bucket(places, sorted));
}

/// Sorts the norms at `places` into `sorted`, and leaves at the `i`-th place the place that the `i`-th in order had.
fn sort_bucket(places: &[AtomicU32], sorted: &mut [u32]) {
    let pair = |(place, key): (usize, &AtomicU32)| (u64::from(key.load(Relaxed)) << 32) | place as u64;
    let mut pairs: Vec<u64> = places.iter().enumerate().map(pair).collect();
    if pairs.len() < BY_DIGIT {
        pairs.sort_unstable();
    } else {
        let mut other = vec![0; pairs.len()];
        for shift in [32, 40] {
            move_by_digit(&pairs, &mut other, shift);
            swap(&mut pairs, &mut other);
        }
    }
    for ((&pair, sorted), place) in pairs.iter().zip(sorted).zip(places) {
        *sorted = (pair >> 32) as u32;
        place.store(pair as u32, Relaxed);
    }
}

/// Into the order of the 8 bits from `shift`; equal ones stay in theirs.
fn move_by_digit(from: &[u64], to: &mut [u64], shift: u32) {
    let digit_of = |pair: u64| usize::from((pair >> shift) as u8);
    let mut places = [0; 256];
    for &pair in from {
        places[digit_of(pair)] += 1;
    }
    let mut start = 0;
    for place in &mut places {
        start += replace(place, start);
    }
    for &pair in from {
        let place = &mut places[digit_of(pair)];
        to[*place] = pair;
        *place += 1;
    }
}

/// Puts in place of each norm of a bucket the number of norms inside its window; `own` is the part of `sorted` that the
/// bucket is, `places` as [`sort_bucket`] left them.
fn count_bucket(sorted: &[u32], own: Range<usize>, places: &[AtomicU32], window: Window) {
    let norm_at = |at: usize| f32::from_bits(sorted[at]);
    if own.is_empty() {
        return;
    }
    let below = |end: f64| sorted.partition_point(|&key| f64::from(f32::from_bits(key)) < end);
    let (from, to) = window.ends(norm_at(own.start));
    let (mut low, mut high) = (below(from), below(to));
    let mut counts = vec![0; places.len()];
    for (at, place) in own.zip(places) {
        let (from, to) = window.ends(norm_at(at));
        while low < sorted.len() && f64::from(norm_at(low)) < from {
            low += 1;
        }
        while high < sorted.len() && f64::from(norm_at(high)) < to {
            high += 1;
        }
        counts[place.load(Relaxed) as usize] = (high - low) as u32;
    }
    for (place, count) in places.iter().zip(counts) {
        place.store(count, Relaxed);
    }
}
