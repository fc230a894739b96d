//! AdamW (Loshchilov and Hutter 2019) in one pass over a parameter on the CPU; burn's own elsewhere.
//!
//! burn's rule is a dozen element-wise tensor operations, each a pass over memory on one thread.

use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use crate::host;

/// Decay of the first moment.
const BETA_1: f32 = 0.9;
/// Decay of the second moment.
const BETA_2: f32 = 0.999;
/// Guards the division.
const EPSILON: f32 = 1e-8;
/// Elements that one thread takes at a time.
const CHUNK: usize = 1 << 15;

/// AdamW with the state of burn's.
#[derive(Clone)]
pub struct OnePassAdamW {
    elsewhere: AdamW,
    weight_decay: f64,
}

impl OnePassAdamW {
    /// A rule with this weight decay, beta 0.9 and 0.999, epsilon 1e-8.
    pub fn new(weight_decay: f64) -> Self {
        let config = AdamWConfig::new()
            .with_beta_1(BETA_1)
            .with_beta_2(BETA_2)
            .with_epsilon(EPSILON)
            .with_weight_decay(weight_decay as f32);
        Self { elsewhere: config.build(), weight_decay }
    }
}

/// The numbers of one update that all elements share.
struct Update {
    /// What weight decay leaves.
    keep: f32,
    /// Learning rate over the first moment's bias correction.
    rate: f32,
    /// One over the second moment's bias correction.
    correction: f32,
}

impl Update {
    fn new(learning_rate: f64, weight_decay: f64, time: usize) -> Self {
        let unbiased = |beta: f32| 1.0 - f64::from(beta).powi(time as i32);
        Self {
            keep: (1.0 - learning_rate * weight_decay) as f32,
            rate: (learning_rate / unbiased(BETA_1)) as f32,
            correction: (1.0 / unbiased(BETA_2)) as f32,
        }
    }

    fn apply(&self, [parameter, first, second]: [&mut [f32]; 3], gradient: &[f32]) {
        let moments = first.iter_mut().zip(second);
        for ((p, (m, v)), g) in parameter.iter_mut().zip(moments).zip(gradient) {
            *m = BETA_1 * *m + (1.0 - BETA_1) * g;
            *v = BETA_2 * *v + (1.0 - BETA_2) * g * g;
            *p = *p * self.keep - self.rate * *m / ((*v * self.correction).sqrt() + EPSILON);
        }
    }
}

impl Optimizer for OnePassAdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        if !host::on_host(&tensor) {
            return self.elsewhere.step(lr, tensor, grad, state);
        }
        let (device, shape, count) = (tensor.device(), tensor.shape(), tensor.shape().num_elements());
        let (time, first, second) = match state {
            Some(AdamWState { momentum: m }) => (m.time + 1, host::take(m.moment_1), host::take(m.moment_2)),
            None => (1, vec![0.0; count], vec![0.0; count]),
        };
        let (mut parameter, mut first, mut second, gradient) = (host::take(tensor), first, second, host::take(grad));
        let update = Update::new(lr, self.weight_decay, time);
        parameter
            .par_chunks_mut(CHUNK)
            .zip(first.par_chunks_mut(CHUNK))
            .zip(second.par_chunks_mut(CHUNK))
            .zip(gradient.par_chunks(CHUNK))
            .for_each(|(((p, m), v), g)| update.apply([p, m, v], g));
        let back = |elements: Vec<f32>| host::give(elements, shape.clone(), &device);
        let momentum = AdaptiveMomentumState::new(time, back(first), back(second));
        (back(parameter), Some(AdamWState::new(momentum)))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        AdamW::to_device(state, device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_equal_burns_own() {
        let device = Device::flex();
        let rule = OnePassAdamW::new(0.05);
        let start = Tensor::<2>::from_floats([[1.0, -2.0], [0.5, 3.0]], &device);
        let (mut ours, mut theirs, mut our_state, mut their_state) = (start.clone(), start, None, None);
        for step in 1..6 {
            let gradient = ours.clone().sin() * step as f32;
            (ours, our_state) = rule.step(0.01, ours, gradient.clone(), our_state);
            (theirs, their_state) = rule.elsewhere.step(0.01, theirs, gradient, their_state);
        }
        let worst = (ours - theirs).abs().max().into_scalar::<f32>();
        assert!(worst < 1e-6, "{worst}");
    }
}
