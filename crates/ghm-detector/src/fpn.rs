//! The feature pyramid P3-P7 (Lin et al. 2017a, as RetinaNet uses it).

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use ghm_conv::Activation;
use rand_chacha::ChaCha8Rng;

use crate::config::{ExtraLevels, ModelConfig};
use crate::layers::{Conv, ConvShape, Start};
use crate::onnx::graph::{Graph, Value};
use crate::part::{Sketch, Work};

/// The pyramid.
#[derive(Module, Debug)]
pub struct Fpn {
    lateral: Vec<Conv>,
    output: Vec<Conv>,
    p6: Conv,
    p7: Conv,
    #[module(skip)]
    extra: ExtraLevels,
    #[module(skip)]
    extra_relu: bool,
}

impl Fpn {
    /// Fresh weights.
    pub fn new(config: &ModelConfig, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let channels = config.channels;
        let inputs = config.backbone.channels_out(config.base_channels);
        let mut conv = |channels_in, kernel, stride| {
            let shape = ConvShape { channels_in, channels_out: channels, kernel, stride, groups: 1 };
            Conv::new(shape, Start::XavierUniform, Some(0.0), rng, device)
        };
        let lateral = inputs.map(|c| conv(c, 1, 1)).into();
        let output = inputs.map(|_| conv(channels, 3, 1)).into();
        let p6_input = match config.extra_levels {
            ExtraLevels::C5 => inputs[2],
            ExtraLevels::P5 => channels,
        };
        let (p6, p7) = (conv(p6_input, 3, 2), conv(channels, 3, 2));
        Self { lateral, output, p6, p7, extra: config.extra_levels, extra_relu: config.extra_relu }
    }

    /// C3, C4, C5 to P3, ..., P7, all with the pyramid's channels; strides 8 to 128.
    pub fn forward(&self, [c3, c4, c5]: [Tensor<4>; 3]) -> [Tensor<4>; 5] {
        let lateral = |level: usize, x, above: Option<Tensor<4>>| {
            self.lateral[level].forward(x, above.map(upsample), Activation::None)
        };
        let m5 = lateral(2, c5.clone(), None);
        let m4 = lateral(1, c4, Some(m5.clone()));
        let m3 = lateral(0, c3, Some(m4.clone()));
        let output = |level: usize, x| self.output[level].forward(x, None, Activation::None);
        let (p3, p4, p5) = (output(0, m3), output(1, m4), output(2, m5));
        let p6_input = match self.extra {
            ExtraLevels::C5 => c5,
            ExtraLevels::P5 => p5.clone(),
        };
        let p6 = self.p6.forward(p6_input, None, Activation::None);
        let p7_input = if self.extra_relu { relu(p6.clone()) } else { p6.clone() };
        let p7 = self.p7.forward(p7_input, None, Activation::None);
        [p3, p4, p5, p6, p7]
    }

    /// [`Fpn::forward`] in a graph.
    pub(crate) fn trace(&self, graph: &mut Graph, [c3, c4, c5]: [Value; 3]) -> [Value; 5] {
        let m5 = self.lateral[2].trace(graph, &c5, Activation::None);
        let mut below = |level: usize, x: &Value, above: &Value| {
            let (lateral, above) = (self.lateral[level].trace(graph, x, Activation::None), graph.doubled(above));
            graph.apply("Add", &[&lateral, &above])
        };
        let m4 = below(1, &c4, &m5);
        let m3 = below(0, &c3, &m4);
        let [p3, p4, p5] =
            [(0, m3), (1, m4), (2, m5)].map(|(level, x)| self.output[level].trace(graph, &x, Activation::None));
        let p6 = self.p6.trace(graph, if self.extra == ExtraLevels::C5 { &c5 } else { &p5 }, Activation::None);
        let p7_input = graph.activated(p6.clone(), if self.extra_relu { Activation::Relu } else { Activation::None });
        let p7 = self.p7.trace(graph, &p7_input, Activation::None);
        [p3, p4, p5, p6, p7]
    }

    /// The sketches of P3 to P7, and the arithmetic.
    pub(crate) fn sketch(&self, [c3, c4, c5]: [Sketch; 3]) -> ([Sketch; 5], Work) {
        let mut work = Work::default();
        let mut above = false;
        let mut inner = [c5, c4, c3];
        for (level, map) in [2, 1, 0].into_iter().zip(&mut inner) {
            *map = self.lateral[level].sketch(*map, &mut work);
            above |= map.tracked;
            map.tracked = above;
        }
        let [m5, m4, m3] = inner;
        let c5 = Sketch { held: true, ..c5 }; // for its lateral
        let [p3, p4, p5] = [(0, m3), (1, m4), (2, m5)].map(|(level, map)| self.output[level].sketch(map, &mut work));
        let p6 = self.p6.sketch(if self.extra == ExtraLevels::C5 { c5 } else { p5 }, &mut work);
        let p7 = self.p7.sketch(p6, &mut work);
        ([p3, p4, p5, p6, p7], work)
    }
}

/// Doubles both sides of `x [N, C, H, W]` by repeating pixels.
fn upsample(x: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h, 1, w, 1]).expand([n, c, h, 2, w, 2]).reshape([n, c, 2 * h, 2 * w])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, TensorData};
    use rand::SeedableRng;

    fn outputs(extra_relu: bool) -> Vec<TensorData> {
        let device = Device::flex();
        let config = ModelConfig { channels: 8, extra_relu, ..ModelConfig::default() };
        let fpn = Fpn::new(&config, &mut ChaCha8Rng::seed_from_u64(1), &device);
        device.seed(2);
        let map = |channels, side| Tensor::random([1, channels, side, side], Distribution::Normal(0.0, 1.0), &device);
        fpn.forward([map(512, 16), map(1024, 8), map(2048, 4)]).into_iter().map(|level| level.into_data()).collect()
    }

    #[test]
    fn the_relu_before_p7_changes_p7_alone() {
        let (with, without) = (outputs(true), outputs(false));
        assert!(with[..4] == without[..4] && with[4] != without[4]);
    }
}
