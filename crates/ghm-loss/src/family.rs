//! Every loss by its name: settings as a value, from a file for instance, and the loss they make.

use serde::{Deserialize, Serialize};

use crate::asl1::{asl1, ghm_r};
use crate::balanced_cross_entropy::{BalancedCrossEntropyConfig, balanced_cross_entropy};
use crate::balanced_l1::{BalancedL1Config, balanced_l1};
use crate::ciou::ciou;
use crate::counts::Counts;
use crate::cross_entropy::cross_entropy;
use crate::density::{DensityConfig, GradientDensity};
use crate::diou::diou;
use crate::error::LossError;
use crate::exact::ExactDensity;
use crate::examples::Examples;
use crate::focal::{FocalConfig, focal};
use crate::ghm_c::ghm_c;
use crate::giou::giou;
use crate::harmonise::Density;
use crate::ohem::{OhemConfig, ohem};
use crate::output::Output;
use crate::quality_focal::{QualityFocalConfig, quality_focal};
use crate::real::Real;
use crate::smooth_l1::{l1, smooth_l1};
use crate::softmax::{SoftmaxNorm, softmax_cross_entropy, softmax_ghm_c};
use crate::varifocal::{VarifocalConfig, varifocal};

/// Settings of any loss, told apart by `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LossConfig {
    /// [`ghm_c`].
    GhmC(DensityConfig),
    /// [`ghm_c`] by the exact density.
    GhmCExact(ExactDensity),
    /// [`softmax_ghm_c`].
    SoftmaxGhmC {
        /// Which length of a row's gradient is its norm.
        #[serde(default)]
        norm: SoftmaxNorm,
        /// The density.
        density: DensityConfig,
    },
    /// [`softmax_cross_entropy`].
    SoftmaxCrossEntropy,
    /// [`cross_entropy`].
    CrossEntropy,
    /// [`balanced_cross_entropy`].
    BalancedCrossEntropy(BalancedCrossEntropyConfig),
    /// [`ohem`].
    Ohem(OhemConfig),
    /// [`focal`].
    Focal(FocalConfig),
    /// [`quality_focal`].
    QualityFocal(QualityFocalConfig),
    /// [`varifocal`].
    Varifocal(VarifocalConfig),
    /// [`ghm_r`].
    GhmR {
        /// Where ASL1 turns from square to linear.
        mu: f32,
        /// The density.
        density: DensityConfig,
    },
    /// [`ghm_r`] by the exact density.
    GhmRExact {
        /// Where ASL1 turns from square to linear.
        mu: f32,
        /// The density.
        density: ExactDensity,
    },
    /// [`asl1`].
    Asl1 {
        /// Where it turns from square to linear.
        mu: f32,
    },
    /// [`smooth_l1`].
    SmoothL1 {
        /// Where it turns from square to linear.
        beta: f32,
    },
    /// [`l1`].
    L1,
    /// [`balanced_l1`].
    BalancedL1(BalancedL1Config),
    /// [`giou`].
    Giou,
    /// [`diou`].
    Diou,
    /// [`ciou`].
    Ciou,
}

/// What a loss compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Logits with targets from 0 to 1, element by element.
    Elements,
    /// Rows of logits with one class each.
    Rows,
    /// Predictions with any numbers, element by element.
    Differences,
    /// Boxes of four corners.
    Boxes,
}

/// A loss, and its density where it has one: a plain value.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    config: LossConfig,
    density: Option<GradientDensity>,
}

/// ASL1's `mu` in the paper.
const MU: f32 = 0.02;

impl LossConfig {
    /// Every loss at its default settings: those of its source (see `docs/ghm.md`), which OHEM alone does not give for
    /// single elements; here it is the ratio of SSD.
    pub fn defaults() -> Vec<Self> {
        let ghm_r = DensityConfig { bins: 10, momentum: 0.7, ..DensityConfig::default() };
        vec![
            Self::GhmC(DensityConfig::default()),
            Self::GhmCExact(ExactDensity { bins: 30, cap: None }),
            Self::SoftmaxGhmC { norm: SoftmaxNorm::default(), density: DensityConfig::default() },
            Self::SoftmaxCrossEntropy,
            Self::CrossEntropy,
            Self::BalancedCrossEntropy(BalancedCrossEntropyConfig::default()),
            Self::Ohem(OhemConfig::Ratio { ratio: 3.0, least: 0 }),
            Self::Focal(FocalConfig::default()),
            Self::QualityFocal(QualityFocalConfig::default()),
            Self::Varifocal(VarifocalConfig::default()),
            Self::GhmR { mu: MU, density: ghm_r },
            Self::GhmRExact { mu: MU, density: ExactDensity { bins: 10, cap: None } },
            Self::Asl1 { mu: MU },
            Self::SmoothL1 { beta: 1.0 / 9.0 },
            Self::L1,
            Self::BalancedL1(BalancedL1Config::default()),
            Self::Giou,
            Self::Diou,
            Self::Ciou,
        ]
    }

    /// Its name, the `kind` of a file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GhmC(_) => "ghm_c",
            Self::GhmCExact(_) => "ghm_c_exact",
            Self::SoftmaxGhmC { .. } => "softmax_ghm_c",
            Self::SoftmaxCrossEntropy => "softmax_cross_entropy",
            Self::CrossEntropy => "cross_entropy",
            Self::BalancedCrossEntropy(_) => "balanced_cross_entropy",
            Self::Ohem(_) => "ohem",
            Self::Focal(_) => "focal",
            Self::QualityFocal(_) => "quality_focal",
            Self::Varifocal(_) => "varifocal",
            Self::GhmR { .. } => "ghm_r",
            Self::GhmRExact { .. } => "ghm_r_exact",
            Self::Asl1 { .. } => "asl1",
            Self::SmoothL1 { .. } => "smooth_l1",
            Self::L1 => "l1",
            Self::BalancedL1(_) => "balanced_l1",
            Self::Giou => "giou",
            Self::Diou => "diou",
            Self::Ciou => "ciou",
        }
    }

    /// What it compares.
    pub fn kind(&self) -> Kind {
        match self {
            Self::SoftmaxGhmC { .. } | Self::SoftmaxCrossEntropy => Kind::Rows,
            Self::GhmR { .. } | Self::GhmRExact { .. } | Self::Asl1 { .. } => Kind::Differences,
            Self::SmoothL1 { .. } | Self::L1 | Self::BalancedL1(_) => Kind::Differences,
            Self::Giou | Self::Diou | Self::Ciou => Kind::Boxes,
            _ => Kind::Elements,
        }
    }

    /// The settings of its moving density, where it has one.
    pub fn density(&self) -> Option<&DensityConfig> {
        match self {
            Self::GhmC(density) | Self::SoftmaxGhmC { density, .. } | Self::GhmR { density, .. } => Some(density),
            _ => None,
        }
    }

    /// Returns the value and writes the gradient. `density` is what the losses with a moving density are divided by; the
    /// others do not look at it.
    ///
    /// # Errors
    /// Those of the loss; [`LossError::NoDensity`] where one is needed and missing.
    pub fn forward<'o, T: Real>(
        &self,
        examples: &Examples<T>,
        density: Option<Density>,
        output: impl Into<Output<'o, T>>,
    ) -> Result<f64, LossError> {
        let needed = || density.ok_or(LossError::NoDensity { loss: self.name() });
        match self {
            Self::GhmC(_) => ghm_c(examples, needed()?, output),
            Self::SoftmaxGhmC { norm, .. } => softmax_ghm_c(examples, *norm, needed()?, output),
            Self::GhmR { mu, .. } => ghm_r(examples, *mu, needed()?, output),
            Self::GhmCExact(density) => ghm_c(examples, *density, output),
            Self::GhmRExact { mu, density } => ghm_r(examples, *mu, *density, output),
            Self::SoftmaxCrossEntropy => softmax_cross_entropy(examples, output),
            Self::CrossEntropy => cross_entropy(examples, output),
            Self::BalancedCrossEntropy(config) => balanced_cross_entropy(examples, config, output),
            Self::Ohem(config) => ohem(examples, *config, output),
            Self::Focal(config) => focal(examples, *config, output),
            Self::QualityFocal(config) => quality_focal(examples, *config, output),
            Self::Varifocal(config) => varifocal(examples, *config, output),
            Self::Asl1 { mu } => asl1(examples, *mu, output),
            Self::SmoothL1 { beta } => smooth_l1(examples, *beta, output),
            Self::L1 => l1(examples, output),
            Self::BalancedL1(config) => balanced_l1(examples, *config, output),
            Self::Giou => giou(examples, output),
            Self::Diou => diou(examples, output),
            Self::Ciou => ciou(examples, output),
        }
    }

    /// The counts that the density of the loss takes in.
    ///
    /// # Errors
    /// Those of [`Counts`]; [`LossError::NoDensity`] for a loss without a moving density.
    pub fn count<T: Real>(&self, examples: &Examples<T>) -> Result<Counts, LossError> {
        match self {
            Self::GhmC(density) => Counts::of_logits(examples, density),
            Self::SoftmaxGhmC { norm, density } => Counts::of_rows(examples, *norm, density),
            Self::GhmR { mu, density } => Counts::of_predictions(examples, *mu, density),
            _ => Err(LossError::NoDensity { loss: self.name() }),
        }
    }

    /// The loss, with a density that has seen nothing.
    ///
    /// # Errors
    /// [`LossError::Setting`] for settings of the density outside their range; the others are checked in each call.
    pub fn init(self) -> Result<Loss, LossError> {
        let density = self.density().map(|density| GradientDensity::new(*density)).transpose()?;
        Ok(Loss { config: self, density })
    }
}

impl Loss {
    /// Its settings.
    pub fn config(&self) -> &LossConfig {
        &self.config
    }

    /// Its density, to be saved.
    pub fn density(&self) -> Option<&GradientDensity> {
        self.density.as_ref()
    }

    /// Goes on from a saved density. Returns false, and changes nothing, where that has other settings.
    pub fn restore(&mut self, density: Option<GradientDensity>) -> bool {
        let settings = |density: &Option<GradientDensity>| density.as_ref().map(|density| *density.config());
        let fits = settings(&self.density) == settings(&density);
        if fits {
            self.density = density;
        }
        fits
    }

    /// Returns the value and writes the gradient.
    ///
    /// # Errors
    /// Those of the loss.
    pub fn forward<'o, T: Real>(
        &mut self,
        examples: &Examples<T>,
        output: impl Into<Output<'o, T>>,
    ) -> Result<f64, LossError> {
        self.config.forward(examples, self.density.as_mut().map(Density::from), output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_at_its_defaults_is_written_by_its_name_and_read_again() {
        for config in LossConfig::defaults() {
            let value = serde_json::to_value(&config).unwrap();
            assert_eq!(value["kind"], config.name());
            assert_eq!(serde_json::from_value::<LossConfig>(value).unwrap(), config);
        }
    }
}
