//! Finding out what a folder holds.

use ghm_data::{DataError, Format, open};

use super::Folder;

const COCO: &str = r#"{"images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 9}], "annotations": [],
    "categories": [{"id": 1, "name": "cat"}]}"#;
const XML: &str = "<annotation><size><width>9</width><height>9</height></size><object><name>cat</name><bndbox>\
    <xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>";

fn open_error(folder: &Folder, name: &str) -> DataError {
    open(&folder.path(name)).expect_err("refused")
}

#[test]
fn each_format_is_recognised_by_its_files() {
    let layouts: [(&str, &str, &str, Format, &[&str]); 8] = [
        ("annotations/train.json", COCO, "", Format::Coco, &["train"]),
        ("train/_annotations.coco.json", COCO, "", Format::Coco, &["train"]),
        ("mine.json", COCO, "", Format::Coco, &["mine"]),
        ("mine.json", COCO, "mine.json", Format::Coco, &["mine"]),
        ("annotations/instances_b.json", COCO, "annotations", Format::Coco, &["b"]),
        ("Annotations/a.xml", XML, "", Format::Voc, &["all"]),
        ("Annotations/a.xml", XML, "Annotations", Format::Voc, &["all"]),
        ("data.yaml", "val: images\nnames: [cat]", "", Format::Yolo, &["val"]),
    ];
    for (file, content, opened, format, splits) in layouts {
        let folder = Folder::new();
        folder.write(file, content);
        folder.picture("JPEGImages/a.png", 9, 9);
        let source = open(&folder.path(opened)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(
            (source.format(), source.splits()),
            (format, splits.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>().as_slice())
        );
        assert_eq!(source.root(), folder.path(opened));
    }
}

#[test]
fn the_formats_are_displayed_as_people_write_them() {
    assert_eq!([Format::Coco, Format::Voc, Format::Yolo].map(|format| format.to_string()), ["COCO", "VOC", "YOLO"]);
}

#[test]
fn two_formats_in_one_folder_are_an_error_that_names_both() {
    let folder = Folder::new();
    folder.write("annotations/train.json", COCO);
    folder.write("Annotations/a.xml", XML);
    let message = open_error(&folder, "").to_string();
    assert!(
        message.contains("COCO") && message.contains("VOC") && message.contains("pass the one you mean"),
        "{message}"
    );
    folder.picture("JPEGImages/a.png", 9, 9);
    assert_eq!(open(&folder.path("annotations/train.json")).expect("opened").format(), Format::Coco);
    assert_eq!(open(&folder.path("Annotations")).expect("opened").format(), Format::Voc);
    folder.write("data.yaml", "val: images\nnames: [cat]");
    assert_eq!(open(&folder.path("data.yaml")).expect("opened").format(), Format::Yolo);
}

#[test]
fn two_files_for_one_split_are_an_error_that_names_both() {
    let folder = Folder::new();
    folder.write("annotations/train.json", COCO);
    folder.write("train/_annotations.coco.json", COCO);
    let message = open_error(&folder, "").to_string();
    assert!(message.contains("train.json") && message.contains("_annotations.coco.json"), "{message}");
    let folder = Folder::new();
    folder.write("data.yaml", "val: images\nnames: [cat]");
    folder.write("other.yaml", "val: images\nnames: [cat]");
    assert!(open_error(&folder, "").to_string().contains("other.yaml"));
}

#[test]
fn files_of_other_coco_tasks_are_no_splits() {
    let folder = Folder::new();
    for name in ["instances_val2017", "captions_val2017", "person_keypoints_val2017", "instances_train2017"] {
        folder.write(&format!("annotations/{name}.json"), COCO);
    }
    assert_eq!(open(folder.root()).expect("opened").splits(), ["train2017", "val2017"]);
}

#[test]
fn splits_come_in_the_order_train_val_test_then_by_name() {
    let folder = Folder::new();
    for name in ["a", "test", "val", "train"] {
        folder.write(&format!("annotations/{name}.json"), COCO);
    }
    assert_eq!(open(folder.root()).expect("opened").splits(), ["train", "val", "test", "a"]);
}

#[test]
fn an_unknown_split_is_refused_with_the_known_ones() {
    let folder = Folder::new();
    folder.write("annotations/train.json", COCO);
    let message = folder.refusal("", "valid");
    assert!(message.contains("`valid`") && message.contains("it has: train"), "{message}");
}

#[test]
fn a_folder_without_a_data_set_says_what_was_looked_for() {
    let folder = Folder::new();
    assert!(open_error(&folder, "").to_string().contains("empty"));
    assert!(open_error(&folder, "nowhere").to_string().contains("nowhere"));
    folder.write("notes.md", "hello");
    assert!(open_error(&folder, "").to_string().contains("data.yaml"));
    assert!(open_error(&folder, "notes.md").to_string().contains("notes.md"));
    folder.write("inner/annotations/train.json", COCO);
    assert!(open_error(&folder, "").to_string().contains("did you mean"));
    folder.write("package.json", r#"{"name": "x"}"#);
    assert!(open_error(&folder, "").to_string().contains("package.json"));
    let folder = Folder::new();
    folder.picture("images/a.png", 9, 9);
    folder.write("labels/a.txt", "");
    assert!(open_error(&folder, "").to_string().contains("write a data.yaml"));
    let xml = Folder::new();
    xml.write("Annotations/a.xml", XML);
    assert!(open_error(&xml, "Annotations/a.xml").to_string().contains("pass the folder"));
}
