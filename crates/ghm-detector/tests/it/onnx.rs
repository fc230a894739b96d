//! ONNX files, run by a runtime that others wrote.

use burn::tensor::{Device, TensorData};
use ghm_boxes::{AnchorConfig, Bbox, Candidate, Rounding};
use ghm_detector::names::{named_tensors, replace_tensors};
use ghm_detector::{
    Backbone, ExtraLevels, HeadNorm, ModelConfig, NormKind, OnnxOutputs, PredictConfig, RetinaNet, Style, decode,
    to_onnx,
};
use tract_onnx::prelude::*;

const CLASSES: usize = 3;

/// Statistics, scales and shifts that are not those of a fresh norm, and outputs far enough apart to be ranked.
fn network(config: &ModelConfig, device: &Device) -> RetinaNet {
    // The features of this one are the largest.
    let gain = if config.backbone == Backbone::Resnet50 { 0.2 } else { 1.0 };
    let network = RetinaNet::new(config, CLASSES, 7, device).unwrap();
    let wave = |name: &str, place: usize| {
        let seed = name.bytes().fold(7u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
        ((seed % 1000) as f32 + place as f32 * 0.7).sin()
    };
    let old: std::collections::HashMap<String, Vec<f32>> =
        named_tensors(&network).into_iter().map(|tensor| (tensor.name, tensor.values)).collect();
    replace_tensors(network, |name| {
        let values = &old[name];
        let numbers = 0..values.len();
        Some(match name {
            _ if name.ends_with("running_var") => numbers.map(|i| 1.0 + 0.4 * wave(name, i)).collect(),
            _ if name.ends_with("running_mean") => numbers.map(|i| 0.2 * wave(name, i)).collect(),
            _ if name.contains("norm") => values.iter().zip(numbers).map(|(v, i)| v + 0.3 * wave(name, i)).collect(),
            "classification.output.bias" => vec![0.0; values.len()],
            // Far enough apart to be ranked, and neither scores of 1 nor boxes beyond the picture.
            _ if name.contains(".tower.") => values.iter().map(|value| value * 12.0).collect(),
            "classification.output.weight" => values.iter().map(|value| value * gain).collect(),
            "regression.output.weight" => values.iter().map(|value| value * 0.2 * gain).collect(),
            _ => values.clone(),
        })
    })
}

fn pixels(shape: [usize; 4]) -> Vec<f32> {
    (0..shape.iter().product()).map(|i| (i as f32 * 0.37).sin() + 0.5 * (i as f32 * 0.011).cos()).collect()
}

/// What tract gives out for the same pixels, each output as numbers of single precision.
fn run(bytes: &[u8], shape: [usize; 4], sizes: Option<&[[f32; 2]]>) -> Vec<(Vec<usize>, Vec<f32>)> {
    let mut model = tract_onnx::onnx().model_for_read(&mut &*bytes).unwrap();
    let mut inputs = tvec![Tensor::from_shape(&shape, &pixels(shape)).unwrap().into()];
    model.set_input_fact(0, f32::fact(shape).into()).unwrap();
    if let Some(sizes) = sizes {
        let flat: Vec<f32> = sizes.iter().flatten().copied().collect();
        model.set_input_fact(1, f32::fact([sizes.len(), 2]).into()).unwrap();
        inputs.push(Tensor::from_shape(&[sizes.len(), 2], &flat).unwrap().into());
    }
    let outputs = model.into_optimized().unwrap().into_runnable().unwrap().run(inputs).unwrap();
    let one = |output: TValue| {
        let numbers = output.cast_to::<f32>().unwrap().into_owned();
        (output.shape().to_vec(), numbers.try_as_plain_ram().unwrap().as_slice::<f32>().unwrap().to_vec())
    };
    outputs.into_iter().map(one).collect()
}

/// Both kinds of block, strides, extra levels, norms, with and without a bias, rounding and ReLU.
fn configs() -> Vec<ModelConfig> {
    let predict = PredictConfig { score: 0.3, candidates: 50, max_detections: 20, ..PredictConfig::default() };
    let small = ModelConfig { channels: 16, head_depth: 2, predict, ..ModelConfig::default() };
    let whole_pixels = AnchorConfig { rounding: Rounding::Torchvision, ..AnchorConfig::default() };
    vec![
        ModelConfig { backbone: Backbone::Resnet18, ..small.clone() },
        ModelConfig {
            backbone: Backbone::Resnet18,
            norm: NormKind::Group,
            head_norm: HeadNorm::Group,
            extra_levels: ExtraLevels::P5,
            anchors: whole_pixels,
            ..small.clone()
        },
        ModelConfig { style: Style::Caffe, norm: NormKind::Batch, extra_relu: false, ..small.clone() },
        ModelConfig { backbone: Backbone::Resnext50_32x4d, ..small },
    ]
}

fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.01, "{what}: nothing to compare");
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= 1e-4 * largest, "{what}[{place}]: {found}, expected {expected}");
    }
}

#[test]
fn the_heads_say_in_another_runtime_what_they_say_here() {
    let device = Device::flex();
    for config in configs() {
        let network = network(&config, &device);
        let bytes = to_onnx(&network, (&config, CLASSES), OnnxOutputs::Heads, []).unwrap();
        for shape in [[1, 3, 64, 96], [2, 3, 96, 64]] {
            let output =
                network.forward(burn::tensor::Tensor::from_data(TensorData::new(pixels(shape), shape), &device));
            let found = run(&bytes, shape, None);
            assert_eq!(found.len(), 2);
            for ((sides, found), (levels, what)) in
                found.into_iter().zip([(output.logits, "logits"), (output.deltas, "deltas")])
            {
                let joined = burn::tensor::Tensor::cat(levels, 1);
                assert_eq!(sides, joined.dims(), "{what}");
                let expected: Vec<f32> = joined.into_data().try_into_vec().unwrap();
                assert_near(&found, &expected, &format!("{:?} {what}", config.backbone));
            }
        }
    }
}

/// The detections of one picture in what the graph gave out.
fn detections(outputs: &[(Vec<usize>, Vec<f32>)], picture: usize) -> Vec<Candidate> {
    let [boxes, scores, classes, counts] = outputs else { panic!("{} outputs", outputs.len()) };
    let most = scores.0[1];
    assert_eq!((boxes.0[1], boxes.0[2], classes.0[1]), (most, 4, most));
    let count = counts.1[picture] as usize;
    let of_picture = picture * most..(picture + 1) * most;
    assert!(scores.1[of_picture.clone()][count..].iter().all(|score| *score == 0.0));
    let one = |place: usize| {
        let corners = &boxes.1[place * 4..][..4];
        let bbox = Bbox::new(corners[0], corners[1], corners[2], corners[3]);
        Candidate { bbox, class_index: classes.1[place] as usize, score: scores.1[place] }
    };
    of_picture.take(count).map(one).collect()
}

#[test]
fn boxes_found_in_another_runtime_are_those_found_here() {
    let device = Device::flex();
    let size = [64, 96];
    for config in configs() {
        let network = network(&config, &device);
        let bytes = to_onnx(&network, (&config, CLASSES), OnnxOutputs::Boxes { size }, []).unwrap();
        for contents in [&[(96, 64)][..], &[(96, 64), (90, 50)]] {
            let shape = [contents.len(), 3, size[0], size[1]];
            let output =
                network.forward(burn::tensor::Tensor::from_data(TensorData::new(pixels(shape), shape), &device));
            let sizes: Vec<[f32; 2]> = contents.iter().map(|(w, h)| [*w as f32, *h as f32]).collect();
            let found = run(&bytes, shape, Some(&sizes));
            for (picture, expected) in decode(&config, output, contents).into_iter().enumerate() {
                let found = detections(&found, picture);
                assert!(expected.len() >= 5, "{:?}: {} boxes", config.backbone, expected.len());
                assert_eq!(found.len(), expected.len(), "{:?}", config.backbone);
                for expected in &expected {
                    let same = |found: &&Candidate| {
                        found.class_index == expected.class_index
                            && (found.score - expected.score).abs() < 1e-4
                            && found.bbox.iou(expected.bbox) > 0.999
                    };
                    assert_eq!(found.iter().filter(same).count(), 1, "{:?}: {expected:?}", config.backbone);
                }
                assert!(found.is_sorted_by(|a, b| a.score >= b.score));
            }
        }
    }
}

#[test]
fn a_size_that_the_network_does_not_take_is_refused() {
    let config = configs().swap_remove(0);
    let network = network(&config, &Device::flex());
    for size in [[64, 100], [0, 64]] {
        let error = to_onnx(&network, (&config, CLASSES), OnnxOutputs::Boxes { size }, []).unwrap_err();
        assert!(error.to_string().contains("multiples of 32"), "{error}");
    }
}
