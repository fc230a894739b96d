//! What a call is told beside its tensors.

use ghm_loss::{DensityConfig, Ema, Examples, FocalConfig, LossConfig, LossError, Normalise, Targets};

use crate::terms::ElementLoss;
use crate::update::UpdateRule;

/// Which loss, with its settings: numbers that change from call to call are arguments of the kernels, not compiled in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    pub(crate) loss: ElementLoss,
    pub(crate) first: f32,
    pub(crate) second: f32,
}

/// How a density takes in the counts of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intake {
    pub(crate) rule: UpdateRule,
    /// 1 - momentum.
    pub(crate) arriving: f32,
    /// What of a constant has arrived in the moving average, where that is made up for; else 1.
    pub(crate) share: f32,
    pub(crate) cap: f32,
}

impl Terms {
    /// The element's part of `loss`; `None` where there is no kernel for it.
    ///
    /// # Errors
    /// [`LossError::Setting`] for a setting out of its range.
    pub(crate) fn of(loss: &LossConfig) -> Result<Option<Self>, LossError> {
        // The plain loss knows what a setting may be.
        let checked = |plain: LossConfig| plain.forward(&Examples::<f32>::new(&[], Targets::Dense(&[])), None, &mut []);
        let (loss, first, second) = match *loss {
            LossConfig::CrossEntropy | LossConfig::GhmC(_) => (ElementLoss::CrossEntropy, 0.0, 0.0),
            LossConfig::Focal(FocalConfig { alpha, gamma }) => {
                checked(loss.clone())?;
                (if gamma == 2.0 { ElementLoss::FocalSquared } else { ElementLoss::Focal }, alpha, gamma)
            }
            LossConfig::BalancedCrossEntropy(ref config) if config.class_weights.is_none() => {
                checked(loss.clone())?;
                (ElementLoss::Focal, config.alpha, 0.0)
            }
            LossConfig::Asl1 { mu } | LossConfig::GhmR { mu, .. } => {
                checked(LossConfig::Asl1 { mu })?;
                (ElementLoss::Asl1, mu, 0.0)
            }
            LossConfig::SmoothL1 { beta } => {
                checked(loss.clone())?;
                (ElementLoss::SmoothL1, beta, 0.0)
            }
            LossConfig::L1 => (ElementLoss::SmoothL1, 0.0, 0.0),
            _ => return Ok(None),
        };
        Ok(Some(Self { loss, first, second }))
    }
}

impl Intake {
    /// For call number `step`, from 1 on.
    pub(crate) fn new(config: &DensityConfig, step: u64) -> Self {
        let share = match config.ema {
            Ema::Released | Ema::Paper => 1.0,
            Ema::Corrected => 1.0 - config.momentum.powi(i32::try_from(step).unwrap_or(i32::MAX)),
        };
        Self {
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
