//! Which losses, with which options: what a recipe says under `loss`.

use ghm_loss::{DensityConfig, Ema, FocalConfig, Normalise};
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
    /// Focal loss (Lin et al. 2017).
    Focal,
    /// Sigmoid cross entropy.
    CrossEntropy,
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
    /// Focal: weight of the positives.
    pub alpha: f32,
    /// Focal: focusing exponent.
    pub gamma: f32,
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
            alpha: 0.25,
            gamma: 2.0,
        }
    }
}

impl ClassificationConfig {
    /// The density's options.
    pub fn density(&self) -> DensityConfig {
        DensityConfig { bins: self.bins, momentum: self.momentum, normalise: self.normalise, ema: self.ema }
    }

    /// Focal loss's options.
    pub fn focal(&self) -> FocalConfig {
        FocalConfig { alpha: self.alpha, gamma: self.gamma }
    }
}

/// Kinds of box regression loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegressionKind {
    /// GHM-R over the authentic smooth L1 (Li et al. 2019).
    Ghm,
    /// Smooth L1 (Girshick 2015).
    SmoothL1,
    /// L1.
    L1,
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
    /// GHM: where the authentic smooth L1 turns from square to linear, above 0.
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
            beta: 0.11,
        }
    }
}

impl RegressionConfig {
    /// The density's options.
    pub fn density(&self) -> DensityConfig {
        DensityConfig { bins: self.bins, momentum: self.momentum, normalise: self.normalise, ema: self.ema }
    }

    /// The factor on the loss.
    pub fn weight(&self) -> f32 {
        self.weight.unwrap_or(if self.kind == RegressionKind::Ghm { 10.0 } else { 1.0 })
    }
}

/// Both losses of a detector; the defaults are the published GHM settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Over every anchor and class.
    pub classification: ClassificationConfig,
    /// Over the positive anchors' offsets.
    pub regression: RegressionConfig,
}
