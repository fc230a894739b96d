//! `ghm export`, and `ghm predict` with files of weights.

use std::collections::HashMap;

use burn::tensor::Device;
use ghm_detector::{Backbone, Layout, ModelConfig, RetinaNet, save_as};
use serde_json::Value;

use crate::support::{Workplace, text};

const PICTURES: &str = "data/images/val";

/// A workplace with a run of one epoch in `run`.
fn trained() -> Workplace {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    place
}

/// The boxes that a network finds.
fn found(place: &Workplace, model: &str, options: &[&str], out: &str) -> Value {
    place.done(&[&["predict", model, PICTURES, "--score", "0.001", "--out", out], options].concat());
    serde_json::from_slice(&std::fs::read(place.path(out).join("detections.json")).unwrap()).unwrap()
}

/// A file of a small detector under another library's names, without a word beside its tensors.
fn foreign(place: &Workplace, name: &str, layout: Layout, classes: usize) {
    let config = ModelConfig { backbone: Backbone::Resnet18, channels: 8, head_depth: 1, ..ModelConfig::default() };
    let network = RetinaNet::new(&config, classes, 3, &Device::flex()).unwrap();
    std::fs::write(place.path(name), save_as(&network, layout, HashMap::new()).unwrap()).unwrap();
}

#[test]
fn a_runs_weights_find_what_the_run_finds_from_wherever_they_lie() {
    let place = trained();
    let expected = found(&place, "run", &[], "of-run");
    assert!(expected.as_array().unwrap().len() > 5, "{expected}");
    let checkpoint = "run/checkpoints/best/model.safetensors";
    assert!(found(&place, checkpoint, &[], "of-checkpoint") == expected, "other boxes");

    let said = place.done(&["export", "run", "--to", "safetensors", "--out", "out.safetensors"]);
    assert!(said.contains("out.safetensors") && said.contains("out.py"), "{said}");
    assert!(std::fs::read_to_string(place.path("out.py")).unwrap().contains("RetinaNet("));
    let summary: Value = serde_json::from_str(&place.done(&["weights", "out.safetensors", "--json"])).unwrap();
    assert_eq!((summary["layout"].as_str(), summary["classes"].as_u64()), (Some("torchvision RetinaNet"), Some(6)));
    assert!(found(&place, "out.safetensors", &[], "of-export") == expected, "other boxes");

    // The same file from the same run, and none is overwritten.
    place.done(&["export", checkpoint, "--to", "safetensors", "--out", "again.safetensors"]);
    let bytes = |name: &str| std::fs::read(place.path(name)).unwrap();
    assert!(bytes("out.safetensors") == bytes("again.safetensors"));
    place.refused(&["export", "run", "--to", "safetensors", "--out", "out.safetensors"], &["not overwritten"]);
    place.done(&["export", "run", "--to", "onnx"]);
    assert!(place.path("run/model.onnx").is_file());
    place.refused(&["export", "run", "--to", "onnx"], &["run/model.onnx", "not overwritten"]);
}

#[test]
fn an_onnx_file_names_its_classes_and_its_pixels() {
    let place = trained();
    let said = place.done(&["export", "run", "--to", "onnx", "--boxes", "--out", "boxes.onnx"]);
    assert!(said.contains("pixels [N, 3, 64, 64]"), "{said}");
    let bytes = std::fs::read(place.path("boxes.onnx")).unwrap();
    for word in ["NonMaxSuppression", "\"name\":\"triangle\"", "\"order\":\"rgb\"", "\"base_size\":16.0", "counts"] {
        assert!(bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
    }
    let other = place.done(&["export", "run", "--to", "onnx", "--boxes", "--size", "96", "32", "--out", "other.onnx"]);
    assert!(other.contains("pixels [N, 3, 32, 96]"), "{other}");
    place.refused(&["export", "run", "--to", "onnx", "--boxes", "--size", "96", "33"], &["multiples of 32"]);
    place.refused(&["export", "run", "--to", "onnx", "--size", "96", "32"], &["--boxes"]);
    place.refused(&["export", "run", "--to", "safetensors", "--boxes"], &["--to onnx"]);
}

#[test]
fn a_published_model_predicts_at_once() {
    let place = Workplace::new();
    foreign(&place, "published.safetensors", Layout::Mmdetection, 80);
    let small = ["--set", "input.width=64", "--set", "input.height=64"];
    let boxes = found(&place, "published.safetensors", &small, "seen");
    let ids: Vec<u64> = boxes.as_array().unwrap().iter().map(|one| one["category_id"].as_u64().unwrap()).collect();
    assert!(!ids.is_empty() && ids.iter().all(|id| (1..=90).contains(id) && *id != 12), "{ids:?}");
    let said = place.ghm(&[&["predict", "published.safetensors", PICTURES][..], &small].concat());
    assert!(text(&said.stderr).contains("mmdetection RetinaNet"), "{}", text(&said.stderr));
    assert!(place.path("predictions/images.json").is_file());
}

#[test]
fn names_of_classes_are_taken_from_a_list() {
    let place = Workplace::new();
    foreign(&place, "two.safetensors", Layout::TorchvisionRetinaNet, 2);
    let small = ["--set", "input.width=64", "--set", "input.height=64"];
    let nameless = place.ghm(&[&["predict", "two.safetensors", PICTURES, "--out", "a"][..], &small].concat());
    assert!(text(&nameless.stderr).contains("give --classes FILE"), "{}", text(&nameless.stderr));
    std::fs::write(place.path("classes.txt"), "cat\ndog\n\n").unwrap();
    let named = [&small[..], &["--classes", "classes.txt"]].concat();
    found(&place, "two.safetensors", &named, "b");
    std::fs::write(place.path("classes.txt"), "cat\ndog\nowl\n").unwrap();
    let arguments = [&["predict", "two.safetensors", PICTURES, "--out", "c"][..], &named].concat();
    place.refused(&arguments, &["2 classes, not 3"]);
}

#[test]
fn what_is_no_detector_is_refused_with_what_to_do() {
    let place = trained();
    for option in [["--set", "model.channels=8"], ["--recipe", "recipe.toml"], ["--classes", "recipe.toml"]] {
        place.refused(&[&["predict", "run", PICTURES][..], &option].concat(), &[option[0], "a file of weights"]);
    }
    let config = ModelConfig { backbone: Backbone::Resnet18, channels: 8, ..ModelConfig::default() };
    let network = RetinaNet::new(&config, 1, 0, &Device::flex()).unwrap();
    let tensors = ghm_detector::names::named_tensors(&network).into_iter();
    let of_backbone = tensors.filter_map(|t| Some((ghm_detector::names::torchvision_name(&t.name)?, t)));
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = of_backbone
        .map(|(name, t)| (name, t.shape, t.values.iter().flat_map(|value| value.to_le_bytes()).collect()))
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        let dtype = safetensors::Dtype::F32;
        (name.clone(), safetensors::tensor::TensorView::new(dtype, shape.clone(), bytes).unwrap())
    });
    std::fs::write(place.path("r18.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    place.refused(&["predict", "r18.safetensors", PICTURES], &["torchvision classifier", "ghm train RECIPE"]);
    place.refused(&["export", "recipe.toml", "--to", "onnx"], &["recipe.toml"]);
    place.refused(&["export", "nowhere", "--to", "onnx"], &["nowhere", "no such"]);
}
