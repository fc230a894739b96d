//! The gradient density: how many examples have a gradient norm like this one.

use serde::{Deserialize, Serialize};

use crate::edges::bin_of;
use crate::error::{LossError, expect_length, expect_setting};
use crate::regions::{BinWeights, Regions};

/// What the harmonised loss is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalise {
    /// The number of bins `M`, as in the paper.
    Bins,
    /// The number of bins that hold at least one example of this call, as in the authors' released code.
    #[default]
    Nonempty,
}

/// How the counts of a call join those of the calls before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ema {
    /// A bin that is empty in a call keeps its value; starts at 0 and stays uncorrected, so that the weights of the
    /// first call are `1 / (1 - momentum)` times too large. As in the authors' released code.
    #[default]
    Released,
    /// Every bin decays in every call (Li et al. 2019, eq. 12); starts at 0 and stays uncorrected.
    Paper,
    /// [`Ema::Paper`] divided by `1 - momentum^t` in call `t = 1, 2, ...`: the first call weighs as without EMA.
    Corrected,
}

/// Settings of a [`GradientDensity`]. The default is GHM-C's as released: 30 bins, momentum 0.75.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DensityConfig {
    /// Number of bins `M`, 1 to [`MAX_BINS`](crate::MAX_BINS). The paper has 30 for GHM-C and 10 for GHM-R.
    pub bins: usize,
    /// Momentum of the moving average over calls, in `[0, 1)`; 0 means none, whatever `ema` says.
    pub momentum: f64,
    /// What the harmonised loss is divided by.
    #[serde(default)]
    pub normalise: Normalise,
    /// How the counts of a call join those of the calls before.
    #[serde(default)]
    pub ema: Ema,
    /// The most that `beta` may be, above 0; nothing holds it where absent, as published. It keeps the few examples of
    /// a sparse bin from outweighing the crowd many hundred times over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<f64>,
    /// How the density passes from one bin to the next.
    #[serde(default, skip_serializing_if = "is_default")]
    pub between: Between,
    /// A density for each of so many classes, so that a rare class is not measured by a common one; one density for all
    /// where absent, as published. An element's class is its column, a row of logits being as long as there are classes;
    /// for softmax the class of a row is its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
}

impl DensityConfig {
    /// The factor of each bin by these `counts` `[M]` (or `[C, M]`) alone, without a moving average.
    ///
    /// # Errors
    /// As of [`GradientDensity::new`] and [`GradientDensity::update`].
    pub fn at_once(&self, counts: &[u64]) -> Result<BinWeights, LossError> {
        GradientDensity::new(Self { momentum: 0.0, ..*self })?.update(counts)
    }
}

/// How the density passes from one bin to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Between {
    /// In a step, as published: two examples on either side of an edge may differ in weight by any factor.
    #[default]
    Step,
    /// In a straight line from the middle of a bin to the middle of the next, and level beyond the first and the last, so
    /// that the weight is a continuous function of the gradient norm.
    Blend,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for DensityConfig {
    fn default() -> Self {
        Self {
            bins: 30,
            momentum: 0.75,
            normalise: Normalise::Nonempty,
            ema: Ema::Released,
            cap: None,
            between: Between::Step,
            classes: None,
        }
    }
}

/// The gradient density by unit regions, and its moving average: all the state GHM has, as a plain value.
///
/// The gradient norm `g` of an example lies in `[0, 1]`, which is cut into `M` bins; `R_j` examples of a call fall into
/// bin `j` (edges `j / M`; a bin holds its lower edge, and `g = 1` belongs to the last).
///
/// | | |
/// | --- | --- |
/// | density (Li et al. 2019, eq. 9) | `GD(g) = R_j M` |
/// | moving average (eq. 12), `m` = momentum | `S_j(t) = m S_j(t-1) + (1 - m) R_j(t)`, which stands for `R_j` |
/// | harmonising parameter (eq. 7), `N` = examples | `beta = N / GD(g)` |
/// | harmonised loss (eq. 8 and 11) | `(1/N) sum beta loss = sum loss / GD(g)` |
///
/// `N` cancels, so a call needs one factor a bin: `1 / (S_j n)`, with `n = M` or the number of non-empty bins
/// ([`Normalise`]). With a density for each class ([`DensityConfig::classes`]) the loss is the mean over classes of their
/// own harmonised losses: over all, or over those that have an example.
///
/// Serialising keeps every bit that matters: a density restored continues as the one saved would have. (In JSON that
/// takes a reader with exact floats, for serde_json its feature `float_roundtrip`.) Deserialising checks what it reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct GradientDensity {
    config: DensityConfig,
    regions: Regions,
    counts: Vec<f64>,
    steps: u64,
}

/// What of a [`GradientDensity`] goes into a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    config: DensityConfig,
    counts: Vec<f64>,
    steps: u64,
}

impl GradientDensity {
    /// A density that has seen nothing.
    ///
    /// # Errors
    /// [`LossError::Setting`] for a number of bins or a momentum outside its range.
    pub fn new(config: DensityConfig) -> Result<Self, LossError> {
        let regions = Regions::of(&config)?;
        expect_setting("momentum", config.momentum, "a number of at least 0 and below 1", |m| (0.0..1.0).contains(&m))?;
        check_cap(config.cap)?;
        Ok(Self { config, regions, counts: vec![0.0; regions.count()], steps: 0 })
    }

    /// A density that goes on from `counts` `[M]` after `steps` calls, wherever they were kept.
    ///
    /// # Errors
    /// [`LossError`] for settings outside their range, and for counts that are not one a bin, finite and at least 0.
    pub fn resumed(config: DensityConfig, counts: Vec<f64>, steps: u64) -> Result<Self, LossError> {
        let density = Self::new(config)?;
        expect_length("counts of the saved density", counts.len(), "its bins", density.counts.len())?;
        match counts.iter().position(|&count| !(0.0..f64::INFINITY).contains(&count)) {
            Some(bin) => Err(LossError::SavedCount { bin, value: counts[bin] }),
            None => Ok(Self { counts, steps, ..density }),
        }
    }

    /// Its settings.
    pub fn config(&self) -> &DensityConfig {
        &self.config
    }

    /// The bins of each class.
    pub(crate) fn regions(&self) -> Regions {
        self.regions
    }

    /// The accumulated count of each bin `[M]`, or of each class and bin `[C, M]`: `S_j` as the moving average left it,
    /// before any correction, or `R_j` of the last call where momentum is 0.
    pub fn counts(&self) -> &[f64] {
        &self.counts
    }

    /// Number of calls counted so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The bin of gradient norm `g`, in `0..M`, by comparison with the f32 edges `j / M`. Below 0 it is the first, above
    /// 1 (and for NaN) the last.
    pub fn bin_of(&self, g: f32) -> usize {
        bin_of(g, self.config.bins as f32) as usize
    }

    /// Takes in the `counts` `[M]` (or `[C, M]`) of one call and gives the factor of each bin for that call.
    ///
    /// A call without any example is a call: it decays the bins of [`Ema::Paper`] and [`Ema::Corrected`].
    ///
    /// # Errors
    /// [`LossError::Length`] unless there is one count a bin; nothing has changed then.
    pub fn update(&mut self, counts: &[u64]) -> Result<BinWeights, LossError> {
        expect_length("counts", counts.len(), "the bins of the density", self.counts.len())?;
        self.steps = self.steps.saturating_add(1);
        let (momentum, keep_empty) = (self.config.momentum, self.config.ema == Ema::Released);
        for (accumulated, &count) in self.counts.iter_mut().zip(counts) {
            if momentum == 0.0 {
                *accumulated = count as f64;
            } else if count > 0 || !keep_empty {
                *accumulated = momentum * *accumulated + (1.0 - momentum) * count as f64;
            }
        }
        let divisors = self.divisors(counts);
        let bias = self.bias();
        let bins = self.config.bins;
        let weight = |(place, &count): (usize, &f64)| count * divisors[place / bins] / bias;
        Ok(BinWeights {
            regions: self.regions,
            between: self.config.between,
            densities: self.counts.iter().enumerate().map(weight).collect(),
            cap: self.config.cap.unwrap_or(f64::INFINITY),
            examples: counts.iter().sum(),
        })
    }

    /// What the losses of each class are divided by beside the density: its bins, times the classes.
    fn divisors(&self, counts: &[u64]) -> Vec<f64> {
        let filled = |counts: &[u64]| counts.iter().filter(|&&count| count > 0).count();
        let bins = self.config.bins;
        match self.config.normalise {
            Normalise::Bins => vec![self.regions.count() as f64; self.regions.classes],
            Normalise::Nonempty => {
                let of_class: Vec<usize> = counts.chunks(bins).map(filled).collect();
                let classes = of_class.iter().filter(|&&bins| bins > 0).count();
                of_class.iter().map(|&bins| (bins * classes) as f64).collect()
            }
        }
    }

    /// The share of a moving average of constants that has arrived after the steps so far: 1 where none is missing or
    /// none is made up for.
    fn bias(&self) -> f64 {
        match self.config.ema {
            Ema::Released | Ema::Paper => 1.0,
            Ema::Corrected => 1.0 - self.config.momentum.powi(i32::try_from(self.steps).unwrap_or(i32::MAX)),
        }
    }
}

/// Whether a cap, where there is one, is one.
pub(crate) fn check_cap(cap: Option<f64>) -> Result<(), LossError> {
    cap.map_or(Ok(()), |cap| expect_setting("cap", cap, "a finite number above 0", |cap| cap > 0.0 && cap.is_finite()))
}

impl From<GradientDensity> for Saved {
    fn from(density: GradientDensity) -> Self {
        Self { config: density.config, counts: density.counts, steps: density.steps }
    }
}

impl TryFrom<Saved> for GradientDensity {
    type Error = LossError;

    fn try_from(saved: Saved) -> Result<Self, LossError> {
        Self::resumed(saved.config, saved.counts, saved.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regions::MAX_BINS;

    fn density(bins: usize, momentum: f64, normalise: Normalise, ema: Ema) -> GradientDensity {
        GradientDensity::new(DensityConfig { bins, momentum, normalise, ema, ..DensityConfig::default() }).unwrap()
    }

    #[test]
    fn without_momentum_the_factor_is_one_over_the_count_and_the_divisor() {
        for ema in [Ema::Released, Ema::Paper, Ema::Corrected] {
            let mut by_bins = density(4, 0.0, Normalise::Bins, ema);
            let mut by_nonempty = density(4, 0.0, Normalise::Nonempty, ema);
            for _ in 0..2 {
                assert_eq!(by_bins.update(&[8, 0, 0, 1]).unwrap().factors(), [1.0 / 32.0, 0.0, 0.0, 0.25]);
                assert_eq!(by_nonempty.update(&[8, 0, 0, 1]).unwrap().factors(), [1.0 / 16.0, 0.0, 0.0, 0.5]);
            }
            by_bins.update(&[0, 3, 0, 0]).unwrap();
            assert_eq!(by_bins.counts(), [0.0, 3.0, 0.0, 0.0]);
        }
    }

    #[test]
    fn a_cap_holds_beta_of_sparse_bins_and_leaves_the_others() {
        let config = DensityConfig {
            bins: 2,
            momentum: 0.0,
            normalise: Normalise::Bins,
            cap: Some(10.0),
            ..DensityConfig::default()
        };
        let mut density = GradientDensity::new(config).unwrap();
        // beta is 100 / (99 * 2) and 100 / (1 * 2) = 50, which the cap makes 10
        let weights = density.update(&[99, 1]).unwrap();
        assert_eq!(weights.factors(), [1.0 / 198.0, 10.0 / 100.0]);
        assert!(GradientDensity::new(DensityConfig { cap: Some(0.0), ..config }).is_err());
    }

    #[test]
    fn an_empty_bin_keeps_its_count_as_released_and_decays_by_the_paper() {
        let mut released = density(2, 0.75, Normalise::Bins, Ema::Released);
        let mut paper = density(2, 0.75, Normalise::Bins, Ema::Paper);
        for density in [&mut released, &mut paper] {
            density.update(&[8, 4]).unwrap();
            density.update(&[8, 0]).unwrap();
        }
        assert_eq!(released.counts(), [0.75 * 2.0 + 2.0, 1.0]);
        assert_eq!(paper.counts(), [0.75 * 2.0 + 2.0, 0.75]);
    }

    #[test]
    fn the_first_weights_are_four_times_too_large_at_momentum_three_quarters_unless_corrected() {
        let counts = [90, 0, 7, 3];
        let plain = density(4, 0.0, Normalise::Nonempty, Ema::Released).update(&counts).unwrap();
        let corrected = density(4, 0.75, Normalise::Nonempty, Ema::Corrected).update(&counts).unwrap();
        assert_eq!(corrected, plain);
        for ema in [Ema::Released, Ema::Paper] {
            let first = density(4, 0.75, Normalise::Nonempty, ema).update(&counts).unwrap();
            let fourfold: Vec<f64> = plain.factors().iter().map(|factor| 4.0 * factor).collect();
            assert_eq!(first.factors(), fourfold);
        }
    }

    #[test]
    fn corrected_weights_stay_those_of_constant_counts() {
        let counts = [90, 0, 7, 3];
        let plain = density(4, 0.0, Normalise::Bins, Ema::Corrected).update(&counts).unwrap();
        let mut corrected = density(4, 0.9, Normalise::Bins, Ema::Corrected);
        for _ in 0..50 {
            let weights = corrected.update(&counts).unwrap();
            for (found, expected) in weights.factors().iter().zip(plain.factors()) {
                assert!((found - expected).abs() <= 1e-14 * expected);
            }
        }
    }

    #[test]
    fn a_call_without_examples_gives_no_weight_where_only_nonempty_bins_divide() {
        let mut density = density(3, 0.5, Normalise::Nonempty, Ema::Released);
        density.update(&[1, 2, 3]).unwrap();
        assert_eq!(density.update(&[0, 0, 0]).unwrap().factors(), [0.0; 3]);
        assert_eq!(density.counts(), [0.5, 1.0, 1.5]);
    }

    #[test]
    fn counts_for_another_number_of_bins_are_refused_and_change_nothing() {
        let mut density = density(3, 0.5, Normalise::Bins, Ema::Paper);
        density.update(&[1, 2, 3]).unwrap();
        let before = density.clone();
        let error = density.update(&[1, 2]).unwrap_err();
        assert_eq!(error.to_string(), "counts and the bins of the density differ in length: 2 and 3");
        assert_eq!(density, before);
    }

    #[test]
    fn settings_outside_their_range_are_refused() {
        let with = |bins, momentum| GradientDensity::new(DensityConfig { bins, momentum, ..DensityConfig::default() });
        for (bins, momentum) in [(0, 0.0), (MAX_BINS + 1, 0.0), (1, 1.0), (1, -0.1), (1, f64::NAN)] {
            assert!(matches!(with(bins, momentum), Err(LossError::Setting { .. })), "{bins} bins, momentum {momentum}");
        }
        assert!(with(MAX_BINS, 0.999).is_ok());
    }

    #[test]
    fn settings_left_out_of_a_file_are_those_of_the_released_code_and_unknown_ones_are_refused() {
        let config: DensityConfig = serde_json::from_str(r#"{"bins": 30, "momentum": 0.75}"#).unwrap();
        assert_eq!((config.normalise, config.ema), (Normalise::Nonempty, Ema::Released));
        assert!(serde_json::from_str::<DensityConfig>(r#"{"bins": 30, "momentum": 0, "decay": 1}"#).is_err());
        assert_eq!(serde_json::to_string(&Ema::Corrected).unwrap(), r#""corrected""#);
    }

    #[test]
    fn a_saved_density_that_cannot_be_is_refused_with_its_reason() {
        let config = r#""config": {"bins": 2, "momentum": 0.5}, "steps": 1"#;
        for (counts, reason) in [
            ("[1.0]", "counts of the saved density and its bins differ in length: 1 and 2"),
            ("[1.0, -2.0]", "counts[1] of the saved density is -2: expected a finite number of at least 0"),
        ] {
            let text = format!("{{{config}, \"counts\": {counts}}}");
            let error = serde_json::from_str::<GradientDensity>(&text).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
