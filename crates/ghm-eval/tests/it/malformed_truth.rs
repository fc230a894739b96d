//! Ground truths that must be refused, and what the message has to say.

use std::path::Path;

use ghm_eval::{EvalError, GroundTruth};
use serde_json::{Value, json};

fn good() -> Value {
    json!({
        "images": [{"id": 41, "file_name": "first.jpg", "width": 640, "height": 480}, {"id": 42}],
        "categories": [{"id": 1, "name": "cell"}, {"id": 7, "name": "platelet"}],
        "annotations": [
            {"id": 1, "image_id": 41, "category_id": 1, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0},
            {"id": 2, "image_id": 41, "category_id": 7, "bbox": [10, 10, 50, 50], "area": 2400.5, "iscrowd": 1},
        ],
    })
}

/// The good ground truth with the value at a JSON pointer put in the place of what is there.
fn with(pointer: &str, value: Value) -> Value {
    let mut truth = good();
    *truth.pointer_mut(pointer).unwrap() = value;
    truth
}

fn without(list: &str, index: usize, key: &str) -> Value {
    let mut truth = good();
    truth[list][index].as_object_mut().unwrap().remove(key).unwrap();
    truth
}

#[track_caller]
fn assert_says(error: &EvalError, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in:\n{message}");
    }
}

#[test]
fn the_unaltered_ground_truth_is_good() {
    let truth = GroundTruth::from_coco_json(good(), "gt.json").unwrap();
    assert_eq!((truth.image_count(), truth.annotation_count()), (2, 2));
    assert_eq!(truth.category_ids().collect::<Vec<_>>(), [1, 7]);
    assert_eq!(truth.origin(), "gt.json");
}

#[test]
fn a_malformed_record_is_named_with_index_picture_field_and_remedy() {
    const FIRST: &str = "annotations[0] (image 41, first.jpg)";
    let cases: Vec<(Value, &[&str])> = vec![
        (with("/annotations/0", json!([1])), &["annotations[0]: is an array, expected an object"]),
        (without("annotations", 0, "bbox"), &[FIRST, "bbox: is missing", "add the field"]),
        (without("annotations", 0, "id"), &[FIRST, " id: is missing"]),
        (without("annotations", 0, "image_id"), &["annotations[0] image_id: is missing"]),
        (without("annotations", 0, "category_id"), &[FIRST, "category_id: is missing"]),
        (with("/annotations/0/bbox", json!([1, 2, 3])), &[FIRST, "bbox: has 3 numbers", "[x, y, width, height]"]),
        (with("/annotations/0/bbox", json!("1,2,3,4")), &[FIRST, "bbox: is the string"]),
        (with("/annotations/0/bbox/1", json!([1])), &[FIRST, "bbox[1]: is an array, expected a number"]),
        (with("/annotations/0/bbox/2", json!(-5)), &[FIRST, "bbox: is -5 wide and 50 high", "swap the corners"]),
        (with("/annotations/0/bbox/3", json!("NaN")), &[FIRST, "bbox[3]: is NaN, not a finite number"]),
        (with("/annotations/0/area", json!(-1)), &[FIRST, "area: is -1", "width x height"]),
        (with("/annotations/0/area", json!("big")), &[FIRST, "area: is the string \"big\", expected a number"]),
        (with("/annotations/0/iscrowd", json!("yes")), &[FIRST, "iscrowd: is the string \"yes\", expected 0 or 1"]),
        (with("/annotations/0/iscrowd", json!(2)), &[FIRST, "iscrowd: is 2, expected 0 or 1"]),
        (with("/annotations/1/id", json!(1)), &["annotations[1]", "id: 1 is already that of record 0", "anew"]),
        (
            with("/annotations/0/image_id", json!(99)),
            &["annotations[0] (image 99) image_id: 99 is no image", "2 ids in 41..=42"],
        ),
        (with("/annotations/0/category_id", json!(2)), &[FIRST, "category_id: 2 is no category", "2 ids in 1..=7"]),
        (with("/images/1/id", json!(41)), &["images[1] (image 41) id: 41 is already that of record 0"]),
        (with("/images/1/id", json!("42")), &["images[1] id: is the string \"42\", expected a whole number"]),
        (with("/images/0/width", json!("640")), &["images[0] (image 41, first.jpg) width: is the string"]),
        (with("/images/0/height", json!(-480)), &["images[0] (image 41, first.jpg) height: is -480"]),
        (with("/images/0/file_name", json!(5)), &["images[0] (image 41) file_name: is 5, expected a string"]),
        (with("/images/0", json!(null)), &["images[0]: is null, expected an object"]),
        (with("/categories/1/id", json!(1)), &["categories[1] id: 1 is already that of record 0"]),
        (without("categories", 1, "name"), &["categories[1] name: is missing"]),
        (with("/categories/1/name", json!("")), &["categories[1] name: is the string \"\""]),
        (with("/images", json!({})), &["images: is an object, expected an array"]),
        (with("/annotations", Value::Null), &["annotations: is missing"]),
    ];
    for (truth, parts) in cases {
        let error = GroundTruth::from_coco_json(truth, "gt.json").unwrap_err();
        assert_says(&error, parts);
        assert_says(&error, &["1 defect in gt.json"]);
    }
}

#[test]
fn all_lists_are_checked_before_anything_is_refused() {
    let truth = json!({
        "images": [{"id": 1}, {"id": 1}],
        "categories": [{"id": 1}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, -1, 1], "area": -1}],
    });
    let error = GroundTruth::from_coco_json(truth, "gt.json").unwrap_err();
    assert_says(&error, &["4 defects", "images[1]", "categories[0]", "annotations[0] (image 1) bbox", "area: is -1"]);
}

#[test]
fn a_lost_image_record_does_not_make_its_annotations_wrong() {
    let error = GroundTruth::from_coco_json(with("/images/0/id", json!(null)), "gt.json").unwrap_err();
    assert_says(&error, &["1 defect in", "images[0] (image first.jpg) id: is missing"]);
}

#[test]
fn json_of_another_kind_is_refused_with_a_way_out() {
    let error = GroundTruth::from_coco_json(json!([{"image_id": 1}]), "gt.json").unwrap_err();
    assert_says(&error, &["gt.json holds an array, expected an object", "give the annotation file"]);
}

#[test]
fn a_broken_file_says_how_it_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gt.json");
    let text = good().to_string();
    let cases: [(Vec<u8>, &[&str]); 5] = [
        (Vec::new(), &["gt.json is empty"]),
        (vec![0x89, b'P', b'N', b'G', 0], &["gt.json is not text: byte 0"]),
        (text.as_bytes()[..text.len() - 9].to_vec(), &["gt.json ends in the middle", "truncated"]),
        (text.replace(':', "=").into_bytes(), &["gt.json is not JSON", "line 1"]),
        (
            text.replace("2400.5", "NaN").into_bytes(),
            &["annotations[1] (image 41, first.jpg) area: is NaN, not a finite number"],
        ),
    ];
    for (bytes, parts) in cases {
        std::fs::write(&path, bytes).unwrap();
        assert_says(&GroundTruth::from_coco_file(&path).unwrap_err(), parts);
    }
    let error = GroundTruth::from_coco_file(Path::new("no/such/gt.json")).unwrap_err();
    assert_says(&error, &["cannot read no/such/gt.json"]);
}

#[test]
fn a_good_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gt.json");
    std::fs::write(&path, good().to_string()).unwrap();
    assert_eq!(GroundTruth::from_coco_file(&path).unwrap().annotation_count(), 2);
}
