//! The bins of each class, and what each multiplies its examples by.

#[cfg(target_arch = "x86_64")]
use pulp::x86::V4;

use crate::block::{BLOCK, Block};
use crate::blocks::Inputs;
use crate::density::{Between, DensityConfig};
use crate::edges::bin_of;
use crate::error::{LossError, expect_length, expect_setting};
#[cfg(target_arch = "x86_64")]
use crate::factors::Factors;
use crate::harmonise::Harmonised;
use crate::logit_edges::{LogitEdges, NARROW, logit_edges};
use crate::places::write_places;
use crate::real::{Real, held};
use crate::sums::Terms;
use crate::targets::Targets;
use crate::vector::Level;

/// The most bins a density may have. Every task of a counting pass keeps a histogram of this length, for each class.
pub const MAX_BINS: usize = 10_000;

/// The most bins of all classes together.
const MAX_PLACES: usize = 1 << 22;

/// Tables are at least as long, and those of so few bins need no check of their places.
const SHORT: usize = 64;

/// How many bins, and for how many classes each; 1 where all have the same. The place of bin `j` of class `c` among all
/// of them is `c M + j`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Regions {
    pub bins: usize,
    pub classes: usize,
}

/// What each bin multiplies the loss and the gradient of its examples by, for one call.
#[derive(Clone, Debug, PartialEq)]
pub struct BinWeights {
    pub(crate) regions: Regions,
    pub(crate) between: Between,
    /// `S_j n` for each place, corrected: a factor is 1 over it.
    pub(crate) densities: Vec<f64>,
    /// The most that `beta` may be.
    pub(crate) cap: f64,
    /// `N`, the number of examples of the call.
    pub(crate) examples: u64,
}

impl Regions {
    /// # Errors
    /// [`LossError::Setting`] for a number of bins or classes outside its range.
    pub fn of(config: &DensityConfig) -> Result<Self, LossError> {
        check_bins(config.bins)?;
        let classes = config.classes.unwrap_or(1);
        let most = MAX_PLACES / config.bins;
        expect_setting("classes", classes as f64, "at least 1, and with their bins at most 4194304", |_| {
            (1..=most).contains(&classes)
        })?;
        Ok(Self { bins: config.bins, classes })
    }

    /// The edges of the bins as logits, where the bins are few and those of all classes.
    pub fn logit_edges(self) -> Option<LogitEdges> {
        (self.classes == 1 && self.bins <= NARROW).then(|| logit_edges(self.bins))
    }

    /// All bins of all classes.
    pub fn count(self) -> usize {
        self.bins * self.classes
    }

    /// Whether there is a class for each column of the elements.
    pub fn check_columns<T: Real>(self, inputs: &Inputs<T>) -> Result<(), LossError> {
        match inputs.targets() {
            _ if self.classes == 1 => Ok(()),
            Targets::ClassIndex { classes, .. } => {
                expect_length("classes of the density", self.classes, "classes of the targets", classes)
            }
            Targets::Dense(_) if inputs.len().is_multiple_of(self.classes) => Ok(()),
            Targets::Dense(_) => Err(LossError::Columns { classes: self.classes, elements: inputs.len() }),
        }
    }

    /// Moves the bins of the elements from `start` to those of their classes, except where they are `outside`.
    #[inline(always)]
    pub fn move_to_classes(self, start: usize, places: &mut [u32], outside: u32) {
        if self.classes == 1 {
            return;
        }
        let mut class = start % self.classes;
        for place in places {
            if *place != outside {
                *place += (class * self.bins) as u32;
            }
            class = if class + 1 == self.classes { 0 } else { class + 1 };
        }
    }
}

impl BinWeights {
    /// The factor of each bin `[M]`, or of each class and bin `[C, M]`: `1 / (S_j n)`, at most `cap / N`, and 0 for a bin
    /// that has never held an example. With [`Between::Blend`] it is that of the middle of the bin.
    pub fn factors(&self) -> Vec<f64> {
        let most = self.most();
        self.densities.iter().map(|&density| if density > 0.0 { (1.0 / density).min(most) } else { 0.0 }).collect()
    }

    /// `N`, the number of examples of the call.
    pub fn examples(&self) -> u64 {
        self.examples
    }

    /// A factor is beta over the number of examples of the call.
    fn most(&self) -> f64 {
        self.cap / self.examples.max(1) as f64
    }

    /// `scale` times the factors, to be looked up.
    pub(crate) fn lookup(&self, scale: f64) -> Lookup {
        let entries = match self.between {
            Between::Step => self.factors().into_iter().map(|factor| scale * factor).collect(),
            Between::Blend => self.densities.clone(),
        };
        let mut table: Vec<f32> = entries.iter().map(|&entry| held(entry as f32, f32::MAX)).collect();
        // An infinite logit may be taken for one of the bin behind the last.
        table.push(table.last().copied().unwrap_or_default());
        table.resize(table.len().max(SHORT), 0.0);
        let edges = self.regions.logit_edges();
        Lookup {
            regions: self.regions,
            between: self.between,
            table,
            most: self.most() as f32,
            scale: scale as f32,
            edges,
        }
    }
}

/// Factors by the gradient norm of an example, in f32.
pub(crate) struct Lookup {
    regions: Regions,
    between: Between,
    /// For each place its factor; with [`Between::Blend`] its density.
    table: Vec<f32>,
    /// The largest factor.
    most: f32,
    /// What blended factors are multiplied by.
    scale: f32,
    /// Where the bins begin as logits, where there are few.
    edges: Option<LogitEdges>,
}

impl Lookup {
    /// The factors of the elements of a block, by the size of their slopes.
    #[inline(always)]
    pub fn factors(&self, level: Level, block: &Block, kernel: impl Harmonised, terms: &mut Terms) {
        let length = block.values.len();
        match (self.between, level) {
            #[cfg(target_arch = "x86_64")]
            (Between::Step, Level::Avx512(avx512)) if self.is_narrow() => {
                self.narrow_steps(avx512, block, kernel, terms);
            }
            (Between::Step, _) => self.steps(block, kernel, &terms.slopes[..length], &mut terms.factors[..length]),
            (Between::Blend, _) => self.blends(block.start, &terms.slopes[..length], &mut terms.factors[..length]),
        }
    }

    /// The factor of gradient norm `g` of class `class`.
    pub fn factor(&self, g: f32, class: usize) -> f32 {
        let start = class * self.regions.bins;
        match self.between {
            Between::Step => self.table[start + bin_of(g, self.regions.bins as f32) as usize],
            Between::Blend => {
                let (low, high, share) = self.neighbours(g);
                self.blended(start + low as usize, start + high as usize, share)
            }
        }
    }

    /// Losses and gradient of a block at once, where the bins are few, the level has registers for them, and every target
    /// is 0 or 1: factor times loss, and factor times slope. `None` where that is not so.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn write<K: Harmonised>(
        &self,
        level: Level,
        block: &Block,
        terms: &mut Terms,
        gradient: &mut [f32; BLOCK],
    ) -> Option<()> {
        match level {
            Level::Avx512(avx512) if K::LOGITS && self.is_narrow() && block.only_gates => {
                let (factors, Terms { losses, slopes, room, .. }) = (self.narrow_factors()?, terms);
                let logits = block.wrong_logits(room)?;
                if block.weights.is_none() {
                    factors.write(avx512, logits, (losses, gradient));
                    block.turn_ones(gradient);
                } else {
                    *slopes = *logits;
                    block.shut(0.0, slopes);
                    factors.write(avx512, slopes, (losses, gradient));
                    block.turn_ones(gradient);
                    block.shut(0.0, losses);
                    block.shut(0.0, gradient);
                }
                Some(())
            }
            _ => None,
        }
    }

    /// Whether the table is one for registers.
    #[cfg(target_arch = "x86_64")]
    fn is_narrow(&self) -> bool {
        self.edges.is_some() && self.between == Between::Step
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn narrow_factors(&self) -> Option<Factors> {
        Some(Factors::new(self.edges.as_ref()?, self.table.first_chunk()?, self.regions.bins))
    }

    /// From tables in registers.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn narrow_steps<K: Harmonised>(&self, avx512: V4, block: &Block, kernel: K, terms: &mut Terms) {
        let Some(table) = self.narrow_factors() else { return };
        let Terms { slopes, factors, room, .. } = terms;
        match block.wrong_logits(room).filter(|_| K::LOGITS) {
            Some(logits) => table.of_logits(avx512, logits, slopes, factors),
            None => {
                let (mut places, length) = ([0; BLOCK], block.values.len());
                write_places(block, kernel, &slopes[..length], self.regions.bins, &mut places[..length]);
                table.at_places(avx512, &places, factors);
            }
        }
    }

    #[inline(always)]
    fn steps(&self, block: &Block, kernel: impl Harmonised, slopes: &[f32], factors: &mut [f32]) {
        // All bins first: that loop becomes vector code, the one that looks factors up need not.
        let mut places = [0; BLOCK];
        let places = &mut places[..slopes.len()];
        write_places(block, kernel, slopes, self.regions.bins, places);
        self.regions.move_to_classes(block.start, places, u32::MAX);
        match self.table.first_chunk::<SHORT>() {
            // Without a check of the place: this loop becomes vector code as well.
            Some(table) if self.regions.count() <= SHORT => {
                for (factor, &place) in factors.iter_mut().zip(&*places) {
                    *factor = table[place as usize % SHORT];
                }
            }
            _ => {
                for (factor, &place) in factors.iter_mut().zip(&*places) {
                    *factor = self.table[place as usize];
                }
            }
        }
    }

    #[inline(always)]
    fn blends(&self, start: usize, slopes: &[f32], factors: &mut [f32]) {
        let (mut lows, mut highs) = ([0; BLOCK], [0; BLOCK]);
        let (lows, highs) = (&mut lows[..slopes.len()], &mut highs[..slopes.len()]);
        for ((low, high), (slope, share)) in lows.iter_mut().zip(&mut *highs).zip(slopes.iter().zip(&mut *factors)) {
            (*low, *high, *share) = self.neighbours(slope.abs());
        }
        self.regions.move_to_classes(start, lows, u32::MAX);
        self.regions.move_to_classes(start, highs, u32::MAX);
        for (factor, (&low, &high)) in factors.iter_mut().zip(lows.iter().zip(&*highs)) {
            *factor = self.blended(low as usize, high as usize, *factor);
        }
    }

    /// The bins whose middles `g` lies between, and how far it is from the first to the second, from 0 to 1.
    #[inline(always)]
    fn neighbours(&self, g: f32) -> (u32, u32, f32) {
        let last = self.regions.bins as f32 - 1.0;
        let position = g * self.regions.bins as f32 - 0.5;
        let position = if position > 0.0 { position } else { 0.0 };
        let position = if position < last { position } else { last };
        let low = position as u32;
        (low, (low + 1).min(last as u32), position - low as f32)
    }

    #[inline(always)]
    fn blended(&self, low: usize, high: usize, share: f32) -> f32 {
        let (low, high) = (self.table[low], self.table[high]);
        // Not `low + share * (high - low)`, in which a sparse bin beside a crowded one drowns.
        let factor = 1.0 / (low * (1.0 - share) + high * share);
        let factor = if factor < self.most { factor } else { self.most };
        // Nothing is known of a bin that has never held an example, nor of its neighbour.
        if factor < f32::INFINITY { factor * self.scale } else { 0.0 }
    }
}

/// Whether `bins` is a number of bins.
pub(crate) fn check_bins(bins: usize) -> Result<(), LossError> {
    expect_setting("bins", bins as f64, "a whole number from 1 to 10000", |_| (1..=MAX_BINS).contains(&bins))
}
