//! One head: a tower of 3x3 convolutions and an output convolution, shared by all levels (Lin et al. 2017b, section 4).

use burn::module::Module;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use ghm_conv::Activation;
use rand_chacha::ChaCha8Rng;

use crate::config::{HeadNorm, ModelConfig, NormKind};
use crate::layers::{Conv, ConvShape, Start};
use crate::norm::Norm;
use crate::onnx::graph::{Graph, Value};
use crate::part::{Sketch, Work};

/// Epsilon of the towers' norms.
const EPSILON: f64 = 1e-5;

/// A head with `outputs` numbers for each anchor.
#[derive(Module, Debug)]
pub struct Head {
    tower: Vec<Conv>,
    norms: Vec<Norm>,
    output: Conv,
    #[module(skip)]
    outputs: usize,
    /// Whether the output is in single precision whatever the tower is in.
    #[module(skip)]
    full_output: bool,
}

impl Head {
    /// Fresh weights (normal, 0.01); the output's bias starts at `bias`.
    pub fn new(config: &ModelConfig, outputs: usize, bias: f32, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let channels = config.channels;
        let mut conv = |channels_out, bias| {
            let shape = ConvShape { channels_in: channels, channels_out, kernel: 3, stride: 1, groups: 1 };
            Conv::new(shape, Start::Normal(0.01), bias, rng, device)
        };
        // A norm's shift takes the place of a bias before it.
        let bias_in_tower = (config.head_norm == HeadNorm::None).then_some(0.0);
        let tower = (0..config.head_depth).map(|_| conv(channels, bias_in_tower)).collect();
        let output = conv(config.anchors.per_cell() * outputs, Some(bias));
        let norms = match config.head_norm {
            HeadNorm::None => Vec::new(),
            HeadNorm::Group => {
                (0..config.head_depth).map(|_| Norm::new(NormKind::Group, channels, EPSILON, device)).collect()
            }
        };
        Self { tower, norms, output, outputs, full_output: false }
    }

    /// The same with its output in single precision whatever the tower is in.
    #[must_use]
    pub fn with_full_output(self) -> Self {
        Self { full_output: true, ..self }
    }

    /// `x [N, channels, H, W]` to `[N, H * W * anchors, outputs]`, cell by cell in reading order.
    pub fn forward(&self, mut x: Tensor<4>) -> Tensor<3> {
        for (index, conv) in self.tower.iter().enumerate() {
            x = match self.norms.get(index) {
                None => conv.forward(x, None, Activation::Relu),
                Some(norm) => norm.forward(conv.forward(x, None, Activation::None), None, Activation::Relu),
            };
        }
        if self.full_output && x.dtype() != DType::F32 {
            x = x.cast(FloatDType::F32);
        }
        let y = self.output.forward(x, None, Activation::None); // [N, anchors * outputs, H, W]
        let [n, channels, h, w] = y.dims();
        y.permute([0, 2, 3, 1]).reshape([n, h * w * (channels / self.outputs), self.outputs])
    }

    /// [`Head::forward`] in a graph.
    pub(crate) fn trace(&self, graph: &mut Graph, x: &Value) -> Value {
        let mut x = x.clone();
        for (index, conv) in self.tower.iter().enumerate() {
            x = match self.norms.get(index) {
                None => conv.trace(graph, &x, Activation::Relu),
                Some(norm) => {
                    let y = conv.trace(graph, &x, Activation::None);
                    let y = norm.trace(graph, &y);
                    graph.activated(y, Activation::Relu)
                }
            };
        }
        let y = self.output.trace(graph, &x, Activation::None);
        let y = graph.transpose(&y, &[0, 2, 3, 1]);
        graph.reshape(&y, &[0, -1, self.outputs as i64])
    }

    /// What one level takes.
    pub(crate) fn sketch(&self, map: Sketch) -> Work {
        let mut work = Work::default();
        let map = self.tower.iter().fold(map, |map, conv| {
            let map = conv.sketch(map, &mut work);
            if !self.norms.is_empty() {
                work.kept += map.kept(conv.channels_out());
            }
            map
        });
        self.output.sketch(map, &mut work);
        work
    }
}
