//! What network a file is of, by the shapes in it.

use super::file::WeightsFile;
use super::layout::Layout;
use crate::config::{ExtraLevels, HeadNorm, ModelConfig};
use crate::{Backbone, DetectorError};

/// Numbers that may be missing from a file: those of a pyramid and heads, or of a ResNet-50.
const SMALL: u128 = 1 << 25;
const MOST_CLASSES: usize = 100_000;

/// The shapes of a file by our names.
pub(super) struct Shapes<'a> {
    pub(super) file: &'a WeightsFile,
    pub(super) layout: Layout,
}

impl Shapes<'_> {
    fn of(&self, ours: &str) -> Option<&[usize]> {
        self.layout.names(ours).iter().find_map(|name| self.file.shape(name))
    }

    fn side(&self, ours: &str, axis: usize) -> Option<usize> {
        self.of(ours)?.get(axis).copied()
    }

    /// The backbone with as many blocks of such a width in as many groups, and the channels of its stem.
    pub(super) fn backbone(&self) -> Option<(Backbone, usize)> {
        let blocks = [0, 1, 2, 3].map(|stage| {
            let has = |block: &usize| self.of(&format!("backbone.stages.{stage}.{block}.conv1.weight")).is_some();
            (0..).take_while(has).count()
        });
        let first = |conv: &str, axis: usize| self.side(&format!("backbone.stages.0.0.{conv}.weight"), axis);
        let bottleneck = first("conv3", 0).is_some();
        let (width, in_group) = (first("conv2", 0)?, first("conv2", 1)?);
        let base = self.side("backbone.stem.weight", 0)?;
        let backbone = Backbone::ALL.into_iter().find(|backbone| {
            backbone.blocks() == blocks
                && (backbone.expansion() == 4) == bottleneck
                && backbone.width(base) == width
                && width / backbone.groups() == in_group
        })?;
        Some((backbone, base))
    }

    /// Refuses backbones, pyramids and heads far larger than the file, before a network is made of them.
    pub(super) fn expect_sizes(&self, config: &ModelConfig, classes: usize) -> Result<(), DetectorError> {
        let (channels, depth, per_cell) = (config.channels, config.head_depth, config.anchors.per_cell());
        let [width, layers, cells, outputs] = [channels, depth, per_cell, classes].map(|size| size as u128);
        let wanted = config.backbone.numbers(config.base_channels)
            + 9 * width * ((2 * layers + 5) * width + cells * (outputs + 4));
        if wanted <= 2 * self.file.numbers() + SMALL {
            return Ok(());
        }
        let reason = format!(
            "it is too small for what it claims to be: a backbone whose stem has {} channels, a pyramid of {channels} channels, towers of {depth} layers, {classes} classes and \
             {per_cell} anchors in a cell",
            config.base_channels
        );
        Err(DetectorError::NotWeights { path: self.file.path().into(), reason })
    }

    /// Classes of a detector, however many anchors there are in a cell.
    pub(super) fn classes(&self) -> Option<usize> {
        // By the weights, of which the file has to hold each number.
        let [rows, channels, 3, 3] = *self.of("classification.output.weight")? else { return None };
        let per_cell = self.side("regression.output.bias", 0)? / 4;
        let fits = per_cell > 0 && channels > 0 && rows.is_multiple_of(per_cell);
        let classes = if fits { rows / per_cell } else { 0 };
        (1..=MOST_CLASSES).contains(&classes).then_some(classes)
    }

    /// The network that it is of, or for a classifier one that could start from it, as its library would have it.
    pub(super) fn config(&self, backbone: Option<(Backbone, usize)>) -> ModelConfig {
        let mut config = ModelConfig::default();
        (config.backbone, config.base_channels) = backbone.unwrap_or((config.backbone, config.base_channels));
        config.style = self.file.style().ok().flatten().unwrap_or(config.style);
        let Some(channels) = self.side("fpn.lateral.0.weight", 0) else { return config };
        config.channels = channels;
        let from_p5 = self.side("fpn.p6.weight", 1) == Some(channels);
        config.extra_levels = if from_p5 { ExtraLevels::P5 } else { ExtraLevels::C5 };
        let has = |depth: &usize| self.of(&format!("classification.tower.{depth}.weight")).is_some();
        config.head_depth = (0..).take_while(has).count();
        let normed = self.of("classification.norms.0.weight").is_some();
        config.head_norm = if normed { HeadNorm::Group } else { HeadNorm::None };
        self.layout.conventions(config)
    }
}
