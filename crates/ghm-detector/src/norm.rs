//! Normalisation of a convolution's output.

use std::sync::{Arc, Mutex};

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, FloatDType, Tensor, module};
use ghm_conv::{Activation, NormParameters, batch_norm_training, group_norm};

use crate::config::NormKind;
use crate::host::numbers;
use crate::onnx::graph::{Graph, Value};

/// Groups of a group norm, where the channels allow.
const GROUPS: usize = 32;

/// Share of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// A norm over channels: `weight * (x - mean) / sqrt(variance + epsilon) + bias`.
#[derive(Module, Debug)]
pub struct Norm {
    /// `[C]`.
    pub weight: Param<Tensor<1>>,
    /// `[C]`.
    pub bias: Param<Tensor<1>>,
    /// `[C]`; batch norms only.
    pub running_mean: Option<Param<Tensor<1>>>,
    /// `[C]`; batch norms only.
    pub running_var: Option<Param<Tensor<1>>>,
    #[module(skip)]
    kind: NormKind,
    #[module(skip)]
    epsilon: f64,
    /// Statistics of the batches since the last [`Norm::fold_statistics`], newest last.
    #[module(skip)]
    pending: Arc<Mutex<Vec<(Tensor<1>, Tensor<1>)>>>,
}

impl Norm {
    /// A norm that starts as the identity of normalised input.
    pub fn new(kind: NormKind, channels: usize, epsilon: f64, device: &Device) -> Self {
        let ones = || Param::from_tensor(Tensor::ones([channels], device));
        let zeros = || Param::from_tensor(Tensor::zeros([channels], device));
        let fixed = |p: Param<Tensor<1>>| p.set_require_grad(false);
        let (weight, bias) = match kind {
            NormKind::FrozenBatch => (fixed(ones()), fixed(zeros())),
            _ => (ones(), zeros()),
        };
        let running = kind != NormKind::Group;
        Self {
            weight,
            bias,
            running_mean: running.then(|| fixed(zeros())),
            running_var: running.then(|| fixed(ones())),
            kind,
            epsilon,
            pending: Arc::default(),
        }
    }

    /// The constant scale and shift of a norm that takes no statistics of the batch; `None` for the others.
    pub fn folded(&self) -> Option<(Tensor<1>, Tensor<1>)> {
        if self.weight.val().is_require_grad() { None } else { self.in_evaluation() }
    }

    /// Scale and shift by the running statistics, as in evaluation; `None` for a norm that has none.
    pub fn in_evaluation(&self) -> Option<(Tensor<1>, Tensor<1>)> {
        match (&self.running_mean, &self.running_var) {
            (Some(mean), Some(variance)) => {
                let scale = self.weight.val() / (variance.val() + self.epsilon).sqrt();
                Some((scale.clone(), self.bias.val() - mean.val() * scale))
            }
            _ => None,
        }
    }

    /// Normalises `x [N, C, H, W]`, adds `residual`, applies `activation`; batch norm takes the batch's own statistics
    /// while its parameters are trained.
    pub fn forward(&self, x: Tensor<4>, residual: Option<Tensor<4>>, activation: Activation) -> Tensor<4> {
        if x.dtype() == DType::BF16 {
            // Sums over a map are lost in eight bits.
            let residual = residual.map(|residual| residual.cast(FloatDType::F32));
            return self.forward_full(x.cast(FloatDType::F32), residual, activation).cast(FloatDType::BF16);
        }
        self.forward_full(x, residual, activation)
    }

    fn forward_full(&self, x: Tensor<4>, residual: Option<Tensor<4>>, activation: Activation) -> Tensor<4> {
        if self.kind == NormKind::Batch && self.weight.val().is_require_grad() {
            return self.forward_training(x, residual, activation);
        }
        let (Some(mean), Some(variance)) = (&self.running_mean, &self.running_var) else {
            return self.forward_groups(x, residual, activation);
        };
        let y = module::batch_norm(x, self.weight.val(), self.bias.val(), mean.val(), variance.val(), self.epsilon);
        finish(y, residual, activation)
    }

    fn forward_training(&self, x: Tensor<4>, residual: Option<Tensor<4>>, activation: Activation) -> Tensor<4> {
        let [n, _, h, w] = x.dims();
        let count = (n * h * w) as f64;
        let parameters = NormParameters { weight: self.weight.val(), bias: self.bias.val(), epsilon: self.epsilon };
        let normalised = batch_norm_training(x, parameters, residual, activation);
        let unbiased = normalised.variance.mul_scalar(count / (count - 1.0).max(1.0));
        if let Ok(mut pending) = self.pending.lock() {
            pending.push((normalised.mean, unbiased));
        }
        normalised.output
    }

    /// A norm over groups in a graph; others are part of the convolution before them.
    pub(crate) fn trace(&self, graph: &mut Graph, x: &Value) -> Value {
        let (weight, bias) = (numbers(self.weight.val()), numbers(self.bias.val()));
        graph.group_norm(x, groups_of(weight.len()), (&weight, &bias), self.epsilon as f32)
    }

    fn forward_groups(&self, x: Tensor<4>, residual: Option<Tensor<4>>, activation: Activation) -> Tensor<4> {
        let groups = groups_of(x.dims()[1]);
        let parameters = NormParameters { weight: self.weight.val(), bias: self.bias.val(), epsilon: self.epsilon };
        match residual {
            None => group_norm(x, parameters, groups, activation),
            Some(residual) => finish(group_norm(x, parameters, groups, Activation::None), Some(residual), activation),
        }
    }

    /// Forgets what the batches since the last fold measured: they will be run again.
    pub fn drop_statistics(&self) {
        if let Ok(mut pending) = self.pending.lock() {
            pending.clear();
        }
    }

    /// Moves what the batches since the last call measured into the running statistics; call it once an update.
    pub fn fold_statistics(&mut self) {
        let batches = self.pending.lock().map(|mut p| std::mem::take(&mut *p)).unwrap_or_default();
        for (mean, variance) in batches {
            self.running_mean = self.running_mean.take().map(|p| blend(p, mean));
            self.running_var = self.running_var.take().map(|p| blend(p, variance));
        }
    }
}

/// [`GROUPS`], or as many as the channels allow.
fn groups_of(channels: usize) -> usize {
    (1..=GROUPS.min(channels)).rev().find(|groups| channels.is_multiple_of(*groups)).unwrap_or(1)
}

fn finish(y: Tensor<4>, residual: Option<Tensor<4>>, activation: Activation) -> Tensor<4> {
    let y = match residual {
        Some(residual) => y + residual,
        None => y,
    };
    match activation {
        Activation::None => y,
        Activation::Relu => burn::tensor::activation::relu(y),
    }
}

fn blend(running: Param<Tensor<1>>, batch: Tensor<1>) -> Param<Tensor<1>> {
    running.map(|old| {
        let batch = if old.is_autodiff() { Tensor::from_inner(batch) } else { batch };
        (old.mul_scalar(1.0 - MOMENTUM) + batch.mul_scalar(MOMENTUM)).detach().set_require_grad(false)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    #[test]
    fn batch_norm_in_training_has_unit_variance_and_moves_its_running_mean() {
        let device = Device::flex().autodiff();
        let mut norm = Norm::new(NormKind::Batch, 3, 1e-5, &device);
        let x = Tensor::<4>::random([2, 3, 8, 8], Distribution::Normal(5.0, 2.0), &device);
        let y = norm.forward(x, None, Activation::None);
        assert!((y.clone().powf_scalar(2.0).mean().into_scalar::<f32>() - 1.0).abs() < 1e-2);
        norm.fold_statistics();
        let mean = norm.running_mean.as_ref().unwrap().val().mean().into_scalar::<f32>();
        assert!((mean - 0.5).abs() < 0.1, "{mean}");
    }

    #[test]
    fn group_norm_has_zero_mean_in_every_picture() {
        let device = Device::flex();
        let norm = Norm::new(NormKind::Group, 64, 1e-5, &device);
        let x = Tensor::<4>::random([2, 64, 4, 4], Distribution::Normal(-3.0, 2.0), &device);
        assert!(norm.forward(x, None, Activation::None).mean().into_scalar::<f32>().abs() < 1e-4);
    }

    #[test]
    fn a_frozen_norm_folds_to_the_affine_map_it_computes() {
        let device = Device::flex();
        let mut norm = Norm::new(NormKind::FrozenBatch, 2, 1e-5, &device);
        norm.running_mean = Some(Param::from_tensor(Tensor::from_floats([1.0, -2.0], &device)));
        norm.running_var = Some(Param::from_tensor(Tensor::from_floats([4.0, 0.25], &device)));
        let x = Tensor::<4>::random([1, 2, 3, 3], Distribution::Default, &device);
        let (scale, shift) = norm.folded().unwrap();
        let folded = x.clone() * scale.reshape([1, 2, 1, 1]) + shift.reshape([1, 2, 1, 1]);
        assert!((norm.forward(x, None, Activation::None) - folded).abs().max().into_scalar::<f32>() < 1e-5);
    }
}
