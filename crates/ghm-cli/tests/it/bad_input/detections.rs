//! What `eval` and `predict` are given: detections and pictures.

use std::fs;

use super::refused;
use crate::support::Workplace;

#[test]
fn annotations_without_detections_are_refused() {
    refused(&Workplace::new(), &["eval", "--annotations", "data/annotations/val.json"], &["--detections"]);
}

/// Evaluates detections given as text and expects every part of the message.
fn detections_refused(detections: &str, parts: &[&str]) {
    let place = Workplace::new();
    fs::write(place.path("dt.json"), detections).unwrap();
    let arguments = ["eval", "--annotations", "data/annotations/val.json", "--detections", "dt.json"];
    refused(&place, &arguments, &[&["dt.json"], parts].concat());
}

#[test]
fn detections_of_an_unknown_picture_are_refused() {
    let bad = r#"[{"image_id": 9999, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]"#;
    detections_refused(bad, &["detections[0]", "9999"]);
}

#[test]
fn detections_with_a_score_above_one_are_refused() {
    let bad = r#"[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1.5}]"#;
    detections_refused(bad, &["detections[0]", "image 1", "1.5"]);
}

#[test]
fn detections_without_a_box_are_refused() {
    detections_refused(r#"[{"image_id": 1, "category_id": 1, "score": 0.5}]"#, &["detections[0]", "bbox"]);
}

#[test]
fn empty_detections_are_refused() {
    detections_refused("", &["empty"]);
}

#[test]
fn truncated_detections_are_refused() {
    detections_refused(r#"[{"image_id": 1, "categ"#, &["truncated"]);
}

#[test]
fn pictures_that_do_not_exist_are_refused() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    refused(&place, &["predict", "run", "photos/*.jpg"], &["photos/*.jpg", "matches nothing"]);
    refused(&place, &["predict", "run", "data/images/val", "--score", "7"], &["--score 7", "0 to 1"]);
}
