//! Data folders, COCO annotations, splits and pictures.

use std::fs;
use std::path::PathBuf;

use super::{TRAIN, rewrite, trained_with_warning, training_refused};
use crate::support::Workplace;

/// A workplace whose training annotations went through `change`.
fn with_annotations(change: impl FnOnce(String) -> String) -> Workplace {
    let place = Workplace::new();
    rewrite(&place.path(TRAIN), change);
    place
}

fn with_json(change: impl FnOnce(&mut serde_json::Value)) -> Workplace {
    with_annotations(|text| {
        let mut json = serde_json::from_str(&text).unwrap();
        change(&mut json);
        json.to_string()
    })
}

fn first_picture(place: &Workplace) -> PathBuf {
    let mut all: Vec<_> = fs::read_dir(place.path("data/images/train")).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all.remove(0)
}

#[test]
fn a_missing_data_folder_is_refused() {
    training_refused(&Workplace::new(), &["data.root=nowhere"], &["nowhere"]);
}

#[test]
fn an_empty_data_folder_is_refused() {
    let place = Workplace::new();
    fs::create_dir(place.path("hollow")).unwrap();
    training_refused(&place, &["data.root=hollow"], &["hollow", "no data set found"]);
}

#[test]
fn empty_annotations_are_refused() {
    training_refused(&with_annotations(|_| String::new()), &[], &["train.json", "empty"]);
}

#[test]
fn binary_annotations_are_refused() {
    let place = Workplace::new();
    fs::write(place.path(TRAIN), [0x89, 0x50, 0x4e, 0x47, 0xff, 0x00]).unwrap();
    training_refused(&place, &[], &["train.json"]);
}

#[test]
fn truncated_annotations_are_refused() {
    training_refused(&with_annotations(|text| text[..text.len() / 2].to_owned()), &[], &["train.json"]);
}

#[test]
fn annotations_with_wrong_types_are_refused_by_their_record() {
    let place = with_json(|json| json["images"][3]["width"] = "wide".into());
    training_refused(&place, &[], &["train.json", "images[3].width", "wide"]);
}

#[test]
fn duplicate_image_ids_are_refused() {
    let place = with_json(|json| json["images"][1]["id"] = json["images"][0]["id"].clone());
    training_refused(&place, &[], &["train.json", "images[1]"]);
}

#[test]
fn annotations_without_categories_are_refused() {
    let place = with_json(|json| json["categories"] = serde_json::json!([]));
    training_refused(&place, &[], &["train.json", "categor"]);
}

#[test]
fn an_unknown_split_is_refused_with_the_known_ones() {
    training_refused(&Workplace::new(), &["data.train=trian"], &["trian", "train, val"]);
}

#[test]
fn a_split_without_a_box_is_refused() {
    let place = with_json(|json| json["annotations"] = serde_json::json!([]));
    training_refused(&place, &[], &["no usable box", "train"]);
}

#[test]
fn fewer_pictures_than_a_batch_are_refused() {
    training_refused(&Workplace::new(), &["schedule.batch=100"], &["12 pictures", "schedule.batch"]);
}

#[test]
fn classes_that_differ_between_splits_are_refused() {
    let place = with_json(|json| json["categories"][0]["name"] = "other".into());
    training_refused(&place, &[], &["differ", "other"]);
}

#[test]
fn defects_are_refused_when_the_recipe_says_stop() {
    let place = with_json(|json| json["annotations"][0]["bbox"][2] = (-5).into());
    training_refused(&place, &["data.on_bad=stop"], &["train.json", "annotation"]);
}

#[test]
fn a_box_of_nan_is_left_out_with_a_warning() {
    let place = with_annotations(|text| text.replacen("\"bbox\":[", "\"bbox\":[NaN,1,2,3],\"old\":[", 1));
    trained_with_warning(&place, &["train.json", "annotation"]);
}

#[test]
fn a_category_without_boxes_is_no_obstacle() {
    let place = Workplace::new();
    for split in ["train", "val"] {
        let path = place.path(&format!("data/annotations/{split}.json"));
        let mut json: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        json["categories"].as_array_mut().unwrap().push(serde_json::json!({"id": 99, "name": "unseen"}));
        fs::write(path, json.to_string()).unwrap();
    }
    trained_with_warning(&place, &["epoch   1"]);
}

#[test]
fn an_unknown_class_is_left_out_with_a_warning() {
    let place = with_json(|json| json["annotations"][0]["category_id"] = 4711.into());
    trained_with_warning(&place, &["train.json", "4711"]);
}

#[test]
fn a_missing_picture_is_left_out_with_a_warning() {
    let place = Workplace::new();
    let path = first_picture(&place);
    fs::remove_file(&path).unwrap();
    trained_with_warning(&place, &[path.file_name().unwrap().to_str().unwrap()]);
}

#[test]
fn a_truncated_picture_is_left_out_and_counted() {
    let place = Workplace::new();
    let path = first_picture(&place);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    trained_with_warning(&place, &[path.file_name().unwrap().to_str().unwrap(), "1 pictures left out"]);
}

#[test]
fn an_empty_picture_is_left_out_and_counted() {
    let place = Workplace::new();
    fs::write(first_picture(&place), b"").unwrap();
    trained_with_warning(&place, &["empty", "1 pictures left out"]);
}

#[test]
fn text_named_jpg_is_left_out_and_counted() {
    let place = Workplace::new();
    fs::write(first_picture(&place), b"this is a note, not a photo").unwrap();
    trained_with_warning(&place, &["not a JPEG or PNG", "1 pictures left out"]);
}
