//! Everything a recipe may choose about the network.

use std::path::PathBuf;

use ghm_boxes::{AnchorConfig, DeltaCoder, MatchConfig};
use serde::{Deserialize, Serialize};

use crate::DetectorError;
use crate::backbone::{BASE_CHANNELS, Backbone};

/// Where a bottleneck strides, and which pixels its weights expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// Stride on the 3x3; RGB in 0..1, mean and standard deviation removed.
    Pytorch,
    /// Stride on the first 1x1; BGR in 0..255, mean removed.
    Caffe,
}

impl Style {
    /// As a recipe has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pytorch => "pytorch",
            Self::Caffe => "caffe",
        }
    }
}

/// The backbone's normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// Batch norm with fixed statistics, scale and shift: a constant affine map, folded into the convolution.
    FrozenBatch,
    /// Batch norm.
    Batch,
    /// Group norm of 32 groups (fewer where there are fewer channels).
    Group,
}

/// The normalisation in the head's towers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadNorm {
    /// None, as published.
    None,
    /// Group norm of 32 groups.
    Group,
}

/// What activations are while the network runs; weights, statistics of norms and losses are in single precision always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision; a GPU may take TF32 for products.
    #[default]
    F32,
    /// The upper half of single precision: half of the memory, for a GPU that has it. Slow on a CPU.
    Bf16,
}

/// What P6 is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExtraLevels {
    /// The last stage of the backbone, as in Lin et al. 2017 and the released GHM code.
    C5,
    /// The pyramid's own P5, as in torchvision.
    P5,
}

/// Which boxes come out of the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PredictConfig {
    /// Boxes at or below this score are dropped, `[0, 1]`.
    pub score: f32,
    /// Of two boxes of a class that overlap by more than this IoU only the better stays.
    pub nms_iou: f32,
    /// The best candidates kept per level before suppression.
    pub candidates: usize,
    /// Boxes kept per picture.
    pub max_detections: usize,
}

impl Default for PredictConfig {
    fn default() -> Self {
        Self { score: 0.05, nms_iou: 0.5, candidates: 1000, max_detections: 100 }
    }
}

/// The network. The defaults are the published RetinaNet and GHM settings on a ResNet-50.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Depth.
    pub backbone: Backbone,
    /// Channels of the backbone's stem, 64 as published; a ResNet may be thinner or wider than that, each stage in proportion.
    pub base_channels: usize,
    /// Stride placement and pixel convention.
    pub style: Style,
    /// The backbone's normalisation.
    pub norm: NormKind,
    /// Epsilon of the backbone's norms, at least 0.
    pub norm_epsilon: f64,
    /// Stages without gradient, stem included: 0 none, 1 the stem and stage 1, ... 4 the whole backbone.
    pub frozen_stages: usize,
    /// Weights to start from: a classifier's or a detector's, as [`crate::load_weights`] takes them.
    pub weights: Option<PathBuf>,
    /// What activations are.
    pub precision: Precision,
    /// Channels of the pyramid and of the heads.
    pub channels: usize,
    /// What P6 is computed from.
    pub extra_levels: ExtraLevels,
    /// Whether P7 is computed from P6 after a ReLU (Lin et al. 2017); mmdetection, and so the released GHM code, has none.
    pub extra_relu: bool,
    /// 3x3 convolutions in each tower.
    pub head_depth: usize,
    /// Normalisation in the towers.
    pub head_norm: HeadNorm,
    /// The score every anchor starts with (Lin et al. 2017, section 4.1), `(0, 1)`.
    pub prior: f32,
    /// Shapes of the anchors.
    pub anchors: AnchorConfig,
    /// Which anchor answers for which object.
    pub matching: MatchConfig,
    /// Scaling of the box offsets.
    pub coder: DeltaCoder,
    /// Which boxes come out.
    pub predict: PredictConfig,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            backbone: Backbone::Resnet50,
            base_channels: BASE_CHANNELS,
            style: Style::Pytorch,
            norm: NormKind::FrozenBatch,
            norm_epsilon: 1e-5,
            frozen_stages: 1,
            weights: None,
            precision: Precision::F32,
            channels: 256,
            extra_levels: ExtraLevels::C5,
            extra_relu: true,
            head_depth: 4,
            head_norm: HeadNorm::None,
            prior: 0.01,
            anchors: AnchorConfig::default(),
            matching: MatchConfig::default(),
            coder: DeltaCoder::default(),
            predict: PredictConfig::default(),
        }
    }
}

impl ModelConfig {
    /// Refuses numbers out of their range, naming the key.
    pub fn validate(&self) -> Result<(), DetectorError> {
        self.anchors.validate()?;
        self.matching.validate()?;
        let refuse = |key, value: String, reason| Err(DetectorError::Config { key, value, reason });
        if self.frozen_stages > 4 {
            return refuse("frozen_stages", self.frozen_stages.to_string(), "a ResNet has stages 1 to 4");
        }
        if !(1..=1024).contains(&self.base_channels) {
            return refuse("base_channels", self.base_channels.to_string(), "give 1 to 1024");
        }
        if self.backbone.groups() > 1 && self.base_channels != BASE_CHANNELS {
            return refuse(
                "base_channels",
                self.base_channels.to_string(),
                "a ResNeXt has 64; only a ResNet may have others",
            );
        }
        if self.channels == 0 || self.channels > 4096 {
            return refuse("channels", self.channels.to_string(), "give 1 to 4096");
        }
        if self.head_depth > 64 {
            return refuse("head_depth", self.head_depth.to_string(), "give 0 to 64");
        }
        if !(self.norm_epsilon.is_finite() && self.norm_epsilon >= 0.0) {
            return refuse("norm_epsilon", self.norm_epsilon.to_string(), "give a finite number of at least 0");
        }
        if !(self.prior > 0.0 && self.prior < 1.0) {
            return refuse("prior", self.prior.to_string(), "give a score between 0 and 1, both excluded");
        }
        if !self.coder.std.iter().all(|s| s.is_finite() && *s > 0.0) {
            return refuse("coder.std", format!("{:?}", self.coder.std), "give four positive numbers");
        }
        let counts =
            [("predict.candidates", self.predict.candidates), ("predict.max_detections", self.predict.max_detections)];
        if let Some((key, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return refuse(key, "0".into(), "give at least 1");
        }
        let unit = [("predict.score", self.predict.score), ("predict.nms_iou", self.predict.nms_iou)];
        match unit.into_iter().find(|(_, v)| !(0.0..=1.0).contains(v)) {
            Some((key, value)) => refuse(key, value.to_string(), "give a number from 0 to 1"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        assert!(ModelConfig::default().validate().is_ok());
    }

    #[test]
    fn out_of_range_numbers_are_refused_by_key() {
        let message = |config: ModelConfig| config.validate().unwrap_err().to_string();
        assert!(message(ModelConfig { frozen_stages: 5, ..Default::default() }).contains("frozen_stages = 5"));
        assert!(message(ModelConfig { head_depth: usize::MAX, ..Default::default() }).contains("give 0 to 64"));
        assert!(message(ModelConfig { norm_epsilon: -1.0, ..Default::default() }).contains("norm_epsilon = -1"));
        assert!(message(ModelConfig { prior: 1.0, ..Default::default() }).contains("prior = 1"));
        let base_channels = 16;
        assert!(message(ModelConfig { base_channels: 0, ..Default::default() }).contains("base_channels = 0"));
        let thin = ModelConfig { base_channels, backbone: Backbone::Resnext50_32x4d, ..Default::default() };
        assert!(message(thin).contains("a ResNeXt has 64"));
        assert!(ModelConfig { base_channels, ..Default::default() }.validate().is_ok());
        let predict = PredictConfig { nms_iou: 1.5, ..Default::default() };
        assert!(message(ModelConfig { predict, ..Default::default() }).contains("predict.nms_iou = 1.5"));
        let predict = PredictConfig { candidates: 0, ..Default::default() };
        assert!(message(ModelConfig { predict, ..Default::default() }).contains("predict.candidates = 0"));
    }
}
