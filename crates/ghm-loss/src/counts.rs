//! How many examples fall into each bin: the first of the two passes of a harmonised loss, by itself.

use serde::{Deserialize, Serialize};

use crate::asl1::{Asl1, check_mu};
use crate::blocks::Inputs;
use crate::density::DensityConfig;
use crate::error::{LossError, expect_length};
use crate::examples::Examples;
use crate::ghm_c::CrossEntropy;
use crate::histogram::counted;
use crate::real::Real;
use crate::regions::Regions;
use crate::rows::Rows;
use crate::softmax::{self, SoftmaxNorm};

/// The counts `R_j` of the examples of one worker, or of several, merged.
///
/// A call that is spread over workers takes two passes. Each worker counts its own shard; the counts are merged, in
/// any order; every worker hands the sum to [`GradientDensity::update`](crate::GradientDensity::update) of a density of
/// its own, equal to the others', and applies the factors to its shard ([`Density::Given`](crate::Density)). What comes
/// out is what one call over all shards would have given. Pyramid levels and accumulated batches are shards, too.
///
/// ```
/// use ghm_loss::{Counts, DensityConfig, Examples, GradientDensity, Targets, ghm_c};
///
/// let shards = [([-2.0, 0.5], [0.0, 1.0]), ([-3.0, 1.0], [0.0, 0.0])];
/// let shards = shards.each_ref().map(|(logits, targets)| Examples::new(logits, Targets::Dense(targets)));
/// let config = DensityConfig { bins: 30, ..DensityConfig::default() };
/// let mut counts = Counts::of_nothing(&config)?;
/// for shard in &shards {
///     counts.merge(&Counts::of_logits(shard, &config)?)?;
/// }
/// let bin_weights = GradientDensity::new(config)?.update(counts.as_slice())?;
/// for shard in &shards {
///     let mut gradient = [0.0; 2];
///     ghm_c(shard, &bin_weights, &mut gradient)?;
/// }
/// # Ok::<(), ghm_loss::LossError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts {
    bins: Vec<u64>,
}

impl Counts {
    /// The counts of no example, where a sum begins, for a density of this `config`.
    ///
    /// # Errors
    /// [`LossError::Setting`] for a number of bins or classes outside its range.
    pub fn of_nothing(config: &DensityConfig) -> Result<Self, LossError> {
        Ok(Self { bins: vec![0; Regions::of(config)?.count()] })
    }

    /// The counts that [`ghm_c`](crate::ghm_c()) takes in: by the gradient norm of the cross entropy.
    ///
    /// # Errors
    /// [`LossError`] where lengths differ, a target is none, or bins or classes are outside their range.
    pub fn of_logits<T: Real>(examples: &Examples<T>, config: &DensityConfig) -> Result<Self, LossError> {
        let (inputs, regions) = (Inputs::of_logits(examples)?, Regions::of(config)?);
        regions.check_columns(&inputs)?;
        Ok(Self { bins: counted(&inputs, regions, CrossEntropy)? })
    }

    /// The counts that [`ghm_r`](crate::ghm_r) takes in: by the gradient norm of ASL1, whose `mu` is as there.
    ///
    /// # Errors
    /// [`LossError`] where lengths differ, `mu` is not a positive number, or bins or classes are outside their range.
    pub fn of_predictions<T: Real>(examples: &Examples<T>, mu: f32, config: &DensityConfig) -> Result<Self, LossError> {
        let (inputs, regions) = (Inputs::of_predictions(examples)?, Regions::of(config)?);
        check_mu(mu)?;
        regions.check_columns(&inputs)?;
        Ok(Self { bins: counted(&inputs, regions, Asl1 { mu })? })
    }

    /// The counts that [`softmax_ghm_c`](crate::softmax_ghm_c) takes in: by the gradient norm of each row.
    ///
    /// # Errors
    /// [`LossError`] as there.
    pub fn of_rows<T: Real>(
        examples: &Examples<T>,
        norm: SoftmaxNorm,
        config: &DensityConfig,
    ) -> Result<Self, LossError> {
        Ok(Self { bins: softmax::counted(&Rows::new(examples)?, norm, Regions::of(config)?)? })
    }

    /// Adds the counts of `other`: then these are the counts of the examples of both.
    ///
    /// # Errors
    /// [`LossError::Length`] where the two differ in bins; nothing has changed then.
    pub fn merge(&mut self, other: &Self) -> Result<(), LossError> {
        expect_length("counts", other.bins.len(), "those they are added to", self.bins.len())?;
        for (sum, &count) in self.bins.iter_mut().zip(&other.bins) {
            *sum = sum.saturating_add(count);
        }
        Ok(())
    }

    /// The count of each bin `[M]`, or of each class and bin `[C, M]`.
    pub fn as_slice(&self) -> &[u64] {
        &self.bins
    }
}
