//! How many examples fall into each bin: the first of the two passes of a harmonised loss, by itself.

use serde::{Deserialize, Serialize};

use crate::asl1;
use crate::density::check_bins;
use crate::error::{LossError, expect_length};
use crate::ghm_c;
use crate::harmonise::counted;
use crate::inputs::Inputs;
use crate::targets::Targets;

/// The counts `R_j` of the examples of one worker, or of several, merged.
///
/// A call that is spread over workers takes two passes. Each worker counts its own shard; the counts are merged, in
/// any order; every worker hands the sum to [`GradientDensity::update`](crate::GradientDensity::update) of a density of
/// its own, equal to the others', and applies the factors to its shard ([`ghm_c_given`](crate::ghm_c_given),
/// [`ghm_r_given`](crate::ghm_r_given)). What comes out is what one call over all shards would have given.
///
/// ```
/// use ghm_loss::{Counts, DensityConfig, Ema, GradientDensity, Normalise, Targets, ghm_c_given};
///
/// let shards = [([-2.0, 0.5], [0.0, 1.0]), ([-3.0, 1.0], [0.0, 0.0])];
/// let mut counts = Counts::of_nothing(30)?;
/// for (logits, targets) in &shards {
///     counts.merge(&Counts::of_logits(logits, Targets::Dense(targets), None, 30)?)?;
/// }
/// let config = DensityConfig { bins: 30, momentum: 0.75, normalise: Normalise::Nonempty, ema: Ema::Corrected, cap: None };
/// let bin_weights = GradientDensity::new(config)?.update(counts.as_slice())?;
/// for (logits, targets) in &shards {
///     let mut gradient = [0.0; 2];
///     ghm_c_given(logits, Targets::Dense(targets), None, &bin_weights, 1.0, &mut gradient)?;
/// }
/// # Ok::<(), ghm_loss::LossError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts {
    bins: Vec<u64>,
}

impl Counts {
    /// The counts of no example, where a sum begins.
    ///
    /// # Errors
    /// [`LossError::Setting`] for a number of bins outside 1 to [`MAX_BINS`](crate::MAX_BINS).
    pub fn of_nothing(bins: usize) -> Result<Self, LossError> {
        check_bins(bins)?;
        Ok(Self { bins: vec![0; bins] })
    }

    /// The counts that [`ghm_c`](crate::ghm_c()) takes in: by the gradient norm of the cross entropy.
    ///
    /// # Shapes
    /// `logits`, `weights`: one entry an element; see [`Targets`] for the targets.
    ///
    /// # Errors
    /// [`LossError`] where lengths differ, a target is none, or `bins` is outside 1 to [`MAX_BINS`](crate::MAX_BINS).
    pub fn of_logits(
        logits: &[f32],
        targets: Targets,
        weights: Option<&[f32]>,
        bins: usize,
    ) -> Result<Self, LossError> {
        check_bins(bins)?;
        // There is no gradient whose length could be wrong.
        let inputs = Inputs::of_logits(logits, targets, weights, logits)?;
        Ok(Self { bins: counted(&inputs, bins, ghm_c::terms) })
    }

    /// The counts that [`ghm_r`](crate::ghm_r) takes in: by the gradient norm of ASL1.
    ///
    /// # Shapes
    /// `predictions`, `targets`, `weights`: one entry an element. `mu` is as in [`ghm_r`](crate::ghm_r).
    ///
    /// # Errors
    /// [`LossError`] where lengths differ, `mu` is not a positive number, or `bins` is outside 1 to
    /// [`MAX_BINS`](crate::MAX_BINS).
    pub fn of_predictions(
        predictions: &[f32],
        targets: &[f32],
        weights: Option<&[f32]>,
        mu: f32,
        bins: usize,
    ) -> Result<Self, LossError> {
        check_bins(bins)?;
        asl1::check_mu(mu)?;
        let inputs = Inputs::of_predictions(predictions, targets, weights, predictions)?;
        let kernel = |prediction: f32, target: f32| asl1::terms(prediction - target, mu);
        Ok(Self { bins: counted(&inputs, bins, kernel) })
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

    /// The count of each bin `[M]`.
    pub fn as_slice(&self) -> &[u64] {
        &self.bins
    }
}
