//! The backbone: a ResNet or ResNeXt that gives C3, C4 and C5 (He et al. 2016; Xie et al. 2017).

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use ghm_conv::{Activation, max_pool_stem};
use rand_chacha::ChaCha8Rng;

use crate::config::{ModelConfig, Style};
use crate::layers::{ConvNorm, ConvShape};
use crate::norm::Norm;
use crate::onnx::graph::{Graph, Value};
use crate::part::{Part, Sketch, Work};

/// A residual block: two 3x3 convolutions, or a 1x1, 3x3, 1x1 bottleneck, whose 3x3 is in groups in a ResNeXt.
#[derive(Module, Debug)]
pub struct Block {
    conv1: ConvNorm,
    conv2: ConvNorm,
    conv3: Option<ConvNorm>,
    downsample: Option<ConvNorm>,
}

impl Block {
    fn new(shape: BlockShape, config: &ModelConfig, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let BlockShape { channels_in, planes, stride } = shape;
        let backbone = config.backbone;
        let (channels_out, width) = (planes * backbone.expansion(), backbone.width(planes));
        let mut grouped = |channels_in, channels_out, kernel, stride, groups| {
            let shape = ConvShape { channels_in, channels_out, kernel, stride, groups };
            ConvNorm::new(shape, (config.norm, config.norm_epsilon), rng, device)
        };
        let mut conv =
            |channels_in, channels_out, kernel, stride| grouped(channels_in, channels_out, kernel, stride, 1);
        let reshaped = stride != 1 || channels_in != channels_out;
        let downsample = reshaped.then(|| conv(channels_in, channels_out, 1, stride));
        if backbone.expansion() == 1 {
            let (conv1, conv2) = (conv(channels_in, width, 3, stride), conv(width, width, 3, 1));
            return Self { conv1, conv2, conv3: None, downsample };
        }
        let (stride1, stride3) = match config.style {
            Style::Caffe => (stride, 1),
            Style::Pytorch => (1, stride),
        };
        Self {
            conv1: conv(channels_in, width, 1, stride1),
            conv2: grouped(width, width, 3, stride3, backbone.groups()),
            conv3: Some(grouped(width, channels_out, 1, 1, 1)),
            downsample,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shortcut = match &self.downsample {
            Some(downsample) => downsample.forward(x.clone(), None, Activation::None),
            None => x.clone(),
        };
        let y = self.conv1.forward(x, None, Activation::Relu);
        match &self.conv3 {
            None => self.conv2.forward(y, Some(shortcut), Activation::Relu),
            Some(conv3) => {
                let y = self.conv2.forward(y, None, Activation::Relu);
                conv3.forward(y, Some(shortcut), Activation::Relu)
            }
        }
    }

    fn trace(&self, graph: &mut Graph, x: &Value) -> Value {
        let shortcut = match &self.downsample {
            Some(downsample) => downsample.trace(graph, x, None, Activation::None),
            None => x.clone(),
        };
        let y = self.conv1.trace(graph, x, None, Activation::Relu);
        match &self.conv3 {
            None => self.conv2.trace(graph, &y, Some(&shortcut), Activation::Relu),
            Some(conv3) => {
                let y = self.conv2.trace(graph, &y, None, Activation::Relu);
                conv3.trace(graph, &y, Some(&shortcut), Activation::Relu)
            }
        }
    }

    fn sketch(&self, map: Sketch, work: &mut Work) -> Sketch {
        let (mut map, mut shortcut) = (map, map);
        if let Some(downsample) = &self.downsample {
            let mut own = Work::default();
            shortcut = downsample.sketch(map, &mut own);
            own.kept -= shortcut.kept(downsample.channels_out()); // it is added to the branch and forgotten
            map.held |= own.kept > 0;
            *work += own;
        }
        let branch = [Some(&self.conv1), Some(&self.conv2), self.conv3.as_ref()];
        let map = branch.into_iter().flatten().fold(map, |map, conv| conv.sketch(map, work));
        Sketch { tracked: map.tracked || shortcut.tracked, ..map }
    }

    fn convolutions(&mut self) -> impl Iterator<Item = &mut ConvNorm> {
        [Some(&mut self.conv1), Some(&mut self.conv2), self.conv3.as_mut(), self.downsample.as_mut()]
            .into_iter()
            .flatten()
    }
}

#[derive(Clone, Copy)]
struct BlockShape {
    channels_in: usize,
    /// The width of a plain ResNet's block in this stage.
    planes: usize,
    stride: usize,
}

/// The backbone.
#[derive(Module, Debug)]
pub struct Resnet {
    stem: ConvNorm,
    stages: Vec<Vec<Block>>,
}

impl Resnet {
    /// Fresh weights; stages up to `config.frozen_stages` get no gradient.
    pub fn new(config: &ModelConfig, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let base = config.base_channels;
        let stem = ConvShape { channels_in: 3, channels_out: base, kernel: 7, stride: 2, groups: 1 };
        let stem = ConvNorm::new(stem, (config.norm, config.norm_epsilon), rng, device);
        let mut channels_in = base;
        let mut stages = Vec::with_capacity(4);
        for (stage, blocks) in config.backbone.blocks().into_iter().enumerate() {
            let planes = base << stage;
            let blocks = (0..blocks).map(|block| {
                let stride = if block == 0 && stage > 0 { 2 } else { 1 };
                let made = Block::new(BlockShape { channels_in, planes, stride }, config, rng, device);
                channels_in = planes * config.backbone.expansion();
                made
            });
            stages.push(blocks.collect());
        }
        Self { stem, stages }.frozen(config.frozen_stages)
    }

    fn frozen(mut self, stages: usize) -> Self {
        if stages > 0 {
            self.stem = self.stem.no_grad();
        }
        self.stages = self
            .stages
            .into_iter()
            .enumerate()
            .map(|(index, stage)| if index < stages { stage.no_grad() } else { stage })
            .collect();
        self
    }

    /// `x [N, 3, H, W]` to C3, C4, C5 `[N, C, H / s, W / s]` with strides 8, 16, 32; `done` is told of each part.
    pub fn forward(&self, x: Tensor<4>, done: &mut dyn FnMut(Part)) -> [Tensor<4>; 3] {
        let x = self.stem.forward(x, None, Activation::Relu);
        let mut x = max_pool_stem(x);
        done(Part::Stem);
        let mut outputs = Vec::with_capacity(4);
        for (stage, part) in self.stages.iter().zip(Part::STAGES) {
            for block in stage {
                x = block.forward(x);
            }
            outputs.push(x.clone());
            done(part);
        }
        [outputs[1].clone(), outputs[2].clone(), outputs[3].clone()]
    }

    /// [`Resnet::forward`] in a graph.
    pub(crate) fn trace(&self, graph: &mut Graph, x: &Value) -> [Value; 3] {
        let x = self.stem.trace(graph, x, None, Activation::Relu);
        let mut x = graph.max_pool_stem(&x);
        let [_, c3, c4, c5] = std::array::from_fn(|stage| {
            x = self.stages[stage].iter().fold(x.clone(), |x, block| block.trace(graph, &x));
            x.clone()
        });
        [c3, c4, c5]
    }

    /// What becomes of pictures: the sketches of C3, C4, C5; the arithmetic goes to `give`, part by part.
    pub(crate) fn sketch(&self, pictures: Sketch, give: &mut dyn FnMut(Part, Work)) -> [Sketch; 3] {
        let mut work = Work::default();
        let map = self.stem.sketch(pictures, &mut work);
        let mut map = Sketch { size: map.size.map(|side| side.div_ceil(2)), ..map }; // the pool
        work.kept += map.kept(self.stem.channels_out());
        give(Part::Stem, work);
        let mut outputs = [map; 4];
        for ((stage, part), output) in self.stages.iter().zip(Part::STAGES).zip(&mut outputs) {
            let mut work = Work::default();
            map = stage.iter().fold(map, |map, block| block.sketch(map, &mut work));
            give(part, work);
            *output = map;
        }
        let [_, c3, c4, c5] = outputs;
        [c3, c4, c5]
    }

    /// All norms, in order.
    pub fn norms(&mut self) -> impl Iterator<Item = &mut Norm> {
        let blocks = self.stages.iter_mut().flatten().flat_map(Block::convolutions);
        std::iter::once(&mut self.stem).chain(blocks).map(|conv| &mut conv.norm)
    }
}
