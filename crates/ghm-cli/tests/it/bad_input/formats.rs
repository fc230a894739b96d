//! YOLO and Pascal VOC labels, and the pictures of every format.

use std::fs;
use std::path::Path;

use super::{rewrite, trained_with_warning, training_refused};
use crate::formats::Scenes;
use crate::support::{RECIPE, Workplace};

/// A workplace whose recipe reads its scenes from `other`, where `write` puts them in a format of its own.
fn with_scenes(write: impl FnOnce(&Scenes, &Path)) -> Workplace {
    let place = Workplace::new();
    write(&Scenes::of(&place), &place.path("other"));
    fs::write(place.path("recipe.toml"), RECIPE.replace("root = \"data\"", "root = \"other\"")).unwrap();
    place
}

#[test]
fn a_yolo_class_out_of_range_is_left_out_with_a_warning() {
    let place = with_scenes(Scenes::write_yolo);
    rewrite(&place.path("other/labels/train/000001.txt"), |text| format!("9 0.5 0.5 0.2 0.2\n{text}"));
    trained_with_warning(&place, &["labels/train/000001.txt: line 1: class 9 is not in names (left out"]);
}

#[test]
fn a_yolo_line_with_a_word_for_a_number_is_left_out_with_a_warning() {
    let place = with_scenes(Scenes::write_yolo);
    rewrite(&place.path("other/labels/train/000001.txt"), |text| format!("disc 0.5 0.5 0.2 0.2\n{text}"));
    trained_with_warning(&place, &["labels/train/000001.txt: line 1: `disc` is not a number (left out"]);
}

#[test]
fn the_picture_of_a_broken_voc_file_is_left_out_with_a_warning() {
    let place = with_scenes(Scenes::write_voc);
    rewrite(&place.path("other/Annotations/train_000001.xml"), |text| text[..text.len() / 2].to_owned());
    let parts = ["Annotations/train_000001.xml: file: not well-formed XML", "the picture is left out"];
    trained_with_warning(&place, &parts);
}

#[test]
fn a_voc_box_without_a_name_is_left_out_with_a_warning() {
    let place = with_scenes(Scenes::write_voc);
    let rename = |text: String| text.replacen("<name>", "<title>", 1).replacen("</name>", "</title>", 1);
    rewrite(&place.path("other/Annotations/train_000001.xml"), rename);
    trained_with_warning(&place, &["Annotations/train_000001.xml: object 1: <name> is missing or empty (left out"]);
}

#[test]
fn a_picture_folder_that_cannot_be_read_is_refused_in_every_format() {
    let cases: [(Workplace, &str, &[&str]); 3] = [
        (with_scenes(Scenes::write_coco), "train", &["train.json: split `train` has no usable picture", "000001.jpg"]),
        (with_scenes(Scenes::write_voc), "JPEGImages", &["other/JPEGImages: cannot list the folder", "this is a file"]),
        (with_scenes(Scenes::write_yolo), "images/train", &["data.yaml: train: `images/train` is neither a folder"]),
    ];
    for (place, folder, parts) in cases {
        // A file in the folder's place stops the superuser too.
        let path = place.path("other").join(folder);
        fs::remove_dir_all(&path).unwrap();
        fs::write(&path, "").unwrap();
        training_refused(&place, &[], parts);
    }
}
