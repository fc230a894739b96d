//! `ghm predict`: which pictures it takes, and where its own go.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Workplace, contents, text};

/// A workplace with a run of one epoch in `run`.
fn trained() -> Workplace {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    place
}

/// The pictures with boxes in a folder, sorted.
fn drawn(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut drawn: Vec<String> = names.filter(|name| name.ends_with(".png")).collect();
    drawn.sort();
    drawn
}

/// The files that `images.json` names.
fn listed(folder: &Path) -> Vec<String> {
    let list: Value = serde_json::from_slice(&fs::read(folder.join("images.json")).unwrap()).unwrap();
    let entries = list.as_array().unwrap().iter();
    entries.map(|image| image["file_name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_pattern_names_the_pictures_that_match_it() {
    let place = trained();
    place.done(&["predict", "run", "data/images/val/*2.jpg", "--out", "one"]);
    assert_eq!(listed(&place.path("one")), ["data/images/val/000002.jpg"]);
    assert_eq!(drawn(&place.path("one")), ["000002.png"]);
    assert!(place.path("one/detections.json").is_file());

    // Two pictures of one name: neither takes the other's place.
    place.done(&["predict", "run", "data/images/*/000001.jpg", "--out", "two"]);
    assert_eq!(listed(&place.path("two")), ["data/images/train/000001.jpg", "data/images/val/000001.jpg"]);
    assert_eq!(drawn(&place.path("two")), ["000001-2.png", "000001.png"]);
    let list: Value = serde_json::from_slice(&fs::read(place.path("two/images.json")).unwrap()).unwrap();
    assert_eq!(list[1]["drawing"], "000001-2.png");

    // Nor does the list of boxes.
    for json in ["three", "three/images.json", "three/000001.png"] {
        let arguments = ["predict", "run", "data/images/val", "--out", "three", "--json", json];
        place.refused(&arguments, &[json, "give another --json"]);
        assert!(!place.path("three").exists());
    }
}

#[test]
fn a_picture_named_more_than_once_is_counted_once() {
    let place = trained();
    let named = ["data/images/val/000002.jpg", "data/images/val", "data/images/val/*.jpg"];
    let mut arguments = vec!["predict", "run", "--out", "seen"];
    arguments.splice(2..2, named);
    let said = place.done(&arguments);
    assert!(said.contains("in 2 pictures"), "{said}");
    assert_eq!(listed(&place.path("seen")), ["data/images/val/000002.jpg", "data/images/val/000001.jpg"]);
    assert_eq!(drawn(&place.path("seen")), ["000001.png", "000002.png"]);
}

#[test]
fn unreadable_pictures_are_named_with_their_reason_and_the_others_are_drawn() {
    let place = trained();
    let picture = fs::read(place.path("data/images/val/000001.jpg")).unwrap();
    fs::create_dir(place.path("photos")).unwrap();
    fs::write(place.path("photos/a.jpg"), &picture).unwrap();
    fs::write(place.path("photos/b.jpg"), "this is a note, not a photo").unwrap();
    fs::write(place.path("photos/c.jpg"), &picture[..picture.len() / 2]).unwrap();
    let output = place.ghm(&["predict", "run", "photos", "--out", "seen"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("left out: photos/b.jpg: it is no JPEG and no PNG"), "{message}");
    assert!(message.contains("left out: photos/c.jpg: the JPEG data are cut short or damaged"), "{message}");
    assert_eq!(drawn(&place.path("seen")), ["a.png"]);

    assert!(text(&output.stdout).contains("in 1 picture:"), "{}", text(&output.stdout));
    assert_eq!(listed(&place.path("seen")), ["photos/a.jpg"]);

    // Not one picture left is a result too.
    let output = place.ghm(&["predict", "run", "photos/b.jpg", "--out", "none"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(drawn(&place.path("none")).is_empty());
}

#[test]
fn a_json_file_that_exists_is_refused_and_kept() {
    let place = trained();
    fs::write(place.path("mine.json"), "mine").unwrap();
    let mut arguments = ["predict", "run", "data/images/val", "--out", "seen", "--json", "mine.json"];
    place.refused(&arguments, &["mine.json: exists already"]);
    assert_eq!(fs::read_to_string(place.path("mine.json")).unwrap(), "mine");
    arguments[6] = "nowhere/boxes.json";
    place.refused(&arguments, &["nowhere: no such folder for --json"]);
    assert!(!place.path("seen").exists(), "a folder was made for nothing");

    arguments[6] = "free.json";
    place.done(&arguments);
    assert!(place.path("free.json").is_file());
    assert!(!place.path("seen/detections.json").exists(), "the boxes were written twice");
}

#[test]
fn what_lies_in_the_output_folder_is_never_overwritten() {
    let place = trained();
    let arguments = ["predict", "run", "data/images/val", "--out", "seen"];
    place.done(&arguments);
    let before = contents(&place.path("seen"));
    place.refused(&arguments, &["seen: holds files already", "give another --out"]);
    assert!(contents(&place.path("seen")) == before, "earlier predictions were changed");

    // A picture of the user's own that goes by the name of one to be drawn.
    fs::create_dir(place.path("mine")).unwrap();
    fs::write(place.path("mine/000001.png"), "my own").unwrap();
    place.refused(&["predict", "run", "data/images/val", "--out", "mine"], &["mine: holds files already"]);
    assert_eq!(fs::read_to_string(place.path("mine/000001.png")).unwrap(), "my own");

    let recipe = fs::read(place.path("recipe.toml")).unwrap();
    place.refused(&["predict", "run", "data/images/val", "--out", "recipe.toml"], &["recipe.toml"]);
    assert_eq!(fs::read(place.path("recipe.toml")).unwrap(), recipe);
}

#[test]
fn an_empty_folder_is_taken_for_a_run_and_for_predictions() {
    let place = Workplace::new();
    fs::create_dir(place.path("run")).unwrap();
    fs::create_dir(place.path("seen")).unwrap();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    assert!(place.path("run/checkpoints/last/model.safetensors").is_file());
    place.done(&["predict", "run", "data/images/val", "--out", "seen"]);
    assert_eq!(drawn(&place.path("seen")), ["000001.png", "000002.png"]);
}

#[test]
fn predictions_without_a_folder_go_to_the_next_free_one_of_the_run() {
    let place = trained();
    for _ in 0..2 {
        place.done(&["predict", "run", "data/images/val"]);
    }
    for folder in ["run/predictions", "run/predictions-2"] {
        assert_eq!(drawn(&place.path(folder)), ["000001.png", "000002.png"]);
    }
}
