//! The whole network: pictures to logits and deltas.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{Bool, Device, FloatDType, Int, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::DetectorError;
use crate::config::{ModelConfig, Precision};
use crate::fpn::Fpn;
use crate::head::Head;
use crate::names::count_parameters;
use crate::onnx::graph::{Graph, Value};
use crate::part::{Parameters, Part, Sketch, Work};
use crate::resnet::Resnet;

/// Pyramid levels, P3 to P7.
pub const LEVELS: usize = 5;

/// The sides of an input must be multiples of this, the stride of C5.
pub const INPUT_MULTIPLE: usize = 32;

/// What the network says of a batch, level by level (`L = 5`).
#[derive(Clone, Debug)]
pub struct Output {
    /// `L` times `[N, A_l, C]`.
    pub logits: Vec<Tensor<3>>,
    /// `L` times `[N, A_l, 4]`.
    pub deltas: Vec<Tensor<3>>,
    /// Rows and columns of each level's map.
    pub maps: Vec<[usize; 2]>,
}

/// RetinaNet (Lin et al. 2017).
#[derive(Module, Debug)]
pub struct RetinaNet {
    backbone: Resnet,
    fpn: Fpn,
    classification: Head,
    regression: Head,
    #[module(skip)]
    precision: Precision,
}

impl RetinaNet {
    /// A network with fresh weights, which depend on `seed` alone; on an autodiff device it can be trained.
    pub fn new(config: &ModelConfig, classes: usize, seed: u64, device: &Device) -> Result<Self, DetectorError> {
        config.validate()?;
        if classes == 0 {
            let (key, value) = ("classes", "0".to_owned());
            return Err(DetectorError::Config { key, value, reason: "a detector needs at least one class" });
        }
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let prior_logit = (config.prior / (1.0 - config.prior)).ln();
        let network = Self {
            backbone: Resnet::new(config, rng, device),
            fpn: Fpn::new(config, rng, device),
            classification: Head::new(config, classes, prior_logit, rng, device),
            // Offsets are compared to hundredths, which bf16 does not have.
            regression: Head::new(config, 4, 0.0, rng, device).with_full_output(),
            precision: config.precision,
        };
        Ok(network.map(&mut NumberParameters(0)))
    }

    /// `pixels [N, 3, H, W]`, normalised, `H` and `W` multiples of [`INPUT_MULTIPLE`].
    pub fn forward(&self, pixels: Tensor<4>) -> Output {
        self.forward_telling(pixels, &mut |_| {})
    }

    /// What the backbone makes of `pixels`: C3, C4, C5 `[N, C, H / s, W / s]` with strides 8, 16, 32.
    pub fn features(&self, pixels: Tensor<4>) -> [Tensor<4>; 3] {
        self.backbone.forward(pixels, &mut |_| {})
    }

    /// [`RetinaNet::forward`], which tells `done` of each part when it is through: asked for, on a device that computes
    /// while the host goes on.
    pub fn forward_telling(&self, pixels: Tensor<4>, done: &mut dyn FnMut(Part)) -> Output {
        let pixels = match self.precision {
            Precision::F32 => pixels,
            Precision::Bf16 => pixels.cast(FloatDType::BF16),
        };
        let pyramid = self.fpn.forward(self.backbone.forward(pixels, done));
        done(Part::Pyramid);
        let maps = pyramid.iter().map(|p| [p.dims()[2], p.dims()[3]]).collect();
        let logits = pyramid.iter().map(|p| self.classification.forward(p.clone())).collect();
        done(Part::Classes);
        let deltas = pyramid.into_iter().map(|p| self.regression.forward(p)).collect();
        done(Part::Boxes);
        Output { logits, deltas, maps }
    }

    /// [`RetinaNet::forward`] in a graph: logits and deltas of each level.
    pub(crate) fn trace(&self, graph: &mut Graph, pixels: &Value) -> Vec<(Value, Value)> {
        let features = self.backbone.trace(graph, pixels);
        let pyramid = self.fpn.trace(graph, features);
        let mut heads = |level| (self.classification.trace(graph, level), self.regression.trace(graph, level));
        pyramid.iter().map(&mut heads).collect()
    }

    /// Rows and columns of each level's map for pictures of `height` and `width`.
    pub fn maps(&self, size: [usize; 2]) -> Vec<[usize; 2]> {
        self.sketch(1, size, &mut |_, _| {}).map(|level| level.size).into()
    }

    /// What one batch of `batch` pictures of `height` and `width` takes, part by part.
    pub fn work(&self, batch: usize, size: [usize; 2]) -> Vec<(Part, Work)> {
        let mut parts = Vec::new();
        let pyramid = self.sketch(batch, size, &mut |part, work| parts.push((part, work)));
        for (part, head) in [(Part::Classes, &self.classification), (Part::Boxes, &self.regression)] {
            let mut work = Work::default();
            pyramid.iter().for_each(|level| work += head.sketch(*level));
            parts.push((part, work));
        }
        parts
    }

    /// How many parameters each part has.
    pub fn parameters(&self) -> BTreeMap<Part, Parameters> {
        count_parameters(self)
    }

    /// The pyramid's levels; what backbone and pyramid take goes to `give`.
    fn sketch(&self, batch: usize, size: [usize; 2], give: &mut dyn FnMut(Part, Work)) -> [Sketch; LEVELS] {
        let features = self.backbone.sketch(Sketch { batch, size, tracked: false, held: false }, give);
        let (pyramid, work) = self.fpn.sketch(features);
        give(Part::Pyramid, work);
        pyramid
    }

    /// Forgets what the batches since the last fold measured for the norms: they will be run again.
    pub fn drop_statistics(&mut self) {
        self.backbone.norms().for_each(|norm| norm.drop_statistics());
    }

    /// Moves the batch statistics of the last step into the running ones.
    pub fn fold_statistics(&mut self) {
        self.backbone.norms().for_each(|norm| norm.fold_statistics());
    }
}

/// Gives every parameter its place as its identity, so that an optimiser's saved state finds it again.
struct NumberParameters(u64);

impl NumberParameters {
    fn next(&mut self) -> ParamId {
        self.0 += 1;
        ParamId::from(self.0)
    }
}

impl ModuleMapper for NumberParameters {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, value, mapper) = param.consume();
        Param::from_mapped_value(self.next(), value, mapper)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let (_, value, mapper) = param.consume();
        Param::from_mapped_value(self.next(), value, mapper)
    }

    fn map_bool<const D: usize>(&mut self, param: Param<Tensor<D, Bool>>) -> Param<Tensor<D, Bool>> {
        let (_, value, mapper) = param.consume();
        Param::from_mapped_value(self.next(), value, mapper)
    }
}
