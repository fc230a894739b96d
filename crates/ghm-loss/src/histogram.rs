//! How many examples fall into each bin: the first of the two passes of a harmonised loss.

use std::sync::{Mutex, PoisonError};

#[cfg(target_arch = "x86_64")]
use pulp::x86::V4;
use rayon::prelude::*;

use crate::block::{BLOCK, Block, Room};
use crate::blocks::{Inputs, Weighing, ranges};
use crate::error::LossError;
use crate::harmonise::Harmonised;
use crate::logit_edges::{LogitEdges, NARROW};
use crate::places::write_places;
use crate::real::Real;
use crate::regions::Regions;
#[cfg(target_arch = "x86_64")]
use crate::sieve::{Sieve, tally_places};
#[cfg(target_arch = "x86_64")]
use crate::tally::Tally;
use crate::vector::{Level, vectorised};

/// Neighbouring elements are counted in turns: most fall into the same bin, and each addition there has to wait for the
/// one before.
const LANES: usize = 8;

/// From so many bins on they are counted in one lane: the neighbours differ, and the histograms stay in the cache.
const WIDE: usize = 512;

/// Elements a task counts at least; each task adds its histogram to the sum of all.
const LEAST: usize = 16 * 1024;

/// Elements a task counts at most, so that u32 holds every count.
const MOST: usize = 1 << 30;

/// The counts of the elements that take part `[classes * bins]`, by their gradient norms. A NaN falls into no bin.
///
/// Counts are whole numbers, so the sum is the same however the tasks are shared out.
pub(crate) fn counted<T: Real>(
    inputs: &Inputs<T>,
    regions: Regions,
    kernel: impl Harmonised,
) -> Result<Vec<u64>, LossError> {
    let length = inputs.len();
    let tasks = 8 * rayon::current_num_threads();
    let task = length.div_ceil(tasks).next_multiple_of(BLOCK).clamp(LEAST, MOST);
    let sums = Mutex::new(vec![0; regions.count()]);
    let edges = regions.logit_edges();
    let count = |index: usize| {
        let counts = vectorised(
            #[inline(always)]
            |level| {
                let (mut histogram, mut room) = (Histogram::new(level, regions, edges.as_ref()), Room::new());
                for at in ranges(index * task..((index + 1) * task).min(length)) {
                    let block = inputs.block(at, Weighing::Gates, &mut room);
                    inputs.check_targets(&block)?;
                    histogram.take(&block, kernel);
                }
                Ok(histogram.finish())
            },
        )?;
        for (sum, count) in sums.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().zip(counts) {
            *sum += u64::from(count);
        }
        Ok(())
    };
    let ends: Vec<Result<(), LossError>> = (0..length.div_ceil(task)).into_par_iter().map(count).collect();
    ends.into_iter().collect::<Result<(), _>>()?;
    Ok(sums.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The counts of one task.
enum Histogram {
    /// Few bins, which fit into registers.
    #[cfg(target_arch = "x86_64")]
    Narrow(Box<NarrowHistogram>),
    /// Any number of bins.
    Wide(WideHistogram),
}

impl Histogram {
    #[inline(always)]
    fn new(level: Level, regions: Regions, edges: Option<&LogitEdges>) -> Self {
        match (level, edges) {
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512(avx512), Some(edges)) => {
                Self::Narrow(Box::new(NarrowHistogram::new(avx512, regions.bins, edges)))
            }
            _ => Self::Wide(WideHistogram::new(regions)),
        }
    }

    #[inline(always)]
    fn take(&mut self, block: &Block, kernel: impl Harmonised) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Narrow(histogram) => histogram.take(block, kernel),
            Self::Wide(histogram) => histogram.take(block, kernel),
        }
    }

    /// The counts of all bins.
    #[inline(always)]
    fn finish(&mut self) -> Vec<u32> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Narrow(histogram) => histogram.finish(),
            Self::Wide(histogram) => histogram.finish(),
        }
    }
}

/// Counts of at most [`NARROW`] bins; the last place takes what is not to be counted.
#[cfg(target_arch = "x86_64")]
struct NarrowHistogram {
    avx512: V4,
    bins: usize,
    sieve: Sieve,
    tally: Tally,
    /// Room for logits.
    logits: [f32; BLOCK],
}

#[cfg(target_arch = "x86_64")]
impl NarrowHistogram {
    #[inline(always)]
    fn new(avx512: V4, bins: usize, edges: &LogitEdges) -> Self {
        let (sieve, tally) = (Sieve::new(edges), Tally::new(avx512));
        Self { avx512, bins, sieve, tally, logits: [f32::NAN; BLOCK] }
    }

    /// By the logits where those say it, so that no sigmoid is computed.
    #[inline(always)]
    fn take<K: Harmonised>(&mut self, block: &Block, kernel: K) {
        let Self { avx512, sieve, tally, .. } = self;
        match block.wrong_logits(&mut self.logits).filter(|_| K::LOGITS) {
            Some(logits) if block.weights.is_none() => sieve.take(*avx512, logits, tally),
            Some(logits) => {
                let mut open = *logits;
                block.shut(f32::NAN, &mut open);
                sieve.take(*avx512, &open, tally);
            }
            None => {
                let mut places = [NARROW as u32; BLOCK];
                write_open_places(block, kernel, self.bins, NARROW as u32, &mut places[..block.values.len()]);
                tally_places(*avx512, &places, tally);
            }
        }
    }

    #[inline(always)]
    fn finish(&mut self) -> Vec<u32> {
        self.sieve.finish(self.avx512, &mut self.tally)[..self.bins].to_vec()
    }
}

/// Counts of any number of bins.
struct WideHistogram {
    regions: Regions,
    lanes: usize,
    /// `[places + 1][lanes]`: the last place takes what is not to be counted.
    counts: Vec<u32>,
}

impl WideHistogram {
    fn new(regions: Regions) -> Self {
        let lanes = if regions.count() < WIDE { LANES } else { 1 };
        Self { regions, lanes, counts: vec![0; (regions.count() + 1) * lanes] }
    }

    #[inline(always)]
    fn take(&mut self, block: &Block, kernel: impl Harmonised) {
        let outside = self.regions.count() as u32;
        let mut places = [0; BLOCK];
        let places = &mut places[..block.values.len()];
        write_open_places(block, kernel, self.regions.bins, outside, places);
        self.regions.move_to_classes(block.start, places, outside);
        self.count(places);
    }

    #[inline(always)]
    fn count(&mut self, places: &[u32]) {
        if self.lanes == 1 {
            for &place in places {
                self.counts[place as usize] += 1;
            }
            return;
        }
        let (counts, _) = self.counts.as_chunks_mut::<LANES>();
        let (eights, rest) = places.as_chunks::<LANES>();
        for eight in eights {
            for (lane, &place) in eight.iter().enumerate() {
                counts[place as usize][lane] += 1;
            }
        }
        for &place in rest {
            counts[place as usize][0] += 1;
        }
    }

    fn finish(&mut self) -> Vec<u32> {
        self.counts.chunks(self.lanes).take(self.regions.count()).map(|counts| counts.iter().sum()).collect()
    }
}

/// The bin of each element that takes part, `outside` for the others and for NaN.
#[inline(always)]
fn write_open_places(block: &Block, kernel: impl Harmonised, bins: usize, outside: u32, places: &mut [u32]) {
    let mut slopes = [0.0; BLOCK];
    let slopes = &mut slopes[..places.len()];
    block.map(
        #[inline(always)]
        move |value, target| kernel.terms(value, target).1,
        slopes,
    );
    write_places(block, kernel, slopes, bins, places);
    for (place, slope) in places.iter_mut().zip(&*slopes) {
        *place = if slope.is_nan() { outside } else { *place };
    }
    if let Some(weights) = block.weights {
        for (place, &weight) in places.iter_mut().zip(weights) {
            *place = if weight > 0.0 { *place } else { outside };
        }
    }
}
