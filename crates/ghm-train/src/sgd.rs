//! Stochastic gradient descent with momentum in one pass over a parameter on the CPU; tensor operations elsewhere.
//!
//! `g = gradient + weight_decay p`, `v = momentum v + g` (`g` at first), `p = p - rate v`: burn's rule without dampening,
//! which is a dozen passes over memory on one thread. The state is recorded under burn's names.

use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource, join_path};
use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use crate::host;

/// Elements that one thread takes at a time.
const CHUNK: usize = 1 << 15;

/// The rule.
#[derive(Clone, Copy, Debug)]
pub struct OnePassSgd {
    /// Share of the velocity that is kept, `[0, 1)`.
    pub momentum: f32,
    /// Share of the parameter that is added to its gradient.
    pub weight_decay: f32,
}

/// The history of a parameter.
#[derive(Clone)]
pub struct SgdState<const D: usize> {
    /// None without momentum.
    velocity: Option<Tensor<D>>,
}

impl<const D: usize> RecordState for SgdState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        if let Some(velocity) = &self.velocity {
            out.push_tensor(&join_path(prefix, "momentum"), "velocity", velocity.to_data());
        }
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        let velocity = src.take_tensor(&join_path(prefix, "momentum"), "velocity");
        Some(Self { velocity: velocity.map(|velocity| Tensor::from_data(velocity, device)) })
    }
}

impl OnePassSgd {
    fn step_elsewhere<const D: usize>(
        &self,
        rate: f64,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        velocity: Option<Tensor<D>>,
    ) -> (Tensor<D>, Tensor<D>) {
        let gradient = gradient + tensor.clone().mul_scalar(self.weight_decay);
        let velocity = match velocity {
            Some(velocity) => velocity.mul_scalar(self.momentum) + gradient,
            None => gradient,
        };
        (tensor - velocity.clone().mul_scalar(rate), velocity)
    }
}

impl Optimizer for OnePassSgd {
    type State<const D: usize> = SgdState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let velocity = state.and_then(|state| state.velocity);
        let kept = |velocity| SgdState { velocity: (self.momentum > 0.0).then_some(velocity) };
        if !host::on_host(&tensor) {
            let (tensor, velocity) = self.step_elsewhere(lr, tensor, grad, velocity);
            return (tensor, Some(kept(velocity)));
        }
        let (device, shape) = (tensor.device(), tensor.shape());
        let (mut parameter, mut gradient) = (host::take(tensor), host::take(grad));
        let Self { momentum, weight_decay } = *self;
        let rate = lr as f32;
        match velocity {
            None => parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks_mut(CHUNK)).for_each(|(p, g)| {
                for (p, g) in p.iter_mut().zip(g) {
                    *g += weight_decay * *p;
                    *p -= rate * *g;
                }
            }),
            Some(velocity) => {
                let mut velocity = host::take(velocity);
                let chunks = parameter.par_chunks_mut(CHUNK).zip(velocity.par_chunks_mut(CHUNK));
                chunks.zip(gradient.par_chunks(CHUNK)).for_each(|((p, v), g)| {
                    for ((p, v), g) in p.iter_mut().zip(v).zip(g) {
                        *v = momentum * *v + (g + weight_decay * *p);
                        *p -= rate * *v;
                    }
                });
                gradient = velocity;
            }
        }
        let back = |elements: Vec<f32>| host::give(elements, shape.clone(), &device);
        (back(parameter), Some(kept(back(gradient))))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        SgdState { velocity: state.velocity.map(|velocity| velocity.to_device(device)) }
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::decay::WeightDecayConfig;
    use burn::optim::momentum::MomentumConfig;
    use burn::optim::{ModuleOptimizer, SgdConfig};

    use super::*;

    #[test]
    fn updates_equal_burns_own_here_and_elsewhere() {
        let device = Device::flex();
        let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
        let decay = WeightDecayConfig::new(0.05);
        let burns = SgdConfig::new().with_momentum(Some(momentum)).with_weight_decay(Some(decay)).build();
        let rule = OnePassSgd { momentum: 0.9, weight_decay: 0.05 };
        let start = Tensor::<2>::from_floats([[1.0, -2.0], [0.5, 3.0]], &device);
        let (mut ours, mut theirs, mut our_state, mut their_state) = (start.clone(), start.clone(), None, None);
        let (mut elsewhere, mut velocity) = (start, None);
        for step in 1..6 {
            let gradient = ours.clone().sin() * step as f32;
            let (moved, kept) = rule.step_elsewhere(0.1, elsewhere, gradient.clone(), velocity);
            (elsewhere, velocity) = (moved, Some(kept));
            (ours, our_state) = rule.step(0.1, ours, gradient.clone(), our_state);
            (theirs, their_state) = burns.step(0.1, theirs, gradient, their_state);
        }
        for other in [theirs, elsewhere] {
            let worst = (ours.clone() - other).abs().max().into_scalar::<f32>();
            assert!(worst < 1e-5, "{worst}");
        }
    }

    #[test]
    fn a_history_saved_by_burns_own_is_read() {
        let device = Device::flex();
        let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
        let network = crate::gradient_norm::tests::network();
        let gradients = || {
            let gradients = crate::gradient_norm::tests::gradients(&network, 0.0);
            burn::optim::GradientsParams::from_grads(gradients, &network)
        };
        let mut burns = SgdConfig::new().with_momentum(Some(momentum)).init();
        burns.step(0.1, network.clone(), gradients());
        let bytes = burns.into_bytes().unwrap();
        let ours = ModuleOptimizer::from(OnePassSgd { momentum: 0.9, weight_decay: 0.0 });
        let mut restored = ours.from_bytes(bytes).unwrap();
        let parameters = |network| {
            let tensors = ghm_detector::names::named_tensors(&network);
            tensors.into_iter().flat_map(|tensor| tensor.values).collect::<Vec<f32>>()
        };
        let found = parameters(restored.step(0.1, network.clone(), gradients()));
        let expected = parameters(burns.step(0.1, network.clone(), gradients()));
        let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let moved = found.iter().zip(&parameters(network)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5 * moved.max(1.0), "{worst} of {moved} on {device:?}");
    }
}
