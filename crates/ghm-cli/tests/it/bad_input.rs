//! Bad input ends with a clear message, exit code 2, no panic and nothing overwritten.

mod data;
mod detections;
mod disk;
mod formats;
mod recipe;
mod run;

use std::fs;
use std::path::Path;

use crate::support::{Workplace, contents, text};

const TRAIN: &str = "data/annotations/train.json";

/// Runs the binary on something bad and expects every part of the message.
fn refused(place: &Workplace, arguments: &[&str], parts: &[&str]) {
    let before = contents(&place.path("data"));
    place.refused(arguments, parts);
    assert!(!place.path("out").exists(), "a run directory was left behind");
    assert_eq!(contents(&place.path("data")), before, "the data were changed");
}

fn training_refused(place: &Workplace, overrides: &[&str], parts: &[&str]) {
    let mut arguments = vec!["train", "recipe.toml", "--out", "out"];
    arguments.splice(2..2, overrides.iter().copied());
    refused(place, &arguments, parts);
}

fn rewrite(path: &Path, change: impl FnOnce(String) -> String) {
    let changed = change(fs::read_to_string(path).unwrap());
    fs::write(path, changed).unwrap();
}

/// Trains and expects a warning, not a failure.
fn trained_with_warning(place: &Workplace, parts: &[&str]) {
    let output = place.ghm(&["train", "recipe.toml", "schedule.epochs=1", "--out", "out"]);
    let message = text(&output.stderr);
    assert!(output.status.success(), "{message}");
    for part in parts {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
}
