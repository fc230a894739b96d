//! The convolution on burn tensors: our kernel on the CPU device, burn's own elsewhere.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, FloatDType, Tensor, activation, module};
use rayon::prelude::*;

use crate::geometry::{Activation, ConvSpec, Geometry};
use crate::kernel::{self, BackwardInput, Finish, Wanted};
use crate::norm_kernel::sum;
use crate::primitive::{flex, flex_tracked, runs_here, tensor, values};
use crate::relu::before_activation;

/// Channels that one thread adds up at a time.
const CHANNELS_A_JOB: usize = 16;

/// What follows the product in the same pass: `activation(scale * product + bias + residual)`.
#[derive(Clone, Debug)]
pub struct Epilogue {
    /// A constant factor for each output channel, `[O]`: a frozen norm. It gets no gradient.
    pub scale: Option<Tensor<1>>,
    /// `[O]`.
    pub bias: Option<Tensor<1>>,
    /// What a residual connection adds, `[N, O, OH, OW]`.
    pub residual: Option<Tensor<4>>,
    /// Applied last.
    pub activation: Activation,
}

impl Epilogue {
    /// Only an activation.
    pub fn new(activation: Activation) -> Self {
        Self { scale: None, bias: None, residual: None, activation }
    }
}

/// 2D convolution with its epilogue in one operation; gradients of `x`, `weight`, bias and residual.
///
/// # Shapes
/// `x [N, I, H, W]`, whose type the result has, `weight [O, I / groups, KH, KW]`; result `[N, O, OH, OW]` with `OH = (H + 2 padding - KH) / stride + 1`.
///
/// # Panics
/// When the input channels differ, the groups do not divide the channels or the kernel does not fit the padded picture.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, epilogue: Epilogue, spec: ConvSpec) -> Tensor<4> {
    if !(runs_here(&x) && runs_here(&weight)) {
        return conv2d_of_burn(x, weight, epilogue, spec);
    }
    let residual_tracked = epilogue.residual.as_ref().is_some_and(|r| r.is_autodiff());
    match x.is_autodiff() || weight.is_autodiff() || residual_tracked {
        true => tracked(x, weight, epilogue, spec),
        false => plain(x, weight, epilogue, spec),
    }
}

fn conv2d_of_burn(x: Tensor<4>, weight: Tensor<4>, epilogue: Epilogue, spec: ConvSpec) -> Tensor<4> {
    let options = ConvOptions::new([spec.stride; 2], [spec.padding; 2], [1, 1], spec.groups);
    let weight = match epilogue.scale {
        Some(scale) => weight * scale.reshape([-1, 1, 1, 1]),
        None => weight,
    };
    // Weights stay in single precision; what is computed is in the type of the picture.
    let dtype = x.dtype();
    let (weight, bias) = (in_type(weight, dtype), epilogue.bias.map(|bias| in_type(bias, dtype)));
    let mut y = module::conv2d(x, weight, bias, options);
    if let Some(residual) = epilogue.residual {
        y = y + in_type(residual, dtype);
    }
    match epilogue.activation {
        Activation::None => y,
        Activation::Relu => activation::relu(y),
    }
}

fn in_type<const D: usize>(tensor: Tensor<D>, dtype: DType) -> Tensor<D> {
    match dtype {
        _ if tensor.dtype() == dtype => tensor,
        DType::BF16 => tensor.cast(FloatDType::BF16),
        DType::F16 => tensor.cast(FloatDType::F16),
        _ => tensor.cast(FloatDType::F32),
    }
}

fn plain(x: Tensor<4>, weight: Tensor<4>, epilogue: Epilogue, spec: ConvSpec) -> Tensor<4> {
    let geometry = Geometry::new(x.dims(), weight.dims(), spec);
    let operands = Operands {
        x: flex(x),
        weight: flex(weight),
        scale: epilogue.scale.map(flex),
        bias: epilogue.bias.map(flex),
        residual: epilogue.residual.map(flex),
    };
    Tensor::from_primitive::<Flex>(operands.run(&geometry, epilogue.activation))
}

fn tracked(x: Tensor<4>, weight: Tensor<4>, epilogue: Epilogue, spec: ConvSpec) -> Tensor<4> {
    let geometry = Geometry::new(x.dims(), weight.dims(), spec);
    // Constants stand in the graph for what is absent, so that one backward serves all.
    let nothing = |x: &Tensor<4>| Tensor::<1>::zeros([1], &x.device());
    let absent = nothing(&x);
    let (x, weight) = (flex_tracked(x), flex_tracked(weight));
    let bias = epilogue.bias.map(flex_tracked);
    let residual = epilogue.residual.map(flex_tracked);
    let absent = flex_tracked(absent);
    let nodes =
        [x.node(), weight.node(), bias.as_ref().unwrap_or(&absent).node(), residual.as_ref().unwrap_or(&absent).node()];
    let operands = Operands {
        x: x.into_primitive().to_contiguous(),
        weight: weight.into_primitive().to_contiguous(),
        scale: epilogue.scale.map(flex),
        bias: bias.map(|b| b.into_primitive().to_contiguous()),
        residual: residual.map(|r| r.into_primitive().to_contiguous()),
    };
    let y = operands.run(&geometry, epilogue.activation);
    let output = match ConvBackward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let activated = (epilogue.activation == Activation::Relu).then(|| y.clone());
            let Operands { x, weight, scale, .. } = operands;
            prep.finish(State { geometry, x, weight, scale, activated }, y)
        }
        OpsKind::UnTracked(prep) => prep.finish(y),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

/// Contiguous inputs of one convolution.
struct Operands {
    x: FlexTensor,
    weight: FlexTensor,
    scale: Option<FlexTensor>,
    bias: Option<FlexTensor>,
    residual: Option<FlexTensor>,
}

impl Operands {
    fn run(&self, g: &Geometry, activation: Activation) -> FlexTensor {
        let finish = Finish {
            scale: self.scale.as_ref().map(values),
            bias: self.bias.as_ref().map(values),
            residual: self.residual.as_ref().map(values),
            activation,
        };
        let y = kernel::forward(g, values(&self.x), values(&self.weight), finish);
        tensor(y, [g.batch, g.channels_out, g.output[0], g.output[1]])
    }
}

#[derive(Clone, Debug)]
struct State {
    geometry: Geometry,
    x: FlexTensor,
    weight: FlexTensor,
    scale: Option<FlexTensor>,
    /// The output after its ReLU: where it is 0 no gradient passes.
    activated: Option<FlexTensor>,
}

#[derive(Debug)]
struct ConvBackward;

impl Backward<Flex, 4> for ConvBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 4>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [x_node, weight_node, bias_node, residual_node] = ops.parents;
        let State { geometry: g, x, weight, scale, activated } = ops.state;
        let outgoing = before_activation(grads.consume::<Flex>(&ops.node), activated);
        let input = BackwardInput {
            x: values(&x),
            weight: values(&weight),
            scale: scale.as_ref().map(values),
            y_gradient: values(&outgoing),
        };
        let wanted = Wanted { x: x_node.is_some(), weight: weight_node.is_some() };
        let gradients = kernel::backward(&g, input, wanted);
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, tensor(gradients.x, [g.batch, g.channels_in, g.input[0], g.input[1]]));
        }
        if let Some(node) = weight_node {
            let shape = [g.channels_out, g.channels_in / g.groups, g.kernel[0], g.kernel[1]];
            grads.register::<Flex>(node.id, tensor(gradients.weight, shape));
        }
        if let Some(node) = bias_node {
            grads.register::<Flex>(node.id, tensor(channel_sums(&g, values(&outgoing)), [g.channels_out]));
        }
        if let Some(node) = residual_node {
            grads.register::<Flex>(node.id, outgoing);
        }
    }
}

fn channel_sums(g: &Geometry, outgoing: &[f32]) -> Vec<f32> {
    let planes = |channel: usize| (0..g.batch).map(move |picture| picture * g.channels_out + channel);
    let of_plane = |plane: usize| sum(&outgoing[plane * g.output_area()..][..g.output_area()]);
    let of_channel = |channel: usize| planes(channel).map(of_plane).sum::<f64>() as f32;
    (0..g.channels_out).into_par_iter().with_min_len(CHANNELS_A_JOB).map(of_channel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    struct Case {
        x: [usize; 4],
        weight: [usize; 4],
        spec: ConvSpec,
        activation: Activation,
    }

    fn case(x: [usize; 4], weight: [usize; 4], stride: usize, padding: usize, activation: Activation) -> Case {
        Case { x, weight, spec: ConvSpec { stride, padding, groups: 1 }, activation }
    }

    fn grouped(case: Case, groups: usize) -> Case {
        Case { spec: ConvSpec { groups, ..case.spec }, ..case }
    }

    fn cases() -> Vec<Case> {
        use Activation::{None, Relu};
        vec![
            case([2, 3, 17, 23], [5, 3, 7, 7], 2, 3, None),
            case([3, 8, 9, 7], [6, 8, 3, 3], 1, 1, Relu),
            case([2, 8, 9, 10], [6, 8, 3, 3], 2, 1, None),
            case([4, 16, 5, 6], [8, 16, 1, 1], 1, 0, Relu),
            case([2, 16, 7, 6], [8, 16, 1, 1], 2, 0, None),
            case([2, 4, 1, 1], [3, 4, 3, 3], 1, 1, None),
            case([5, 4, 2, 3], [3, 4, 3, 3], 2, 1, Relu),
            case([2, 4, 40, 60], [3, 4, 3, 3], 1, 1, Relu),
            case([3, 4, 2, 3], [3, 4, 5, 5], 1, 2, None),
            case([2, 3, 1, 2], [3, 3, 7, 7], 1, 3, None),
            case([2, 3, 2, 1], [3, 3, 7, 7], 2, 3, None),
            case([2, 4, 6, 7], [3, 4, 3, 3], 1, 0, Relu),
            case([2, 4, 5, 4], [3, 4, 3, 3], 1, 2, None),
            case([9, 4, 12, 12], [3, 4, 3, 3], 1, 1, Relu),
            case([2, 3, 11, 10], [3, 3, 5, 5], 3, 2, Relu),
            case([2, 3, 5, 6], [3, 3, 1, 3], 1, 1, None),
            case([2, 3, 5, 6], [3, 3, 3, 1], 2, 1, None),
            case([3, 4, 20, 18], [3, 4, 3, 3], 1, 0, Relu),
            case([2, 3, 4, 5], [3, 3, 1, 1], 1, 2, None),
            grouped(case([2, 12, 9, 11], [8, 3, 3, 3], 1, 1, Relu), 4),
            grouped(case([3, 6, 10, 7], [6, 1, 3, 3], 2, 1, None), 6),
            grouped(case([1, 64, 21, 33], [64, 32, 3, 3], 1, 1, Relu), 2),
            grouped(case([2, 8, 5, 6], [4, 4, 1, 1], 1, 0, None), 2),
        ]
    }

    fn random<const D: usize>(shape: [usize; D], rng: &mut ChaCha8Rng) -> Tensor<D> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff())
    }

    fn assert_close<const D: usize>(ours: Tensor<D>, theirs: Tensor<D>, what: &str) {
        assert_eq!(ours.dims(), theirs.dims(), "{what}");
        let scale = theirs.clone().abs().max().into_scalar::<f32>().max(1.0);
        let worst = (ours - theirs).abs().max().into_scalar::<f32>();
        assert!(worst <= 2e-6 * scale * 16.0, "{what}: {worst} of {scale}");
    }

    #[test]
    fn forward_and_all_gradients_equal_burns_own() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for (index, case) in cases().into_iter().enumerate() {
            let g = Geometry::new(case.x, case.weight, case.spec);
            let x = random(case.x, &mut rng).require_grad();
            let weight = random(case.weight, &mut rng).require_grad();
            let bias = random([g.channels_out], &mut rng).require_grad();
            let y_shape = [g.batch, g.channels_out, g.output[0], g.output[1]];
            let residual = random(y_shape, &mut rng).require_grad();
            let slope = random(y_shape, &mut rng);
            let epilogue = Epilogue {
                scale: Some(random([g.channels_out], &mut rng)),
                bias: Some(bias.clone()),
                residual: Some(residual.clone()),
                activation: case.activation,
            };
            let ours = conv2d(x.clone(), weight.clone(), epilogue.clone(), case.spec);
            let theirs = conv2d_of_burn(x.clone(), weight.clone(), epilogue, case.spec);
            let our_grads = (ours.clone() * slope.clone()).sum().backward();
            let their_grads = (theirs.clone() * slope).sum().backward();
            assert_close(ours.inner(), theirs.inner(), &format!("case {index}, output"));
            for (name, t) in [("input", &x), ("weight", &weight), ("residual", &residual)] {
                let (ours, theirs) = (t.grad(&our_grads).unwrap(), t.grad(&their_grads).unwrap());
                assert_close(ours, theirs, &format!("case {index}, {name} gradient"));
            }
            let (ours, theirs) = (bias.grad(&our_grads).unwrap(), bias.grad(&their_grads).unwrap());
            assert_close(ours, theirs, &format!("case {index}, bias gradient"));
        }
    }

    #[test]
    fn results_are_the_same_bits_for_any_number_of_threads() {
        same_bits_for_any_number_of_threads(ConvSpec { stride: 1, padding: 1, groups: 1 });
        same_bits_for_any_number_of_threads(ConvSpec { stride: 2, padding: 1, groups: 1 });
    }

    fn same_bits_for_any_number_of_threads(spec: ConvSpec) {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let g = Geometry::new([4, 8, 30, 33], [6, 8, 3, 3], spec);
        let mut numbers = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let (x, weight, slope) = (numbers(4 * g.input_len()), numbers(6 * 72), numbers(4 * g.output_len()));
        let with_threads = |n: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            pool.install(|| {
                let finish = Finish { scale: None, bias: None, residual: None, activation: Activation::Relu };
                let y = kernel::forward(&g, &x, &weight, finish);
                let input = BackwardInput { x: &x, weight: &weight, scale: None, y_gradient: &slope };
                let gradients = kernel::backward(&g, input, Wanted { x: true, weight: true });
                (y, gradients.x, gradients.weight)
            })
        };
        assert_eq!(with_threads(1), with_threads(3));
    }

    #[test]
    fn a_single_small_picture_is_the_same_bits_when_its_products_are_shared_out() {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let g = Geometry::new([1, 128, 10, 12], [192, 128, 3, 3], ConvSpec { stride: 1, padding: 1, groups: 1 });
        let mut numbers = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let (x, weight, slope) = (numbers(g.input_len()), numbers(192 * g.depth()), numbers(g.output_len()));
        let with_threads = |n: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            pool.install(|| {
                let input = BackwardInput { x: &x, weight: &weight, scale: None, y_gradient: &slope };
                let gradients = kernel::backward(&g, input, Wanted { x: true, weight: true });
                let finish = Finish { scale: None, bias: None, residual: None, activation: Activation::None };
                (kernel::forward(&g, &x, &weight, finish), gradients.x, gradients.weight)
            })
        };
        assert!(with_threads(1) == with_threads(8), "the bits differ");
    }

    #[test]
    fn frozen_weights_get_no_gradient_and_the_input_still_does() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let x = random([1, 2, 4, 4], &mut rng).require_grad();
        let weight = random([2, 2, 3, 3], &mut rng);
        let spec = ConvSpec { stride: 1, padding: 1, groups: 1 };
        let y = conv2d(x.clone(), weight.clone(), Epilogue::new(Activation::None), spec);
        let gradients = y.sum().backward();
        assert!(x.grad(&gradients).is_some());
        assert!(weight.grad(&gradients).is_none());
    }

    #[test]
    fn without_autodiff_the_same_numbers_come_out() {
        let mut rng = ChaCha8Rng::seed_from_u64(10);
        let (x, weight) = (random([2, 3, 8, 8], &mut rng), random([4, 3, 3, 3], &mut rng));
        let spec = ConvSpec { stride: 2, padding: 1, groups: 1 };
        let run = |x, weight| conv2d(x, weight, Epilogue::new(Activation::Relu), spec);
        assert_close(run(x.clone().inner(), weight.clone().inner()), run(x, weight).inner(), "output");
    }
}
