//! Devices, run directories, weights, checkpoints, and a loss that diverges.

use std::fs;

use super::{TRAIN, refused, training_refused};
use crate::support::Workplace;

#[test]
fn an_unknown_device_is_refused_with_the_known_ones() {
    refused(&Workplace::new(), &["train", "recipe.toml", "--device", "tpu", "--out", "out"], &["tpu", "cpu, cuda"]);
}

#[test]
fn an_occupied_run_directory_is_refused_and_kept() {
    let place = Workplace::new();
    fs::create_dir(place.path("mine")).unwrap();
    fs::write(place.path("mine/notes.txt"), "dear diary").unwrap();
    refused(&place, &["train", "recipe.toml", "--out", "mine"], &["mine", "never overwritten"]);
    assert_eq!(fs::read_to_string(place.path("mine/notes.txt")).unwrap(), "dear diary");
}

#[test]
fn a_folder_that_is_no_run_directory_is_refused() {
    let place = Workplace::new();
    refused(&place, &["train", "--resume", "data"], &["data", "not a run directory"]);
    refused(&place, &["eval", "nowhere"], &["nowhere", "no such run"]);
    refused(&place, &["predict", "data", "data/images/val"], &["data", "not a run directory"]);
}

#[test]
fn a_folder_around_a_run_is_refused_and_the_run_named() {
    let place = Workplace::new();
    for run in ["mine/second", "mine/first"] {
        fs::create_dir_all(place.path(run)).unwrap();
        fs::write(place.path(run).join("recipe.toml"), "").unwrap();
    }
    let first = std::path::Path::new("mine").join("first");
    for verb in ["eval", "figures", "report"] {
        refused(&place, &[verb, "mine"], &["mine", "not a run directory", &format!("{} is one", first.display())]);
    }
}

#[test]
fn weights_that_are_missing_or_no_weights_are_refused() {
    let place = Workplace::new();
    training_refused(&place, &["model.weights=none.safetensors"], &["model.weights = ", "none.safetensors", ".pth"]);
    fs::write(place.path("note.safetensors"), "hello").unwrap();
    training_refused(&place, &["model.weights=note.safetensors"], &["note.safetensors", "no weights"]);
}

#[test]
fn a_checkpoint_of_another_architecture_is_refused() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    let weights = "model.weights=run/checkpoints/last/model.safetensors";
    training_refused(&place, &[weights, "model.channels=16"], &["does not fit", "fpn.lateral.0.weight", "[8, "]);
    let recipe = place.path("run/recipe.toml");
    let text = fs::read_to_string(&recipe).unwrap().replace("\nchannels = 8", "\nchannels = 16");
    fs::write(&recipe, text).unwrap();
    refused(&place, &["eval", "run"], &["model.safetensors", "does not fit", "fpn."]);
}

#[test]
fn losses_that_changed_between_stop_and_resume_are_refused() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    let recipe = place.path("run/recipe.toml");
    let text = fs::read_to_string(&recipe).unwrap();
    for (from, to) in [("bins = 30", "bins = 20"), ("kind = \"ghm\"", "kind = \"focal\"")] {
        assert!(text.contains(from), "{text}");
        fs::write(&recipe, text.replacen(from, to, 1)).unwrap();
        refused(&place, &["train", "--resume", "run"], &["recipe.toml", "loss settings", "start a new run"]);
    }
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    for name in ["last", "best"] {
        let path = place.path("run/checkpoints").join(name).join("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    }
    refused(&place, &["train", "--resume", "run"], &["model.safetensors", "damaged"]);
    refused(&place, &["eval", "run"], &["model.safetensors", "damaged"]);
}

#[test]
fn data_that_changed_between_stop_and_resume_are_refused() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    let mut json: serde_json::Value = serde_json::from_str(&fs::read_to_string(place.path(TRAIN)).unwrap()).unwrap();
    json["annotations"].as_array_mut().unwrap().pop();
    fs::write(place.path(TRAIN), json.to_string()).unwrap();
    refused(&place, &["train", "--resume", "run"], &["not the one this run was started on"]);
}

#[test]
fn a_loss_that_is_not_finite_stops_with_step_pictures_and_checkpoint() {
    let place = Workplace::new();
    let diverging = [
        "optimiser.learning_rate=1e30",
        "optimiser.kind=sgd",
        "optimiser.clip_norm=0",
        "schedule.warmup_steps=0",
        "checkpoint.every_steps=1",
    ];
    let mut arguments = vec!["train", "recipe.toml", "--out", "run"];
    arguments.splice(2..2, diverging);
    refused(&place, &arguments, &["step ", "pictures [", "checkpoints/last", "learning_rate"]);
}
