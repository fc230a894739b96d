//! What a call is told beside its tensors.

use ghm_loss::{DensityConfig, Ema, Normalise};

use crate::element::ElementLoss;
use crate::update::UpdateRule;

/// The numbers of one call. Those that change from call to call are arguments of the kernels, not compiled into them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    pub(crate) loss: ElementLoss,
    /// Where ASL1 turns from square to linear.
    pub(crate) mu: f32,
    /// On value and gradient.
    pub(crate) scale: f32,
    pub(crate) bins: usize,
    pub(crate) rule: UpdateRule,
    /// 1 - momentum.
    pub(crate) arriving: f32,
    /// What of a constant has arrived in the moving average, where that is made up for; else 1.
    pub(crate) share: f32,
    pub(crate) cap: f32,
}

impl Plan {
    /// For call number `step`, from 1 on.
    pub(crate) fn new(config: &DensityConfig, step: u64, loss: ElementLoss, mu: f32, scale: f32) -> Self {
        let share = match config.ema {
            Ema::Released | Ema::Paper => 1.0,
            Ema::Corrected => 1.0 - config.momentum.powi(i32::try_from(step).unwrap_or(i32::MAX)),
        };
        Self {
            loss,
            mu,
            scale,
            bins: config.bins,
            rule: UpdateRule {
                averaged: config.momentum > 0.0,
                keep_empty: config.ema == Ema::Released,
                nonempty: config.normalise == Normalise::Nonempty,
                capped: config.cap.is_some(),
            },
            arriving: (1.0 - config.momentum) as f32,
            share: share as f32,
            cap: config.cap.unwrap_or(1.0) as f32,
        }
    }
}
