//! How many examples fall into each bin: the first of the two passes of a harmonised loss.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::blocks::{BLOCK, Block, Inputs, Room, Weighing, ranges};
use crate::edges::bin_of;
use crate::error::LossError;
use crate::real::Real;
use crate::regions::Regions;
use crate::vector::vectorised;

/// Neighbouring elements are counted in turns: most fall into the same bin, and each addition there has to wait for the
/// one before.
const LANES: usize = 8;

/// From so many bins on they are counted in one lane: the neighbours differ, and the histograms stay in the cache.
const WIDE: usize = 512;

/// Elements a task counts at least; each task adds its histogram to the sum of all.
const LEAST: usize = 16 * 1024;

/// Elements a task counts at most, so that u32 holds every count.
const MOST: usize = 1 << 30;

/// The counts of the elements that take part `[classes * bins]`, by the size of `slope`, the derivative of the loss of a
/// value and a target. A NaN falls into no bin.
///
/// Counts are whole numbers, so the sum is the same however the tasks are shared out.
pub(crate) fn counted<T: Real>(
    inputs: &Inputs<T>,
    regions: Regions,
    slope: impl Fn(f32, f32) -> f32 + Sync,
) -> Result<Vec<u64>, LossError> {
    let length = inputs.len();
    let tasks = 8 * rayon::current_num_threads();
    let task = length.div_ceil(tasks).next_multiple_of(BLOCK).clamp(LEAST, MOST);
    let sums = Mutex::new(vec![0; regions.count()]);
    let count = |index: usize| {
        let mut histogram = Histogram::new(regions);
        vectorised(
            #[inline(always)]
            || {
                let mut room = Room::new();
                for at in ranges(index * task..((index + 1) * task).min(length)) {
                    histogram.take(&inputs.block(at, Weighing::Gates, &mut room)?, &slope);
                }
                Ok(())
            },
        )?;
        histogram.add_to(&mut sums.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    };
    let ends: Vec<Result<(), LossError>> = (0..length.div_ceil(task)).into_par_iter().map(count).collect();
    ends.into_iter().collect::<Result<(), _>>()?;
    Ok(sums.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The counts of one task.
struct Histogram {
    regions: Regions,
    lanes: usize,
    /// `[places + 1][lanes]`: the last place takes what is not to be counted.
    counts: Vec<u32>,
}

impl Histogram {
    fn new(regions: Regions) -> Self {
        let lanes = if regions.count() < WIDE { LANES } else { 1 };
        Self { regions, lanes, counts: vec![0; (regions.count() + 1) * lanes] }
    }

    #[inline(always)]
    fn take(&mut self, block: &Block, slope: &impl Fn(f32, f32) -> f32) {
        let (bins, outside) = (self.regions.bins as f32, self.regions.count() as u32);
        let mut places = [0u32; BLOCK];
        let places = &mut places[..block.values.len()];
        for (place, (&value, &target)) in places.iter_mut().zip(block.values.iter().zip(block.targets)) {
            let slope = (*slope)(value, target);
            *place = if slope.is_nan() { outside } else { bin_of(slope.abs(), bins) };
        }
        self.regions.move_to_classes(block.start, places, outside);
        if let Some(weights) = block.weights {
            for (place, &weight) in places.iter_mut().zip(weights) {
                *place = if weight > 0.0 { *place } else { outside };
            }
        }
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

    fn add_to(&self, sums: &mut [u64]) {
        for (sum, counts) in sums.iter_mut().zip(self.counts.chunks(self.lanes)) {
            *sum += counts.iter().map(|&count| u64::from(count)).sum::<u64>();
        }
    }
}
