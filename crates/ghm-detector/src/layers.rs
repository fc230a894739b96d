//! A convolution with what follows it, and how its weights start.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use ghm_conv::{Activation, ConvSpec, Epilogue, conv2d};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::config::NormKind;
use crate::host::numbers;
use crate::norm::Norm;
use crate::onnx::graph::{Graph, Value};
use crate::part::{Sketch, Work};

/// Distribution of fresh weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// Normal with variance `2 / (O * KH * KW)` (He et al. 2015, fan-out): the backbone.
    KaimingNormal,
    /// Uniform with variance `2 / (fan-in + fan-out)` (Glorot and Bengio 2010): the pyramid.
    XavierUniform,
    /// Normal with this standard deviation: the heads.
    Normal(f32),
}

impl Start {
    /// Fresh weights `[O, I, KH, KW]`; the numbers depend on nothing but the state of `rng`.
    pub fn weight(self, shape: [usize; 4], rng: &mut ChaCha8Rng, device: &Device) -> Param<Tensor<4>> {
        let area = shape[2] * shape[3];
        let (fan_in, fan_out) = ((shape[1] * area) as f32, (shape[0] * area) as f32);
        let count = shape.iter().product();
        let values: Vec<f32> = match self {
            Self::KaimingNormal => normal(count, (2.0 / fan_out).sqrt(), rng),
            Self::Normal(std) => normal(count, std, rng),
            Self::XavierUniform => {
                let bound = (6.0 / (fan_in + fan_out)).sqrt();
                (0..count).map(|_| rng.random_range(-bound..bound)).collect()
            }
        };
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
    }
}

/// Normal numbers by the Box-Muller transform.
fn normal(count: usize, std: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt() * std;
        let (sine, cosine) = (std::f32::consts::TAU * rng.random::<f32>()).sin_cos();
        values.extend([radius * cosine, radius * sine]);
    }
    values.truncate(count);
    values
}

/// Sizes of a convolution, for its constructor.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// Input channels.
    pub channels_in: usize,
    /// Output channels.
    pub channels_out: usize,
    /// Side of the square kernel; the padding is half of it.
    pub kernel: usize,
    /// Step in pixels.
    pub stride: usize,
    /// Groups of channels.
    pub groups: usize,
}

impl ConvShape {
    fn weight_shape(self) -> [usize; 4] {
        [self.channels_out, self.channels_in / self.groups, self.kernel, self.kernel]
    }

    fn spec(self) -> ConvSpec {
        ConvSpec { stride: self.stride, padding: self.kernel / 2, groups: self.groups }
    }

    /// What becomes of a map; what it takes is added to `work`.
    fn sketch(self, map: Sketch, weight: &Param<Tensor<4>>, work: &mut Work) -> Sketch {
        let trained = weight.val().is_require_grad();
        let size = map.size.map(|side| (side + 2 * (self.kernel / 2) - self.kernel) / self.stride + 1);
        let cells = (map.batch * size[0] * size[1]) as u64;
        let forward = 2 * cells * self.weight_shape().iter().product::<usize>() as u64;
        let backward = forward * (u64::from(trained) + u64::from(map.tracked));
        let tracked = map.tracked || trained;
        let output = Sketch { size, tracked, held: tracked, ..map };
        // A map that has no gradient itself is kept for that of the weights.
        let input = if trained && !map.held { map.numbers(self.channels_in) } else { 0 };
        *work += Work { forward, backward, kept: input + output.kept(self.channels_out) };
        output
    }
}

/// A convolution with a bias, or without one where a norm follows.
#[derive(Module, Debug)]
pub struct Conv {
    /// `[O, I, K, K]`.
    pub weight: Param<Tensor<4>>,
    /// `[O]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    shape: ConvShape,
}

impl Conv {
    /// Fresh weights and a constant bias, or none.
    pub fn new(shape: ConvShape, start: Start, bias: Option<f32>, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let weight = start.weight(shape.weight_shape(), rng, device);
        let bias = bias.map(|bias| Param::from_tensor(Tensor::full([shape.channels_out], bias, device)));
        Self { weight, bias, shape }
    }

    /// `x [N, I, H, W]` to `[N, O, OH, OW]`, adding `residual` of that shape and then applying `activation`.
    pub fn forward(&self, x: Tensor<4>, residual: Option<Tensor<4>>, activation: Activation) -> Tensor<4> {
        let epilogue = Epilogue { scale: None, bias: self.bias.as_ref().map(Param::val), residual, activation };
        conv2d(x, self.weight.val(), epilogue, self.shape.spec())
    }

    /// Channels of its output.
    pub fn channels_out(&self) -> usize {
        self.shape.channels_out
    }

    /// [`Conv::forward`] without a residual, in a graph.
    pub(crate) fn trace(&self, graph: &mut Graph, x: &Value, activation: Activation) -> Value {
        let (weight, bias) = (numbers(self.weight.val()), self.bias.as_ref().map(|bias| numbers(bias.val())));
        let y = graph.conv(x, (&weight, self.shape.weight_shape()), bias.as_deref(), self.shape.spec());
        graph.activated(y, activation)
    }

    /// What becomes of a map; what it takes is added to `work`.
    pub(crate) fn sketch(&self, map: Sketch, work: &mut Work) -> Sketch {
        self.shape.sketch(map, &self.weight, work)
    }
}

/// A convolution without bias, followed by a norm.
#[derive(Module, Debug)]
pub struct ConvNorm {
    /// `[O, I / groups, K, K]`.
    pub weight: Param<Tensor<4>>,
    /// Over the `O` channels.
    pub norm: Norm,
    #[module(skip)]
    shape: ConvShape,
}

impl ConvNorm {
    /// Fresh weights.
    pub fn new(shape: ConvShape, norm: (NormKind, f64), rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let weight = Start::KaimingNormal.weight(shape.weight_shape(), rng, device);
        Self { weight, norm: Norm::new(norm.0, shape.channels_out, norm.1, device), shape }
    }

    /// `x [N, I, H, W]` to `[N, O, OH, OW]`: convolution, norm, `residual` added, `activation`.
    ///
    /// A constant norm costs nothing: it is the epilogue of the convolution.
    pub fn forward(&self, x: Tensor<4>, residual: Option<Tensor<4>>, activation: Activation) -> Tensor<4> {
        let weight = self.weight.val();
        if let Some((scale, shift)) = self.norm.folded() {
            let epilogue = Epilogue { scale: Some(scale), bias: Some(shift), residual, activation };
            return conv2d(x, weight, epilogue, self.shape.spec());
        }
        let y = conv2d(x, weight, Epilogue::new(Activation::None), self.shape.spec());
        self.norm.forward(y, residual, activation)
    }

    /// Channels of its output.
    pub fn channels_out(&self) -> usize {
        self.shape.channels_out
    }

    /// [`ConvNorm::forward`] in a graph, as in evaluation: a norm with running statistics becomes part of the convolution.
    pub(crate) fn trace(
        &self,
        graph: &mut Graph,
        x: &Value,
        residual: Option<&Value>,
        activation: Activation,
    ) -> Value {
        let (mut weight, shape) = (numbers(self.weight.val()), self.shape.weight_shape());
        let y = match self.norm.in_evaluation() {
            Some((scale, shift)) => {
                let of_output = weight.len() / shape[0];
                for (filter, scale) in weight.chunks_mut(of_output.max(1)).zip(numbers(scale)) {
                    filter.iter_mut().for_each(|number| *number *= scale);
                }
                graph.conv(x, (&weight, shape), Some(&numbers(shift)), self.shape.spec())
            }
            None => {
                let y = graph.conv(x, (&weight, shape), None, self.shape.spec());
                self.norm.trace(graph, &y)
            }
        };
        let y = residual.map_or(y.clone(), |residual| graph.apply("Add", &[&y, residual]));
        graph.activated(y, activation)
    }

    /// What becomes of a map; what convolution and norm take is added to `work`.
    pub(crate) fn sketch(&self, map: Sketch, work: &mut Work) -> Sketch {
        let map = self.shape.sketch(map, &self.weight, work);
        if self.norm.folded().is_none() {
            work.kept += map.kept(self.shape.channels_out);
        }
        map
    }
}
