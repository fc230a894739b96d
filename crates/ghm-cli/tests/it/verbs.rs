//! Every verb on small data, from recipe to picture.

use serde_json::Value;

use crate::support::{Workplace, contents, text};

#[test]
fn a_run_leaves_its_directory_and_the_other_verbs_read_it() {
    let place = Workplace::new();
    let before = contents(&place.path("data"));
    let table = place.done(&["train", "recipe.toml", "--out", "run"]);
    assert!(table.contains("AP50"), "{table}");
    for name in ["recipe.toml", "metrics.jsonl", "epochs.csv", "detections.json", "evaluation.json"] {
        assert!(place.path("run").join(name).is_file(), "{name}");
    }
    for name in ["last", "best"] {
        assert!(place.path("run/checkpoints").join(name).join("model.safetensors").is_file(), "{name}");
    }
    assert_eq!(std::fs::read_dir(place.path("run/samples")).unwrap().count(), 2);
    let steps = std::fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    assert_eq!(steps.lines().count(), 12);
    let step: Value = serde_json::from_str(steps.lines().next().unwrap()).unwrap();
    for part in ["data", "forward", "loss", "evidence", "backward", "update"] {
        assert!(step["time"][part].as_f64().unwrap() >= 0.0);
    }

    // Every label of every picture, in both epochs.
    let evidence = std::fs::read_to_string(place.path("run/evidence.jsonl")).unwrap();
    let evidence: Vec<Value> = evidence.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(evidence.iter().map(|line| line["epoch"].as_u64().unwrap()).max(), Some(2));
    let labels = evidence.iter().map(|line| line["objects"].as_array().unwrap().len()).sum::<usize>();
    let train = ghm_data::open(&place.path("data")).unwrap().load("train").unwrap().dataset;
    assert_eq!(labels, 2 * train.images.iter().map(|image| image.objects.len()).sum::<usize>());
    place.done(&["train", "recipe.toml", "audit.evidence=false", "schedule.epochs=1", "--out", "silent"]);
    assert!(!place.path("silent/evidence.jsonl").exists());

    let json: Value = serde_json::from_str(&place.done(&["eval", "run", "--json"])).unwrap();
    assert!(json["AP"].is_number() && json["per_class"].is_object(), "{json}");

    let said = place.done(&["predict", "run", "data/images/val", "--out", "seen", "--score", "0.01"]);
    assert!(said.contains("2 pictures"), "{said}");
    let pictures = std::fs::read_dir(place.path("seen"))
        .unwrap()
        .filter(|e| e.as_ref().unwrap().path().extension().unwrap() == "png");
    assert_eq!(pictures.count(), 2);
    assert!(place.path("seen/detections.json").is_file());

    assert_eq!(contents(&place.path("data")), before, "the data were changed");
}

#[test]
fn a_folder_of_labelled_pictures_trains_without_a_recipe() {
    let place = Workplace::new();
    let small = ["model.channels=8", "input.width=64", "input.height=64", "schedule.epochs=1", "schedule.batch=2"];
    let mut arguments = vec!["train", "data", "--out", "run"];
    arguments.splice(2..2, small);
    place.done(&arguments);
    assert!(place.path("run/checkpoints/last/model.safetensors").is_file());
}

#[test]
fn every_loss_optimiser_and_norm_trains() {
    let place = Workplace::new();
    let variants = [
        ["optimiser.kind=sgd", "model.norm=group", "loss.regression.cap=1", "loss.classification.between=blend"],
        [
            "schedule.decay=steps",
            "model.head_norm=group",
            "loss.classification.per_class=true",
            "loss.classification.cap=2",
        ],
        [
            "loss.classification.scope=batch",
            "loss.classification.ema=corrected",
            "optimiser.accumulate=3",
            "model.backbone=resnet50",
        ],
        [
            "loss.regression.normalise=bins",
            "loss.regression.ema=paper",
            "model.norm=frozen_batch",
            "model.frozen_stages=2",
        ],
    ];
    let kinds = ["focal", "quality_focal", "varifocal", "cross_entropy", "balanced_cross_entropy", "ohem", "ghm_exact"];
    let of_boxes = ["smooth_l1", "giou", "balanced_l1", "asl1", "l1", "ghm_exact", "ghm"];
    for (kind, of_boxes) in kinds.iter().zip(of_boxes) {
        let losses = [format!("loss.classification.kind={kind}"), format!("loss.regression.kind={of_boxes}")];
        place.done(&["train", "recipe.toml", "schedule.epochs=1", &losses[0], &losses[1], "--out", kind]);
    }
    for (index, variant) in variants.iter().enumerate() {
        let out = format!("run{index}");
        let mut arguments = vec!["train", "recipe.toml", "schedule.epochs=1", "--out", &out];
        arguments.splice(2..2, variant.iter().copied());
        place.done(&arguments);
    }
}

#[test]
fn two_json_files_are_evaluated_without_a_run() {
    let place = Workplace::new();
    std::fs::write(place.path("none.json"), "[]").unwrap();
    let arguments = ["eval", "--annotations", "data/annotations/val.json", "--detections", "none.json", "--json"];
    let json: Value = serde_json::from_str(&place.done(&arguments)).unwrap();
    assert_eq!(json["AP"], 0.0);
}

#[test]
fn real_data_official_numbers_are_reproduced() {
    let Some(shared) = std::env::var_os("GHM_SHARED_DATA") else {
        eprintln!("skipped: GHM_SHARED_DATA is not set");
        return;
    };
    let folder = std::path::Path::new(&shared).join("coco-eval");
    let file = |name: &str| folder.join(name).display().to_string();
    let (truth, boxes) = (file("instances_val2014_100.json"), file("instances_val2014_fakebbox100_results.json"));
    let output = Workplace::new().ghm(&["eval", "--annotations", &truth, "--detections", &boxes, "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let ours: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    for (name, value) in expected["order"].as_array().unwrap().iter().zip(expected["stats"].as_array().unwrap()) {
        let ours = ours[name.as_str().unwrap()].as_f64().unwrap();
        assert!((ours - value.as_f64().unwrap()).abs() < 1e-12, "{name}: {ours} against {value}");
    }
}

#[test]
fn frozen_random_weights_and_a_missing_validation_split_are_warned_of() {
    let place = Workplace::new();
    let said = |overrides: &[&str], out| {
        let mut arguments = vec!["train", "recipe.toml", "schedule.epochs=1", "--out", out];
        arguments.splice(2..2, overrides.iter().copied());
        let output = place.ghm(&arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let plain = said(&[], "plain");
    assert!(plain.contains("evaluating on 2 pictures of `val`") && !plain.contains("model.weights"), "{plain}");
    let frozen = said(&["model.frozen_stages=1"], "frozen");
    assert!(frozen.contains("warning: model.weights is not given"), "{frozen}");
    std::fs::remove_file(place.path("data/annotations/val.json")).unwrap();
    let alone = said(&[], "alone");
    assert!(alone.contains("no validation split, so nothing is evaluated: name one with data.validation"), "{alone}");
}

#[test]
fn a_file_of_weights_is_told_with_the_settings_that_start_from_it() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    let file = "run/checkpoints/last/model.safetensors";
    let document: Value = serde_json::from_str(&place.done(&["weights", file, "--json"])).unwrap();
    assert_eq!((document["layout"].as_str(), document["backbone"].as_str()), (Some("ghm"), Some("resnet18")));
    let parts = document["parts"].as_array().unwrap();
    assert!(parts.iter().all(|part| part["rms"].as_f64().unwrap() > 0.0 && part["is_finite"] == true), "{parts:?}");
    assert_eq!((document["missing"].as_array().map(Vec::len), parts.len()), (Some(0), 8));
    let mapped = document["mapped"].as_array().unwrap();
    assert!(
        mapped
            .iter()
            .any(|one| one["ours"] == "backbone.stem.weight" && one["shape"] == serde_json::json!([8, 3, 7, 7]))
    );
    let all = place.done(&["weights", file, "--tensors"]);
    assert_eq!(all.lines().filter(|line| line.contains("backbone.stages.3.1.conv2.weight")).count(), 1, "{all}");
    let table = place.done(&["weights", file]);
    assert!(table.lines().count() + mapped.len() < all.lines().count() + 1, "{table}");
    let settings: Vec<&str> = document["settings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(settings.contains(&"model.channels=8"), "{settings:?}");
    let start = format!("ghm train RECIPE model.weights={file} {}", settings.join(" "));
    assert!(table.contains(&start) && table.contains("class head"), "{table}");
}
