//! Group norm on burn tensors, with its ReLU in the same pass.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::tensor::{Tensor, activation};

use crate::geometry::Activation;
use crate::group_kernel::{self, Groups};
use crate::norm::NormParameters;
use crate::norm_kernel::{ChannelStatistics, Maps, NormInput};
use crate::primitive::{flex_tracked, runs_here, tensor, values};
use crate::relu::before_activation;

/// Group norm of `groups` groups of channels (Wu and He 2018), then `activation`.
///
/// # Shapes
/// `x` and the result `[N, C, H, W]`, the parameters `[C]`.
///
/// # Panics
/// When `groups` does not divide the channels.
pub fn group_norm(x: Tensor<4>, parameters: NormParameters, groups: usize, activation: Activation) -> Tensor<4> {
    let channels = x.dims()[1];
    assert!(groups > 0 && channels.is_multiple_of(groups), "{channels} channels do not make {groups} groups");
    match runs_here(&x) && x.is_autodiff() {
        true => tracked(x, parameters, groups, activation),
        false => of_burn(x, parameters, groups, activation),
    }
}

fn of_burn(x: Tensor<4>, parameters: NormParameters, groups: usize, activation: Activation) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let x = x.reshape([n, groups, c / groups * h * w]);
    let centred = x.clone() - x.mean_dim(2);
    let variance = (centred.clone() * centred.clone()).mean_dim(2); // [N, groups, 1]
    let normalised = (centred / (variance + parameters.epsilon).sqrt()).reshape([n, c, h, w]);
    let y = normalised * parameters.weight.reshape([1, -1, 1, 1]) + parameters.bias.reshape([1, -1, 1, 1]);
    match activation {
        Activation::None => y,
        Activation::Relu => activation::relu(y),
    }
}

fn tracked(x: Tensor<4>, parameters: NormParameters, groups: usize, activation: Activation) -> Tensor<4> {
    let shape = x.dims();
    let maps = Maps { batch: shape[0], channels: shape[1], area: shape[2] * shape[3] };
    let groups = Groups { maps, channels: maps.channels / groups };
    let epsilon = parameters.epsilon as f32;
    let (x, weight, bias) = (flex_tracked(x), flex_tracked(parameters.weight), flex_tracked(parameters.bias));
    let nodes = [x.node(), weight.node(), bias.node()];
    let [x, weight, bias] = [x, weight, bias].map(|t| t.into_primitive().to_contiguous());
    let (y, statistics) = group_kernel::forward(
        &groups,
        NormInput { x: values(&x), weight: values(&weight), bias: values(&bias), residual: None, activation, epsilon },
    );
    let y = tensor(y, shape);
    let output = match GroupBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let activated = (activation == Activation::Relu).then(|| y.clone());
            prep.finish(State { groups, x, weight, statistics, epsilon, activated }, y)
        }
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

#[derive(Clone, Debug)]
struct State {
    groups: Groups,
    x: FlexTensor,
    weight: FlexTensor,
    statistics: Vec<ChannelStatistics>,
    epsilon: f32,
    activated: Option<FlexTensor>,
}

#[derive(Debug)]
struct GroupBackward;

impl Backward<Flex, 3> for GroupBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let State { groups, x, weight, statistics, epsilon, activated } = ops.state;
        let outgoing = before_activation(grads.consume::<Flex>(&ops.node), activated);
        let shape = outgoing.shape().dims::<4>();
        let statistics = (statistics.as_slice(), epsilon);
        let gradients = group_kernel::backward(&groups, values(&x), values(&weight), statistics, values(&outgoing));
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, tensor(gradients.x, shape));
        }
        for (node, gradient) in [(weight_node, gradients.weight), (bias_node, gradients.bias)] {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, tensor(gradient, [groups.maps.channels]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn output_and_all_gradients_equal_burns_own() {
        let device = Device::flex().autodiff();
        let random = |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Uniform(-2.0, 3.0), &device);
        for (shape, groups, activation) in [
            ([3, 8, 7, 9], 4, Activation::Relu),
            ([2, 6, 1, 1], 2, Activation::None),
            ([1, 4, 20, 21], 1, Activation::Relu),
        ] {
            let x = random(shape).require_grad();
            let [weight, bias] =
                [0, 1].map(|_| random([shape[1], 1, 1, 1]).reshape([shape[1]]).detach().require_grad());
            let slope = random(shape);
            let parameters = NormParameters { weight: weight.clone(), bias: bias.clone(), epsilon: 1e-5 };
            let ours = group_norm(x.clone(), parameters.clone(), groups, activation);
            let theirs = of_burn(x.clone(), parameters, groups, activation);
            let our_grads = (ours.clone() * slope.clone()).sum().backward();
            let their_grads = (theirs.clone() * slope).sum().backward();
            let worst = |a: Tensor<1>, b: Tensor<1>| {
                let scale = b.clone().abs().max().into_scalar::<f32>().max(1.0);
                (a - b).abs().max().into_scalar::<f32>() / scale
            };
            let count = shape.iter().product::<usize>();
            assert!(worst(ours.inner().reshape([count]), theirs.inner().reshape([count])) < 2e-5, "{shape:?}");
            let of_x = [&our_grads, &their_grads].map(|g| x.grad(g).unwrap().reshape([count]));
            let [ours, theirs] = of_x;
            assert!(worst(ours, theirs) < 2e-5, "{shape:?}: input");
            for (name, parameter) in [("weight", &weight), ("bias", &bias)] {
                let [ours, theirs] = [&our_grads, &their_grads].map(|g| parameter.grad(g).unwrap());
                assert!(worst(ours, theirs) < 2e-5, "{shape:?}: {name}");
            }
        }
    }

    #[test]
    fn every_group_of_every_picture_has_zero_mean() {
        let device = Device::flex().autodiff();
        let x = Tensor::<4>::random([2, 4, 5, 6], Distribution::Normal(-3.0, 2.0), &device);
        let parameters =
            NormParameters { weight: Tensor::ones([4], &device), bias: Tensor::zeros([4], &device), epsilon: 1e-5 };
        let means = group_norm(x, parameters, 2, Activation::None).reshape([4, 60]).mean_dim(1);
        assert!(means.abs().max().into_scalar::<f32>() < 1e-5);
    }
}
