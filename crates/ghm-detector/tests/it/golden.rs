//! Goldens of `fixtures/retinanet/generate.py`: the outputs of torchvision's RetinaNet with the same weights.
//!
//! torchvision ran in double precision. In single precision its outputs are up to 4e-6 of a level's largest output off;
//! with the stride of the other style they are off by 5e-2 and more.

use std::collections::HashMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use ghm_boxes::{AnchorConfig, Bbox, Candidate, Rounding};
use ghm_detector::names::{named_tensors, replace_tensors};
use ghm_detector::{
    Backbone, ExtraLevels, HeadNorm, LEVELS, Layout, ModelConfig, NormKind, Output, PredictConfig, RetinaNet, Style,
    decode, load_weights,
};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::fixture::{fixture, torchvision};

/// Of the largest output of a level.
const TOLERANCE: f32 = 1e-4;

const CLASSES: usize = 2;
const PIXELS: [usize; 4] = [2, 3, 64, 96];

/// As in the generator: `count` numbers of `[-1, 1)`.
fn numbers(name: &str, count: usize) -> Vec<f32> {
    let seed = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let number = |place: usize| {
        let h = seed.wrapping_add((place as u32).wrapping_mul(0x9e37_79b9));
        let h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
        let h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
        let h = h ^ (h >> 16);
        ((h >> 8) as i32 - (1 << 23)) as f32 / (1 << 23) as f32
    };
    (0..count).map(number).collect()
}

/// As in the generator: a parameter's values.
fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let gain: f32 = if name.starts_with("backbone") { 3.0 } else { 12.0 };
    let (centre, reach) = match shape {
        [_, inputs, height, width] => (0.0, (gain / (inputs * height * width) as f32).sqrt()),
        _ if name.ends_with(".weight") => (1.0, 0.25),
        _ if name.ends_with(".running_var") => (1.0, 0.5),
        _ => (0.0, 0.125),
    };
    numbers(name, shape.iter().product()).into_iter().map(|u| centre + u * reach).collect()
}

/// Three anchors a cell, 8 channels, four convolutions a tower.
fn config(backbone: Backbone, style: Style) -> ModelConfig {
    let anchors = AnchorConfig { scales: vec![1.0], ..AnchorConfig::default() };
    ModelConfig { backbone, style, channels: 8, anchors, ..ModelConfig::default() }
}

fn network(config: &ModelConfig, device: &Device) -> RetinaNet {
    let network = RetinaNet::new(config, CLASSES, 0, device).unwrap();
    let tensors = named_tensors(&network).into_iter();
    let mut ready: HashMap<String, Vec<f32>> = tensors.map(|t| (t.name.clone(), values(&t.name, &t.shape))).collect();
    let network = replace_tensors(network, |name| ready.remove(name));
    assert!(ready.is_empty(), "not replaced: {:?}", ready.keys());
    network
}

fn outputs(network: &RetinaNet, device: &Device) -> Output {
    let pixels = TensorData::new(numbers("pixels", PIXELS.iter().product()), PIXELS);
    network.forward(Tensor::from_data(pixels, device))
}

/// Shape and numbers of a tensor of the golden file.
fn golden(name: &str) -> (Vec<usize>, Vec<f32>) {
    let path = fixture("outputs.safetensors");
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = golden.tensor(name).unwrap();
    let values = tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    (tensor.shape().to_vec(), values)
}

fn assert_outputs(case: &str, output: Output) {
    for (kind, levels) in [("logits", output.logits), ("deltas", output.deltas)] {
        assert_eq!(levels.len(), LEVELS);
        for (level, found) in levels.into_iter().enumerate() {
            let name = format!("{case}.{kind}.{level}");
            let (shape, expected) = golden(&name);
            assert_eq!(found.dims().as_slice(), shape, "{name}");
            let found: Vec<f32> = found.into_data().try_into_vec().unwrap();
            assert_close(&found, &expected, &name);
        }
    }
}

fn assert_close(found: &[f32], expected: &[f32], name: &str) {
    let tolerance = TOLERANCE * expected.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= tolerance, "{name}[{place}] is {found}, expected {expected} within {tolerance}");
    }
}

#[test]
fn a_resnet18_with_p6_from_c5_gives_the_outputs_of_torchvision() {
    let device = Device::flex();
    let network = network(&config(Backbone::Resnet18, Style::Pytorch), &device);
    assert_outputs("resnet18", outputs(&network, &device));
}

#[test]
fn p6_from_p5_and_group_norm_in_the_heads_give_the_outputs_of_torchvision() {
    let device = Device::flex();
    let (extra_levels, head_norm) = (ExtraLevels::P5, HeadNorm::Group);
    let config = ModelConfig { channels: 64, extra_levels, head_norm, ..config(Backbone::Resnet18, Style::Pytorch) };
    assert_outputs("resnet18_p5_group", outputs(&network(&config, &device), &device));
}

#[test]
fn a_resnet50_that_strides_on_the_3x3_gives_the_outputs_of_torchvision() {
    let device = Device::flex();
    let network = network(&config(Backbone::Resnet50, Style::Pytorch), &device);
    assert_outputs("resnet50_pytorch", outputs(&network, &device));
}

#[test]
fn a_resnet50_that_strides_on_the_first_1x1_gives_the_outputs_of_torchvision() {
    let device = Device::flex();
    let network = network(&config(Backbone::Resnet50, Style::Caffe), &device);
    assert_outputs("resnet50_caffe", outputs(&network, &device));
}

#[test]
fn a_resnext50_gives_the_outputs_of_torchvision() {
    let device = Device::flex();
    let network = network(&config(Backbone::Resnext50_32x4d, Style::Pytorch), &device);
    assert_outputs("resnext50_32x4d", outputs(&network, &device));
}

/// Height and width of the pictures that torchvision's own RetinaNet saw, without their padding.
const CONTENTS: [[usize; 2]; 10] =
    [[61, 45], [33, 95], [64, 64], [47, 83], [95, 31], [71, 59], [39, 41], [90, 63], [57, 89], [63, 127]];

/// Of how many of them its outputs are written.
const WITH_OUTPUTS: usize = 2;

/// One of torchvision's own RetinaNets: version, backbone, powers of two that its last layers are multiplied by.
#[derive(Clone, Copy)]
struct Whole(usize, Backbone, [i32; 2]);

const WHOLE: [Whole; 6] = [
    Whole(1, Backbone::Resnet18, [-4, -10]),
    Whole(1, Backbone::Resnet50, [-4, -10]),
    Whole(1, Backbone::Resnext50_32x4d, [-4, -9]),
    Whole(2, Backbone::Resnet18, [-1, -8]),
    Whole(2, Backbone::Resnet50, [-1, -8]),
    Whole(2, Backbone::Resnext50_32x4d, [-1, -8]),
];

impl Whole {
    fn name(self) -> String {
        format!("whole_v{}_{}", self.0, serde_json::to_value(self.1).unwrap().as_str().unwrap())
    }

    /// The settings that it has.
    fn config(self) -> ModelConfig {
        let anchors = AnchorConfig { rounding: Rounding::Torchvision, ..AnchorConfig::default() };
        let predict = PredictConfig { score: 0.3, nms_iou: 0.5, candidates: 200, max_detections: 60 };
        let (channels, extra_levels, head_norm) = match self.0 {
            1 => (64, ExtraLevels::P5, HeadNorm::None),
            _ => (256, ExtraLevels::C5, HeadNorm::Group),
        };
        let backbone = self.1;
        ModelConfig { backbone, channels, extra_levels, head_norm, anchors, predict, ..ModelConfig::default() }
    }

    /// The network from a file of its own names, or `renamed`.
    fn network(self, renamed: Option<&HashMap<String, String>>, device: &Device) -> RetinaNet {
        let Self(_, _, [classes, boxes]) = self;
        let shapes = &torchvision()[&self.name()];
        let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
            .iter()
            .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
            .map(|(name, shape)| {
                let factor = match &name[..] {
                    _ if name.ends_with("cls_logits.weight") => 2f32.powi(classes),
                    _ if name.ends_with("bbox_reg.weight") => 2f32.powi(boxes),
                    _ => 1.0,
                };
                let values = values(name, shape).into_iter().flat_map(|value| (value * factor).to_le_bytes());
                let name = renamed.map_or(name, |renamed| &renamed[name]);
                (name.clone(), shape.clone(), values.collect())
            })
            .collect();
        let views = tensors.iter().map(|(n, s, b)| (n.clone(), TensorView::new(Dtype::F32, s.clone(), b).unwrap()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("whole.safetensors");
        std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        let network = RetinaNet::new(&self.config(), 5, 0, device).unwrap();
        let (network, report) = load_weights(network, &path, &self.config()).unwrap();
        let (layout, advice): (_, &[&str]) = match renamed {
            None => (Layout::TorchvisionRetinaNet, &[]),
            // As mmdetection itself is: the names alone are its here.
            Some(_) => (Layout::Mmdetection, &["model.anchors.rounding=none", "model.extra_relu=false"]),
        };
        assert_eq!((report.layout, report.fresh.len()), (layout, 0));
        assert_eq!(report.advice, advice);
        network
    }
}

/// A picture of [`CONTENTS`], padded.
fn padded(picture: usize, device: &Device) -> Tensor<4> {
    let [height, width] = CONTENTS[picture];
    let [rows, columns] = CONTENTS[picture].map(|side| side.next_multiple_of(32));
    let content = numbers(&format!("pixels {picture}"), 3 * height * width);
    let mut pixels = vec![0.0; 3 * rows * columns];
    for (line, content) in content.chunks_exact(width).enumerate() {
        let (channel, row) = (line / height, line % height);
        pixels[(channel * rows + row) * columns..][..width].copy_from_slice(content);
    }
    Tensor::from_data(TensorData::new(pixels, [1, 3, rows, columns]), device)
}

fn assert_same_boxes(found: &[Candidate], expected: &[f32], case: &str) {
    assert_eq!(found.len(), expected.len() / 6, "{case}");
    for row in expected.chunks_exact(6) {
        let bbox = Bbox::new(row[0], row[1], row[2], row[3]);
        let same = |found: &&Candidate| {
            found.class_index == row[5] as usize && (found.score - row[4]).abs() <= 1e-4 && found.bbox.iou(bbox) > 0.999
        };
        assert_eq!(found.iter().filter(same).count(), 1, "{case}: {row:?}");
    }
}

#[test]
fn torchvisions_own_retinanets_give_their_outputs_and_their_boxes_under_mmdetections_names_too() {
    let device = Device::flex();
    let renamed: HashMap<String, String> =
        serde_json::from_str(&std::fs::read_to_string(fixture("mmdetection_names.json")).unwrap()).unwrap();
    for whole in WHOLE {
        let (config, name) = (whole.config(), whole.name());
        for renamed in [None, Some(&renamed)] {
            let network = whole.network(renamed, &device);
            for (picture, [height, width]) in CONTENTS.into_iter().enumerate() {
                let output = network.forward(padded(picture, &device));
                let joined = |levels: &[Tensor<3>]| -> Vec<f32> {
                    Tensor::cat(levels.to_vec(), 1).into_data().try_into_vec().unwrap()
                };
                if picture < WITH_OUTPUTS {
                    for (kind, levels) in [("logits", &output.logits), ("deltas", &output.deltas)] {
                        let name = format!("{name}.{kind}.{picture}");
                        assert_close(&joined(levels), &golden(&name).1, &name);
                    }
                }
                let expected = golden(&format!("{name}.detections.{picture}")).1;
                let found = decode(&config, output, &[(width, height)]).swap_remove(0);
                assert_same_boxes(&found, &expected, &format!("{name}, picture {picture}"));
            }
        }
    }
}

#[test]
fn anchors_of_pictures_of_odd_sizes_are_torchvisions() {
    let (config, device) = (WHOLE[0].config(), Device::flex());
    let network = RetinaNet::new(&config, 5, 0, &device).unwrap();
    for (picture, content) in CONTENTS.into_iter().enumerate() {
        let maps = network.maps(content.map(|side| side.next_multiple_of(32)));
        let anchors = (0..LEVELS).flat_map(|level| config.anchors.level_anchors(level, &maps));
        let found: Vec<f32> = anchors.flat_map(|anchor| anchor.corners()).collect();
        let expected = golden(&format!("anchors.{picture}")).1;
        assert_eq!(found.len(), expected.len(), "picture {picture}");
        let furthest = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest <= 1e-3, "picture {picture}: {furthest} pixels off");
    }
}

#[test]
fn a_frozen_norm_keeps_its_statistics_while_the_network_is_trained() {
    let device = Device::flex().autodiff();
    let network = network(&config(Backbone::Resnet18, Style::Pytorch), &device);
    assert_outputs("resnet18", outputs(&network, &device));
}

#[test]
fn a_batch_norm_takes_its_running_statistics_in_evaluation() {
    let (device, training) = (Device::flex(), Device::flex().autodiff());
    let config = ModelConfig { norm: NormKind::Batch, ..config(Backbone::Resnet18, Style::Pytorch) };
    let loaded = network(&config, &device);
    let trained = network(&config, &training).valid();
    for network in [loaded, trained] {
        assert_outputs("resnet18", outputs(&network, &device));
    }
}
