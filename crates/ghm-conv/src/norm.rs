//! Batch norm in training on burn tensors, with its residual and ReLU in the same pass.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::tensor::{Tensor, activation, module};

use crate::geometry::Activation;
use crate::norm_kernel::{self, ChannelStatistics, Maps, NormInput};
use crate::primitive::{flex_tracked, runs_here, tensor, values};
use crate::relu::before_activation;

/// What batch norm in training gives.
#[derive(Clone, Debug)]
pub struct Normalised {
    /// `[N, C, H, W]`.
    pub output: Tensor<4>,
    /// The batch's mean, `[C]`, without gradient.
    pub mean: Tensor<1>,
    /// The batch's biased variance, `[C]`, without gradient.
    pub variance: Tensor<1>,
}

/// The parameters of a batch norm.
#[derive(Clone, Debug)]
pub struct NormParameters {
    /// `[C]`.
    pub weight: Tensor<1>,
    /// `[C]`.
    pub bias: Tensor<1>,
    /// Added to the variance, above 0.
    pub epsilon: f64,
}

/// Batch norm by the batch's own statistics, then `residual` added, then `activation`; gradients of all of them.
///
/// # Shapes
/// `x`, `residual` and the output `[N, C, H, W]`.
pub fn batch_norm_training(
    x: Tensor<4>,
    parameters: NormParameters,
    residual: Option<Tensor<4>>,
    activation: Activation,
) -> Normalised {
    if runs_here(&x) && x.is_autodiff() {
        return tracked(x, parameters, residual, activation);
    }
    let normalised = module::batch_norm_train(x, parameters.weight, parameters.bias, parameters.epsilon);
    let output = match residual {
        Some(residual) => normalised.output + residual,
        None => normalised.output,
    };
    let output = match activation {
        Activation::None => output,
        Activation::Relu => activation::relu(output),
    };
    let (mean, variance) = (normalised.mean.without_autodiff(), normalised.variance.without_autodiff());
    Normalised { output, mean, variance }
}

fn tracked(
    x: Tensor<4>,
    parameters: NormParameters,
    residual: Option<Tensor<4>>,
    activation: Activation,
) -> Normalised {
    let shape = x.dims();
    let maps = Maps { batch: shape[0], channels: shape[1], area: shape[2] * shape[3] };
    let absent = flex_tracked(Tensor::<1>::zeros([1], &x.device()));
    let epsilon = parameters.epsilon as f32;
    let (x, residual) = (flex_tracked(x), residual.map(flex_tracked));
    let (weight, bias) = (flex_tracked(parameters.weight), flex_tracked(parameters.bias));
    let nodes = [x.node(), weight.node(), bias.node(), residual.as_ref().unwrap_or(&absent).node()];
    let [x, weight, bias] = [x, weight, bias].map(|t| t.into_primitive().to_contiguous());
    let residual = residual.map(|r| r.into_primitive().to_contiguous());
    let (y, statistics) = norm_kernel::forward(
        &maps,
        NormInput {
            x: values(&x),
            weight: values(&weight),
            bias: values(&bias),
            residual: residual.as_ref().map(values),
            activation,
            epsilon,
        },
    );
    let y = tensor(y, shape);
    let number = |pick: fn(&ChannelStatistics) -> f32| {
        let values: Vec<f32> = statistics.iter().map(pick).collect();
        Tensor::from_primitive::<Flex>(tensor(values, [maps.channels]))
    };
    let (mean, variance) = (number(|s| s.mean), number(|s| s.variance));
    let output = match NormBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let activated = (activation == Activation::Relu).then(|| y.clone());
            prep.finish(State { maps, x, weight, statistics, epsilon, activated }, y)
        }
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    Normalised { output: Tensor::from_primitive::<Autodiff<Flex>>(output), mean, variance }
}

#[derive(Clone, Debug)]
struct State {
    maps: Maps,
    x: FlexTensor,
    weight: FlexTensor,
    statistics: Vec<ChannelStatistics>,
    epsilon: f32,
    activated: Option<FlexTensor>,
}

#[derive(Debug)]
struct NormBackward;

impl Backward<Flex, 4> for NormBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 4>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [x_node, weight_node, bias_node, residual_node] = ops.parents;
        let State { maps, x, weight, statistics, epsilon, activated } = ops.state;
        let outgoing = before_activation(grads.consume::<Flex>(&ops.node), activated);
        let shape = outgoing.shape().dims::<4>();
        let statistics = (statistics.as_slice(), epsilon);
        let gradients = norm_kernel::backward(&maps, values(&x), values(&weight), statistics, values(&outgoing));
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, tensor(gradients.x, shape));
        }
        if let Some(node) = weight_node {
            grads.register::<Flex>(node.id, tensor(gradients.weight, [maps.channels]));
        }
        if let Some(node) = bias_node {
            grads.register::<Flex>(node.id, tensor(gradients.bias, [maps.channels]));
        }
        if let Some(node) = residual_node {
            grads.register::<Flex>(node.id, outgoing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random<const D: usize>(shape: [usize; D], rng: &mut ChaCha8Rng) -> Tensor<D> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-2.0..3.0)).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff()).require_grad()
    }

    fn assert_close<const D: usize>(ours: Tensor<D>, theirs: Tensor<D>, what: &str) {
        let scale = theirs.clone().abs().max().into_scalar::<f32>().max(1.0);
        let worst = (ours - theirs).abs().max().into_scalar::<f32>();
        assert!(worst <= 2e-5 * scale, "{what}: {worst} of {scale}"); // sums in single precision on burn's side
    }

    #[test]
    fn output_statistics_and_all_gradients_equal_burns_own() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for (shape, activation) in
            [([3, 5, 7, 9], Activation::Relu), ([2, 4, 1, 1], Activation::None), ([1, 2, 30, 31], Activation::Relu)]
        {
            let (x, residual) = (random(shape, &mut rng), random(shape, &mut rng));
            let (weight, bias) = (random([shape[1]], &mut rng), random([shape[1]], &mut rng));
            let slope = random(shape, &mut rng).detach();
            let parameters = NormParameters { weight: weight.clone(), bias: bias.clone(), epsilon: 1e-5 };
            let ours = batch_norm_training(x.clone(), parameters, Some(residual.clone()), activation);
            let burns = module::batch_norm_train(x.clone(), weight.clone(), bias.clone(), 1e-5);
            let sum = burns.output + residual.clone();
            let theirs = if activation == Activation::Relu { activation::relu(sum) } else { sum };
            let our_grads = (ours.output.clone() * slope.clone()).sum().backward();
            let their_grads = (theirs.clone() * slope).sum().backward();
            assert_close(ours.output.inner(), theirs.inner(), "output");
            assert_close(ours.mean, burns.mean.inner(), "mean");
            assert_close(ours.variance, burns.variance.inner(), "variance");
            for (name, t) in [("input", &x), ("residual", &residual)] {
                assert_close(t.grad(&our_grads).unwrap(), t.grad(&their_grads).unwrap(), name);
            }
            for (name, t) in [("weight", &weight), ("bias", &bias)] {
                assert_close(t.grad(&our_grads).unwrap(), t.grad(&their_grads).unwrap(), name);
            }
        }
    }
}
