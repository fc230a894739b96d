//! One update: gradients accumulated, clipped by their global norm, applied.

use burn::module::{ModuleVisitor, Param};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::prelude::Module;
use burn::tensor::{Bytes, Gradients, Tensor};
use ghm_detector::RetinaNet;

use crate::adamw::OnePassAdamW;
use crate::recipe::{OptimiserConfig, OptimiserKind};

/// The update rule with its state.
pub struct Optimiser {
    rule: ModuleOptimizer,
    clip_norm: f64,
    accumulated: GradientsAccumulator<RetinaNet>,
}

impl Optimiser {
    /// A rule without history.
    pub fn new(config: &OptimiserConfig) -> Self {
        let rule = match config.kind {
            OptimiserKind::Sgd => {
                // burn damps by 0.1 unless told otherwise; plain momentum does not.
                let momentum = MomentumConfig::new().with_momentum(config.momentum).with_dampening(0.0);
                SgdConfig::new()
                    .with_momentum((config.momentum > 0.0).then_some(momentum))
                    .with_weight_decay(
                        (config.weight_decay > 0.0).then(|| WeightDecayConfig::new(config.weight_decay as f32)),
                    )
                    .init()
            }
            OptimiserKind::Adamw => OnePassAdamW::new(config.weight_decay).into(),
        };
        Self { rule, clip_norm: config.clip_norm, accumulated: GradientsAccumulator::new() }
    }

    /// Adds the gradients of one batch to those that wait.
    pub fn accumulate(&mut self, network: &RetinaNet, gradients: Gradients) {
        self.accumulated.accumulate(network, GradientsParams::from_grads(gradients, network));
    }

    /// The L2 norm of all waiting gradients together, and the gradients, no longer than the limit.
    pub fn clipped(&mut self, network: &RetinaNet) -> (f64, GradientsParams) {
        let mut gradients = self.accumulated.grads();
        let norm = global_norm(network, &gradients);
        if self.clip_norm > 0.0 && norm > self.clip_norm {
            let factor = (self.clip_norm / norm) as f32;
            network.visit(&mut Scale { gradients: &mut gradients, factor });
        }
        (norm, gradients)
    }

    /// Applies gradients.
    pub fn update(&mut self, network: RetinaNet, gradients: GradientsParams, learning_rate: f64) -> RetinaNet {
        self.rule.step(learning_rate, network, gradients)
    }

    /// The history, to be saved.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        self.rule.into_bytes().map(|bytes| bytes.to_vec()).map_err(|e| e.to_string())
    }

    /// A rule that goes on from a saved history.
    pub fn restored(self, bytes: Vec<u8>) -> Result<Self, String> {
        let rule = self.rule.from_bytes(Bytes::from_bytes_vec(bytes)).map_err(|e| e.to_string())?;
        Ok(Self { rule, ..self })
    }
}

fn global_norm(network: &RetinaNet, gradients: &GradientsParams) -> f64 {
    let mut visitor = SquareSum { gradients, sum: 0.0 };
    network.visit(&mut visitor);
    visitor.sum.sqrt()
}

struct SquareSum<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for SquareSum<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let square = (gradient.clone() * gradient).sum().into_scalar::<f32>();
            self.sum += f64::from(square);
        }
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f32,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient.mul_scalar(self.factor));
        }
    }
}
