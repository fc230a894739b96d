//! The ImageNet ResNet-50 of its authors on real pictures, against PyTorch (`fixtures/imagenet/generate.py`): needs its weights
//! (`GHM_RESNET50`, a file with torchvision's names) and the pictures (`GHM_SHARED_DATA`).

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use ghm_data::{NormaliseConfig, Picture, decode};
use ghm_detector::{ModelConfig, RetinaNet, Style, load_weights};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

const SIDE: usize = 224;

fn path_in(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    path
}

fn floats(view: &TensorView) -> Vec<f32> {
    match view.dtype() {
        Dtype::F16 => view.data().as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::F32 => view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        other => panic!("{other:?}"),
    }
}

/// `[1, 3, SIDE, SIDE]`: the middle of a picture, as the weights want it.
fn middle(picture: &Picture, device: &Device) -> Tensor<4> {
    let (top, left) = ((picture.height - SIDE) / 2, (picture.width - SIDE) / 2);
    let NormaliseConfig { mean, std, .. } = NormaliseConfig::caffe();
    let mut values = Vec::with_capacity(3 * SIDE * SIDE);
    for (plane, channel) in [2, 1, 0].into_iter().enumerate() {
        for row in top..top + SIDE {
            let of_row = |column| f32::from(picture.pixels[(row * picture.width + column) * 3 + channel]);
            values.extend((left..left + SIDE).map(|column| (of_row(column) - mean[plane]) / std[plane]));
        }
    }
    Tensor::from_data(TensorData::new(values, [1, 3, SIDE, SIDE]), device)
}

/// The five best classes with their logits, best first, by the last layer of a classifier `[classes, features]`.
fn five_best(features: &[f32], weight: &[f32], bias: &[f32]) -> Vec<(usize, f32)> {
    let of_class = |(row, bias): (&[f32], &f32)| row.iter().zip(features).map(|(w, f)| w * f).sum::<f32>() + bias;
    let mut logits: Vec<(usize, f32)> = weight.chunks(features.len()).zip(bias).map(of_class).enumerate().collect();
    logits.sort_by(|a, b| b.1.total_cmp(&a.1));
    logits.truncate(5);
    logits
}

#[test]
fn real_data_the_imagenet_resnet50_has_pytorchs_features_and_classes() {
    let (Some(weights), Some(data)) = (path_in("GHM_RESNET50"), path_in("GHM_SHARED_DATA")) else { return };
    let device = Device::flex();
    let config = ModelConfig { style: Style::Caffe, ..ModelConfig::default() };
    let (network, report) = load_weights(RetinaNet::new(&config, 1, 0, &device).unwrap(), &weights, &config).unwrap();
    assert_eq!(report.unused, ["fc.bias", "fc.weight"]);
    let file = std::fs::read(&weights).unwrap();
    let file = SafeTensors::deserialize(&file).unwrap();
    let [weight, bias] = ["fc.weight", "fc.bias"].map(|name| floats(&file.tensor(name).unwrap()));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/imagenet/resnet50.safetensors");
    let golden = std::fs::read(golden).unwrap();
    let golden = SafeTensors::deserialize(&golden).unwrap();
    let names: Vec<String> =
        golden.names().into_iter().filter_map(|name| name.strip_suffix(".features")).map(str::to_owned).collect();
    assert_eq!(names.len(), 4);
    for name in names {
        let expected = floats(&golden.tensor(&format!("{name}.features")).unwrap());
        let [_, _, c5] = network.features(middle(&decode(&data.join(&name)).unwrap(), &device));
        let [_, channels, height, width] = c5.dims();
        let averaged: Tensor<2> = c5.reshape([channels, height * width]).mean_dim(1);
        let features: Vec<f32> = averaged.into_data().try_into_vec().unwrap();
        let largest = expected.iter().copied().fold(0.0, f32::max);
        let furthest = features.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{name}: features up to {largest:.2}, {furthest:.1e} off at most");
        assert!(furthest <= 1e-3 * largest, "{name}: {furthest} off, of {largest}");

        let classes = golden.tensor(&format!("{name}.classes")).unwrap();
        let classes: Vec<i32> = classes.data().as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b)).collect();
        let logits = floats(&golden.tensor(&format!("{name}.logits")).unwrap());
        for ((class, logit), (expected, expected_logit)) in
            five_best(&features, &weight, &bias).into_iter().zip(classes.iter().zip(&logits))
        {
            assert_eq!(class as i32, *expected, "{name}");
            assert!((logit - expected_logit).abs() <= 1e-3 * expected_logit.abs(), "{name}: {logit}, {expected_logit}");
        }
    }
}
