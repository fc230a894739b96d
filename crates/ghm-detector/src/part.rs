//! The parts of a network, which are told apart, and what each takes: parameters, arithmetic, memory.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of the network, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The 7x7 convolution and the pool.
    Stem,
    /// Stages of the ResNet, with strides 4 to 32.
    Stage1,
    /// See [`Part::Stage1`].
    Stage2,
    /// See [`Part::Stage1`].
    Stage3,
    /// See [`Part::Stage1`].
    Stage4,
    /// P3 to P7.
    Pyramid,
    /// The head of classes, on all levels.
    Classes,
    /// The head of boxes, on all levels.
    Boxes,
}

impl Part {
    /// The stages of the ResNet.
    pub const STAGES: [Self; 4] = [Self::Stage1, Self::Stage2, Self::Stage3, Self::Stage4];

    /// The part of a parameter, by its name in the network.
    pub fn of(name: &str) -> Self {
        let parts: Vec<&str> = name.split('.').collect();
        match parts.as_slice() {
            ["backbone", "stages", stage, ..] => {
                stage.parse().ok().and_then(|stage: usize| Self::STAGES.get(stage)).copied().unwrap_or(Self::Stage4)
            }
            ["backbone", ..] => Self::Stem,
            ["fpn", ..] => Self::Pyramid,
            ["classification", ..] => Self::Classes,
            _ => Self::Boxes,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Stem => "stem",
            Self::Stage1 => "stage 1",
            Self::Stage2 => "stage 2",
            Self::Stage3 => "stage 3",
            Self::Stage4 => "stage 4",
            Self::Pyramid => "pyramid",
            Self::Classes => "class head",
            Self::Boxes => "box head",
        })
    }
}

/// Parameters; the running statistics of norms are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// All.
    pub all: usize,
    /// Those that have a gradient.
    pub trained: usize,
}

impl std::ops::AddAssign for Parameters {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.trained += other.trained;
    }
}

/// What the convolutions of a part take; a product and a sum are two floating-point operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Operations of the forward pass.
    pub forward: u64,
    /// Operations of the backward pass: gradients of trained weights, and of inputs that depend on any.
    pub backward: u64,
    /// Activations that are kept for the backward pass, in numbers: what each convolution, norm and ReLU that has one puts out, and
    /// what the first of them take in.
    pub kept: u64,
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.forward += other.forward;
        self.backward += other.backward;
        self.kept += other.kept;
    }
}

/// A map on its way through a network of which only sizes are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sketch {
    /// Pictures.
    pub batch: usize,
    /// Rows and columns.
    pub size: [usize; 2],
    /// Whether it depends on anything that is trained, so that a gradient comes back to it.
    pub tracked: bool,
    /// Whether it is kept for the backward pass already.
    pub held: bool,
}

impl Sketch {
    /// The numbers of as many channels.
    pub fn numbers(self, channels: usize) -> u64 {
        (self.batch * self.size[0] * self.size[1] * channels) as u64
    }

    /// The same, where they are kept for a backward pass.
    pub fn kept(self, channels: usize) -> u64 {
        if self.tracked { self.numbers(channels) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{Backbone, ModelConfig, NormKind, RetinaNet};

    fn work(config: &ModelConfig, side: usize) -> Vec<(Part, Work)> {
        RetinaNet::new(config, 80, 0, &Device::flex().autodiff()).unwrap().work(1, [side; 2])
    }

    #[test]
    fn a_resnet_takes_the_arithmetic_that_is_published_for_it() {
        // torchvision's models at 224x224, multiply-adds in billions without the last layer (0.002, 0.0005).
        for (backbone, published) in [(Backbone::Resnet50, 4.087), (Backbone::Resnet18, 1.814)] {
            let config = ModelConfig { backbone, ..ModelConfig::default() };
            let of_backbone = work(&config, 224).into_iter().filter(|(part, _)| *part < Part::Pyramid);
            let multiplications = of_backbone.map(|(_, work)| work.forward).sum::<u64>() as f64 / 2e9;
            assert!((multiplications - published).abs() < 0.005 * published, "{multiplications}");
        }
    }

    #[test]
    fn what_is_kept_is_counted_once() {
        let config =
            ModelConfig { backbone: Backbone::Resnet18, channels: 16, head_depth: 1, ..ModelConfig::default() };
        let kept = |config: &ModelConfig, part: Part| {
            work(config, 64).into_iter().find(|(own, _)| *own == part).unwrap().1.kept
        };
        assert_eq!([Part::Stem, Part::Stage1].map(|part| kept(&config, part)), [0, 0]);
        // What stage 1 gives, 64 channels of 16x16, is read by two convolutions; then four of 128 channels of 8x8.
        assert_eq!(kept(&config, Part::Stage2), 64 * 16 * 16 + 4 * 128 * 8 * 8);
        // A tower of one layer and an output of 9 anchors of 4 offsets, on 64 + 16 + 4 + 1 + 1 cells.
        assert_eq!(kept(&config, Part::Boxes), (16 + 36) * 86);
        // Trained norms keep what they take in and what they give; the pool keeps its own.
        let trained = ModelConfig { norm: NormKind::Batch, frozen_stages: 0, ..config };
        assert_eq!(kept(&trained, Part::Stem), 3 * 64 * 64 + 2 * 64 * 32 * 32 + 64 * 16 * 16);
        assert_eq!(kept(&trained, Part::Stage2), 2 * 4 * 128 * 8 * 8 + 128 * 8 * 8);
    }

    #[test]
    fn what_is_frozen_takes_no_backward_pass_and_what_follows_no_gradient_into_it() {
        let frozen = work(&ModelConfig { frozen_stages: 1, ..ModelConfig::default() }, 256);
        let of = |wanted: Part| frozen.iter().find(|(part, _)| *part == wanted).unwrap().1;
        assert_eq!((of(Part::Stem).backward, of(Part::Stage1).backward), (0, 0));
        // Two convolutions of stage 2 read stage 1, which wants no gradient: 256 x 128 and 256 x 512 channels, at 64 and 32.
        let into_stage_1 = 2 * (256 * 128 * 64 * 64 + 256 * 512 * 32 * 32);
        assert_eq!(of(Part::Stage2).backward, 2 * of(Part::Stage2).forward - into_stage_1);
        assert_eq!(of(Part::Classes).backward, 2 * of(Part::Classes).forward);

        let all = ModelConfig { norm: NormKind::Batch, frozen_stages: 0, ..ModelConfig::default() };
        let stem = work(&all, 256)[0].1;
        assert_eq!(stem.backward, stem.forward, "there is no gradient into the picture");
    }
}
