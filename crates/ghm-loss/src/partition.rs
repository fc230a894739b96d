//! Gradient norms in order of their size, but for a little: slice by slice, each put into buckets.

use std::mem::{replace, take};
use std::ops::Range;

use rayon::prelude::*;

use crate::vector::vectorised;

/// Norms that are put into buckets together: they and where they went stay in the second-level cache.
const SLICE: usize = 32 * 1024;

/// A norm is known by its bits, its key, which order floats of at least 0 as their values. The bits but for the lowest
/// [`LOW_BITS`] choose a bucket, so that there are 16 to each power of two.
pub(crate) const LOW_BITS: u32 = 19;

/// The key of 1, the largest of all norms.
pub(crate) const ONE: u32 = 1.0f32.to_bits();

/// How many buckets there are.
pub(crate) const BUCKETS: usize = bucket_of(ONE) + 1;

/// Entries of a table of the buckets. That behind the last is for what takes no part, the others are of no use.
const TABLE: usize = 2048;

type Table = [u32; TABLE];

/// The key of what takes no part: its bucket is that behind the last.
const NONE: u32 = (BUCKETS as u32) << LOW_BITS;

/// In which bucket a key is.
#[inline(always)]
pub(crate) const fn bucket_of(key: u32) -> usize {
    (key >> LOW_BITS) as usize
}

/// An entry for each of many gradient norms, at first its key. Fewer than 2^32.
///
/// Memory: 6 bytes a norm, and 8 KiB for each slice of 32,768 of them.
pub(crate) struct Partition {
    /// Slice by slice, and in each bucket by bucket.
    entries: Vec<u32>,
    /// Where in its slice the entry of each norm stands.
    places: Vec<u16>,
    /// Where in each slice each bucket begins.
    starts: Vec<Box<Table>>,
}

impl Partition {
    /// Of `count` norms, which `write` writes for a range of them, or why it could not. What is not in `[0, 1]`, NaN for
    /// instance, takes no part; signs are not looked at.
    pub fn of<E: Send>(
        count: usize,
        write: impl Fn(Range<usize>, &mut [f32]) -> Result<(), E> + Sync,
    ) -> Result<Self, E> {
        let (mut entries, mut places) = (vec![0; count], vec![0; count]);
        let slices = entries.par_chunks_mut(SLICE).zip(places.par_chunks_mut(SLICE)).enumerate();
        let part = |norms: &mut Vec<f32>, (index, (entries, places)): (usize, (&mut [u32], &mut [u16]))| {
            norms.resize(entries.len(), 0.0);
            write(index * SLICE..index * SLICE + entries.len(), norms)?;
            Ok(by_bucket(norms, entries, places))
        };
        let starts: Vec<Result<_, E>> = slices.map_init(Vec::new, part).collect();
        let starts = starts.into_iter().collect::<Result<_, E>>()?;
        Ok(Self { entries, places, starts })
    }

    /// How many entries each bucket has.
    pub fn lengths(&self) -> Vec<u32> {
        let mut lengths = vec![0; BUCKETS];
        for starts in &self.starts {
            for (length, ends) in lengths.iter_mut().zip(starts.windows(2)) {
                *length += ends[1] - ends[0];
            }
        }
        lengths
    }

    /// The entries of a bucket, slice by slice.
    pub fn pieces(&self, bucket: usize) -> impl Iterator<Item = &[u32]> + Clone {
        let slices = self.entries.chunks(SLICE).zip(&self.starts);
        slices.map(move |(entries, starts)| &entries[starts[bucket] as usize..starts[bucket + 1] as usize])
    }

    /// All entries that take part, bucket by bucket and each slice by slice.
    pub fn all_pieces(&mut self) -> Vec<&mut [u32]> {
        let mut pieces: Vec<Vec<&mut [u32]>> = (0..BUCKETS).map(|_| Vec::new()).collect();
        for (mut rest, starts) in self.entries.chunks_mut(SLICE).zip(&self.starts) {
            for (pieces, ends) in pieces.iter_mut().zip(starts.windows(2)).filter(|(_, ends)| ends[0] < ends[1]) {
                let (piece, after) = take(&mut rest).split_at_mut((ends[1] - ends[0]) as usize);
                pieces.push(piece);
                rest = after;
            }
        }
        pieces.into_iter().flatten().collect()
    }

    /// The entries of the norms from `start` on, all of one slice, whatever for those that take no part.
    #[inline(always)]
    pub fn read(&self, start: usize, entries: &mut [u32]) {
        let slice = &self.entries[start / SLICE * SLICE..];
        let slice = &slice[..SLICE.min(slice.len())];
        for (entry, &place) in entries.iter_mut().zip(&self.places[start..]) {
            *entry = slice[usize::from(place)];
        }
    }
}

/// Puts the keys of the norms of a slice into `entries`, bucket by bucket, and where each went into `places`. Returns
/// where each bucket begins.
fn by_bucket(norms: &[f32], entries: &mut [u32], places: &mut [u16]) -> Box<Table> {
    vectorised(
        #[inline(always)]
        |_| {
            let mut starts = Box::new([0; TABLE]);
            for &norm in norms {
                starts[bucket_of(key_of(norm)) % TABLE] += 1;
            }
            let mut next = 0;
            for start in starts.iter_mut() {
                next += replace(start, next);
            }
            let mut ends = *starts;
            for (&norm, place) in norms.iter().zip(places) {
                let key = key_of(norm);
                let end = &mut ends[bucket_of(key) % TABLE];
                entries[*end as usize] = key;
                *place = *end as u16;
                *end += 1;
            }
            starts
        },
    )
}

/// The key of a norm in `[0, 1]`, or of what takes no part.
#[inline(always)]
fn key_of(norm: f32) -> u32 {
    let key = norm.abs().to_bits();
    if key <= ONE { key } else { NONE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_norm_is_in_its_bucket_and_found_again_and_others_take_no_part() {
        // The last slice is not full.
        let norm_of = |index: usize| match index % 7 {
            0 => f32::NAN,
            1 => -(index as f32) / 2e5,
            2 => 1.5,
            3 => 1.0,
            _ => 1.0 / (1.0 + index as f32),
        };
        let count = 3 * SLICE + 1234;
        let mut partition = Partition::of(count, |range: Range<usize>, norms: &mut [f32]| {
            norms.iter_mut().zip(range).for_each(|(norm, index)| *norm = norm_of(index));
            Ok::<(), ()>(())
        })
        .unwrap();
        let takes_part = |index: &usize| norm_of(*index).abs() <= 1.0;
        let lengths = partition.lengths();
        assert_eq!(lengths.iter().sum::<u32>() as usize, (0..count).filter(takes_part).count());
        for (bucket, &length) in lengths.iter().enumerate() {
            let mut keys = partition.pieces(bucket).flatten();
            assert_eq!(keys.clone().count(), length as usize, "bucket {bucket}");
            assert!(keys.all(|&key| bucket_of(key) == bucket), "bucket {bucket}");
        }
        let numbers = |partition: &mut Partition| partition.all_pieces().iter().map(|piece| piece.len()).sum::<usize>();
        assert_eq!(numbers(&mut partition), lengths.iter().sum::<u32>() as usize);
        for start in (0..count).step_by(512) {
            let mut keys = [0; 512];
            let keys = &mut keys[..512.min(count - start)];
            partition.read(start, keys);
            for (index, &mut key) in (start..).zip(keys).filter(|(index, _)| takes_part(index)) {
                assert_eq!(key, norm_of(index).abs().to_bits(), "norm {index}");
            }
        }
    }

    #[test]
    fn a_reason_not_to_go_on_is_handed_on() {
        assert_eq!(Partition::of(10, |_, _| Err("no")).map(|_| ()), Err("no"));
    }
}
