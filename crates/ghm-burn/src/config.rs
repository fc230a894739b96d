//! Which losses, with which options: what a recipe says under `loss`.

use ghm_loss::{
    BalancedCrossEntropyConfig, BalancedL1Config, Between, DensityConfig, Ema, ExactDensity, FocalConfig, LossConfig,
    MAX_BINS, Normalise, OhemConfig, QualityFocalConfig, VarifocalConfig,
};
use serde::{Deserialize, Serialize};

/// What one density is computed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Each pyramid level by itself, one after the other through the same moving average, as the released code does.
    Level,
    /// The whole mini-batch, as the paper says.
    Batch,
}

/// Kinds of classification loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassificationKind {
    /// GHM-C (Li et al. 2019).
    Ghm,
    /// GHM-C by the exact density, of each batch by itself.
    GhmExact,
    /// Focal loss (Lin et al. 2017).
    Focal,
    /// Quality focal loss (Li et al. 2020): a positive's target is the IoU of its box.
    QualityFocal,
    /// Varifocal loss (Zhang et al. 2021), with the same targets.
    Varifocal,
    /// Sigmoid cross entropy.
    CrossEntropy,
    /// Sigmoid cross entropy, positives against negatives (Lin et al. 2017, eq. 3).
    BalancedCrossEntropy,
    /// Sigmoid cross entropy of the positives and the hardest negatives (Liu et al. 2016).
    Ohem,
}

/// The classification loss. Options of other kinds are kept and not used, so that `kind` alone can be changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassificationConfig {
    /// Which loss.
    pub kind: ClassificationKind,
    /// Factor on the loss.
    pub weight: f32,
    /// GHM: number of unit regions `M`.
    pub bins: usize,
    /// GHM: momentum of the density's moving average, `[0, 1)`; 0 is none.
    pub momentum: f64,
    /// GHM: divide by all bins (paper) or by the non-empty ones (released code).
    pub normalise: Normalise,
    /// GHM: how the moving average treats empty bins and its start.
    pub ema: Ema,
    /// GHM: what the density is computed over.
    pub scope: Scope,
    /// GHM: the most that the harmonising parameter may be, above 0; nothing holds it where absent, as published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<f64>,
    /// GHM: how the density passes from one bin to the next.
    pub between: Between,
    /// GHM: a density for each class.
    pub per_class: bool,
    /// Focal and balanced cross entropy: weight of the positives; varifocal loss: of the negatives. Where it is not given 0.25 for
    /// focal loss and 0.75 for the others, as published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f32>,
    /// Focal, quality focal, varifocal: focusing exponent.
    pub gamma: f32,
    /// OHEM: negatives for each positive.
    pub ratio: f32,
    /// OHEM: the fewest negatives of a batch.
    pub least: usize,
}

impl Default for ClassificationConfig {
    fn default() -> Self {
        Self {
            kind: ClassificationKind::Ghm,
            weight: 1.0,
            bins: 30,
            momentum: 0.75,
            normalise: Normalise::Nonempty,
            ema: Ema::Released,
            scope: Scope::Level,
            cap: None,
            between: Between::Step,
            per_class: false,
            alpha: None,
            gamma: 2.0,
            ratio: 3.0,
            least: 0,
        }
    }
}

impl ClassificationConfig {
    /// The loss over logits of `classes` classes.
    pub fn loss(&self, classes: usize) -> LossConfig {
        let Self { bins, momentum, normalise, ema, cap, between, .. } = *self;
        match self.kind {
            ClassificationKind::Ghm => {
                let classes = self.per_class.then_some(classes);
                LossConfig::GhmC(DensityConfig { bins, momentum, normalise, ema, cap, between, classes })
            }
            ClassificationKind::GhmExact => LossConfig::GhmCExact(ExactDensity { bins, cap }),
            ClassificationKind::Focal => LossConfig::Focal(FocalConfig { alpha: self.alpha(), gamma: self.gamma }),
            ClassificationKind::QualityFocal => LossConfig::QualityFocal(QualityFocalConfig { beta: self.gamma }),
            ClassificationKind::Varifocal => {
                LossConfig::Varifocal(VarifocalConfig { alpha: self.alpha(), gamma: self.gamma })
            }
            ClassificationKind::CrossEntropy => LossConfig::CrossEntropy,
            ClassificationKind::BalancedCrossEntropy => {
                let (alpha, class_weights) = (self.alpha(), None);
                LossConfig::BalancedCrossEntropy(BalancedCrossEntropyConfig { alpha, class_weights })
            }
            ClassificationKind::Ohem => LossConfig::Ohem(OhemConfig::Ratio { ratio: self.ratio, least: self.least }),
        }
    }

    /// The weight of one side.
    fn alpha(&self) -> f32 {
        let others = matches!(self.kind, ClassificationKind::BalancedCrossEntropy | ClassificationKind::Varifocal);
        self.alpha.unwrap_or(if others { 0.75 } else { 0.25 })
    }
}

/// Kinds of box regression loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegressionKind {
    /// GHM-R over the authentic smooth L1 (Li et al. 2019).
    Ghm,
    /// GHM-R by the exact density, of each batch by itself.
    GhmExact,
    /// The authentic smooth L1 (Li et al. 2019).
    Asl1,
    /// Smooth L1 (Girshick 2015).
    SmoothL1,
    /// L1.
    L1,
    /// Balanced L1 (Pang et al. 2019).
    BalancedL1,
    /// GIoU of the boxes that the offsets make (Rezatofighi et al. 2019).
    Giou,
}

/// The box regression loss. Options of other kinds are kept and not used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegressionConfig {
    /// Which loss.
    pub kind: RegressionKind,
    /// Factor on the loss; where it is not given 10 for GHM-R, as published, and 1 for the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f32>,
    /// GHM and ASL1: where the authentic smooth L1 turns from square to linear, above 0.
    pub mu: f32,
    /// GHM: number of unit regions `M`.
    pub bins: usize,
    /// GHM: momentum of the density's moving average, `[0, 1)`; 0 is none.
    pub momentum: f64,
    /// GHM: divide by all bins (paper) or by the non-empty ones (released code).
    pub normalise: Normalise,
    /// GHM: how the moving average treats empty bins and its start.
    pub ema: Ema,
    /// GHM: what the density is computed over.
    pub scope: Scope,
    /// GHM: the most that the harmonising parameter may be, above 0; nothing holds it where absent, as published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<f64>,
    /// GHM: how the density passes from one bin to the next.
    pub between: Between,
    /// Smooth L1: where square turns to linear, above 0.
    pub beta: f32,
}

impl Default for RegressionConfig {
    fn default() -> Self {
        Self {
            kind: RegressionKind::Ghm,
            weight: None,
            mu: 0.02,
            bins: 10,
            momentum: 0.7,
            normalise: Normalise::Nonempty,
            ema: Ema::Released,
            scope: Scope::Level,
            cap: None,
            between: Between::Step,
            beta: 0.11,
        }
    }
}

impl RegressionConfig {
    /// The loss over offsets.
    pub fn loss(&self) -> LossConfig {
        let Self { mu, beta, bins, momentum, normalise, ema, cap, between, .. } = *self;
        match self.kind {
            RegressionKind::Ghm => {
                let density = DensityConfig { bins, momentum, normalise, ema, cap, between, classes: None };
                LossConfig::GhmR { mu, density }
            }
            RegressionKind::GhmExact => LossConfig::GhmRExact { mu, density: ExactDensity { bins, cap } },
            RegressionKind::Asl1 => LossConfig::Asl1 { mu },
            RegressionKind::SmoothL1 => LossConfig::SmoothL1 { beta },
            RegressionKind::L1 => LossConfig::L1,
            RegressionKind::Giou => LossConfig::Giou,
            RegressionKind::BalancedL1 => LossConfig::BalancedL1(BalancedL1Config::default()),
        }
    }

    /// The factor on the loss.
    pub fn weight(&self) -> f32 {
        let harmonised = matches!(self.kind, RegressionKind::Ghm | RegressionKind::GhmExact);
        self.weight.unwrap_or(if harmonised { 10.0 } else { 1.0 })
    }
}

/// A loss option that is out of its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("loss.{key} = {value}: give {wanted}")]
pub struct OptionError {
    /// Its key under `loss`.
    pub key: &'static str,
    /// What it is.
    pub value: f64,
    /// What it may be.
    pub wanted: &'static str,
}

impl CriterionConfig {
    /// Refuses options out of their range, used or not, naming the key.
    pub fn validate(&self) -> Result<(), OptionError> {
        let (c, r) = (&self.classification, &self.regression);
        let bins = "a whole number from 1 to 10000";
        let momentum = "a number from 0 to below 1";
        let (positive, not_negative) = ("a finite number above 0", "a finite number of at least 0");
        let checks = [
            ("classification.bins", c.bins as f64, (1..=MAX_BINS).contains(&c.bins), bins),
            ("regression.bins", r.bins as f64, (1..=MAX_BINS).contains(&r.bins), bins),
            ("classification.momentum", c.momentum, (0.0..1.0).contains(&c.momentum), momentum),
            ("regression.momentum", r.momentum, (0.0..1.0).contains(&r.momentum), momentum),
            ("classification.weight", c.weight.into(), c.weight >= 0.0 && c.weight.is_finite(), not_negative),
            ("regression.weight", r.weight().into(), r.weight() >= 0.0 && r.weight().is_finite(), not_negative),
            ("classification.cap", c.cap.unwrap_or(1.0), c.cap.is_none_or(|v| v > 0.0 && v.is_finite()), positive),
            ("regression.cap", r.cap.unwrap_or(1.0), r.cap.is_none_or(|v| v > 0.0 && v.is_finite()), positive),
            ("classification.alpha", c.alpha().into(), (0.0..=1.0).contains(&c.alpha()), "a number from 0 to 1"),
            ("classification.ratio", c.ratio.into(), c.ratio >= 0.0 && c.ratio.is_finite(), not_negative),
            ("classification.gamma", c.gamma.into(), (0.0..=100.0).contains(&c.gamma), "a number from 0 to 100"),
            ("regression.mu", r.mu.into(), (1e-15..=1e15).contains(&r.mu), "a number from 1e-15 to 1e15"),
            ("regression.beta", r.beta.into(), r.beta > 0.0 && r.beta.is_finite(), positive),
        ];
        match checks.into_iter().find(|(_, _, valid, _)| !valid) {
            Some((key, value, _, wanted)) => Err(OptionError { key, value, wanted }),
            None => Ok(()),
        }
    }
}

/// Both losses of a detector; the defaults are the published GHM settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CriterionConfig {
    /// Over every anchor and class.
    pub classification: ClassificationConfig,
    /// Over the positive anchors' offsets.
    pub regression: RegressionConfig,
}
