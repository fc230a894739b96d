//! The ResNets and ResNeXts there are, and their sizes.

use serde::{Deserialize, Serialize};

/// A ResNet (He et al. 2016, table 1) or a ResNeXt (Xie et al. 2017, table 1), by torchvision's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backbone {
    /// Basic blocks 2, 2, 2, 2.
    Resnet18,
    /// Basic blocks 3, 4, 6, 3.
    Resnet34,
    /// Bottlenecks 3, 4, 6, 3.
    Resnet50,
    /// Bottlenecks 3, 4, 23, 3.
    Resnet101,
    /// Bottlenecks 3, 8, 36, 3.
    Resnet152,
    /// Bottlenecks 3, 4, 6, 3 with 32 groups of 4 channels in the first stage.
    #[serde(rename = "resnext50_32x4d")]
    Resnext50_32x4d,
    /// Bottlenecks 3, 4, 23, 3 with 32 groups of 4 channels.
    #[serde(rename = "resnext101_32x4d")]
    Resnext101_32x4d,
    /// The same with 64 groups of 4.
    #[serde(rename = "resnext101_64x4d")]
    Resnext101_64x4d,
    /// The same with 32 groups of 8.
    #[serde(rename = "resnext101_32x8d")]
    Resnext101_32x8d,
}

/// Channels of the stem as published; stages have 1, 2, 4 and 8 times as many, before a bottleneck's expansion.
pub const BASE_CHANNELS: usize = 64;

impl Backbone {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Resnet18,
        Self::Resnet34,
        Self::Resnet50,
        Self::Resnet101,
        Self::Resnet152,
        Self::Resnext50_32x4d,
        Self::Resnext101_32x4d,
        Self::Resnext101_64x4d,
        Self::Resnext101_32x8d,
    ];

    /// Blocks in each of the four stages.
    pub fn blocks(self) -> [usize; 4] {
        match self {
            Self::Resnet18 => [2, 2, 2, 2],
            Self::Resnet34 | Self::Resnet50 | Self::Resnext50_32x4d => [3, 4, 6, 3],
            Self::Resnet152 => [3, 8, 36, 3],
            Self::Resnet101 | Self::Resnext101_32x4d | Self::Resnext101_64x4d | Self::Resnext101_32x8d => [3, 4, 23, 3],
        }
    }

    /// Output channels of a block over the width of a plain one: 4 for bottlenecks.
    pub fn expansion(self) -> usize {
        match self {
            Self::Resnet18 | Self::Resnet34 => 1,
            _ => 4,
        }
    }

    /// Groups of a bottleneck's 3x3 convolution: a ResNeXt's cardinality.
    pub fn groups(self) -> usize {
        self.next().map_or(1, |(groups, _)| groups)
    }

    /// Channels within a bottleneck whose plain width is `planes`.
    pub fn width(self, planes: usize) -> usize {
        self.next().map_or(planes, |(groups, channels)| planes / BASE_CHANNELS * groups * channels)
    }

    /// Channels of C3, C4, C5, where the stem has `base` of them.
    pub fn channels_out(self, base: usize) -> [usize; 3] {
        [2, 4, 8].map(|times| base * times * self.expansion())
    }

    /// About how many numbers there are where the stem has `base` channels.
    pub(crate) fn numbers(self, base: usize) -> u128 {
        let (plain, width) = (BASE_CHANNELS, self.width(BASE_CHANNELS));
        let first = match self.expansion() {
            1 => 2 * 9 * plain * plain,
            expansion => 2 * expansion * plain * width + 9 * width * width / self.groups(),
        };
        let stages = self.blocks().into_iter().zip([1, 4, 16, 64]);
        let published: usize = stages.map(|(blocks, squared)| blocks * squared * first).sum();
        published as u128 * (base as u128).pow(2) / (plain as u128).pow(2)
    }

    /// Groups of a ResNeXt, and the channels of each in the first stage.
    fn next(self) -> Option<(usize, usize)> {
        match self {
            Self::Resnext50_32x4d | Self::Resnext101_32x4d => Some((32, 4)),
            Self::Resnext101_64x4d => Some((64, 4)),
            Self::Resnext101_32x8d => Some((32, 8)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::names::named_tensors;
    use crate::resnet::Resnet;
    use crate::{ModelConfig, NormKind};

    /// torchvision 0.29, without the last layer: weights, and scales and shifts of norms.
    #[test]
    fn every_backbone_has_as_many_parameters_as_torchvisions() {
        let expected = [
            11_176_512, 21_284_672, 23_508_032, 42_500_160, 58_143_808, 22_979_904, 42_128_704, 81_406_272, 86_742_336,
        ];
        for (backbone, expected) in Backbone::ALL.into_iter().zip(expected) {
            let config = ModelConfig { backbone, norm: NormKind::Batch, ..ModelConfig::default() };
            let network = Resnet::new(&config, &mut ChaCha8Rng::seed_from_u64(0), &Device::flex());
            let trained = named_tensors(&network).into_iter().filter(|tensor| !tensor.name.contains("running"));
            let found: usize = trained.map(|tensor| tensor.values.len()).sum();
            println!("{backbone:?}: {found} parameters");
            assert_eq!(found, expected, "{backbone:?}");
            assert!((backbone.numbers(BASE_CHANNELS) as f64 / found as f64 - 1.0).abs() < 0.15, "{backbone:?}");
        }
    }

    #[test]
    fn a_backbone_is_called_in_a_recipe_as_in_torchvision() {
        for (backbone, name) in [
            (Backbone::Resnet152, "resnet152"),
            (Backbone::Resnext50_32x4d, "resnext50_32x4d"),
            (Backbone::Resnext101_64x4d, "resnext101_64x4d"),
        ] {
            let config: ModelConfig = toml::from_str(&format!("backbone = \"{name}\"")).unwrap();
            assert_eq!(config.backbone, backbone);
        }
    }
}
