//! Goldens of `fixtures/retinanet/generate.py`: the outputs of torchvision's RetinaNet with the same weights.
//!
//! torchvision ran in double precision. In single precision its outputs are up to 4e-6 of a level's largest output off;
//! with the stride of the other style they are off by 5e-2 and more.

use std::collections::HashMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use ghm_boxes::{AnchorConfig, Bbox, Rounding};
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

/// torchvision's own RetinaNet of a version, small, from its own names or `renamed`, and the settings that it has.
fn whole(version: usize, renamed: Option<&HashMap<String, String>>, device: &Device) -> (ModelConfig, RetinaNet) {
    let anchors = AnchorConfig { rounding: Rounding::Torchvision, ..AnchorConfig::default() };
    let predict = PredictConfig { score: 0.3, nms_iou: 0.5, candidates: 200, max_detections: 60 };
    let (extra_levels, head_norm) =
        if version == 1 { (ExtraLevels::P5, HeadNorm::None) } else { (ExtraLevels::C5, HeadNorm::Group) };
    let small = ModelConfig { backbone: Backbone::Resnet18, channels: 64, anchors, predict, ..ModelConfig::default() };
    let config = ModelConfig { extra_levels, head_norm, ..small };
    let shapes = &torchvision()[&format!("whole_v{version}")];
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
        .iter()
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .map(|(name, shape)| {
            let factor = match &name[..] {
                _ if name.ends_with("cls_logits.weight") => [0.0625, 0.5][version - 1],
                _ if name.ends_with("bbox_reg.weight") => 0.0078125,
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
    let network = RetinaNet::new(&config, 5, 0, device).unwrap();
    let (network, report) = load_weights(network, &path, &config).unwrap();
    let (layout, advice): (_, &[&str]) = match renamed {
        None => (Layout::TorchvisionRetinaNet, &[]),
        // As mmdetection itself is: the names alone are its here.
        Some(_) => (Layout::Mmdetection, &["model.extra_relu=false", "model.anchors.rounding=none"]),
    };
    assert_eq!((report.layout, &report.advice[..], report.fresh.len()), (layout, advice, 0));
    (config, network)
}

#[test]
fn torchvisions_own_retinanets_give_their_outputs_and_their_boxes_under_mmdetections_names_too() {
    let device = Device::flex();
    let golden = |name: String| golden(&name).1;
    let renamed: HashMap<String, String> =
        serde_json::from_str(&std::fs::read_to_string(fixture("mmdetection_names.json")).unwrap()).unwrap();
    for (version, renamed) in [(1, None), (2, None), (1, Some(&renamed)), (2, Some(&renamed))] {
        let (config, network) = whole(version, renamed, &device);
        let shape = [2, 3, 96, 160];
        let pixels = TensorData::new(numbers("pixels", shape.iter().product()), shape);
        let output = network.forward(Tensor::from_data(pixels, &device));
        let joined = |levels: &[Tensor<3>]| Tensor::cat(levels.to_vec(), 1).into_data().try_into_vec::<f32>().unwrap();
        let (logits, deltas) = (joined(&output.logits), joined(&output.deltas));
        assert_close(&logits, &golden(format!("whole_v{version}.logits")), "logits");
        assert_close(&deltas, &golden(format!("whole_v{version}.deltas")), "deltas");
        let found = decode(&config, output, &[(160, 96), (155, 93)]);
        for (picture, found) in found.iter().enumerate() {
            let expected = golden(format!("whole_v{version}.detections.{picture}"));
            assert_eq!(found.len(), expected.len() / 6, "version {version}, picture {picture}");
            for row in expected.chunks_exact(6) {
                let bbox = Bbox::new(row[0], row[1], row[2], row[3]);
                let same = |found: &&ghm_boxes::Candidate| {
                    found.class_index == row[5] as usize
                        && (found.score - row[4]).abs() <= 1e-4
                        && found.bbox.iou(bbox) > 0.999
                };
                assert_eq!(found.iter().filter(same).count(), 1, "version {version}, picture {picture}: {row:?}");
            }
        }
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
