//! `ghm convert` and `ghm corrupt`.

use std::collections::BTreeSet;
use std::path::Path;

use ghm_data::{Dataset, ImageRecord, open};
use serde_json::{Value, json};

use crate::support::{Workplace, contents, text};

fn split(root: &Path, name: &str) -> Dataset {
    let loaded = open(root).unwrap().load(name).unwrap();
    assert_eq!(loaded.findings, []);
    loaded.dataset
}

/// Class names and boxes of each picture, and its bytes.
type Labelled = (Vec<u8>, Vec<(String, [u32; 4])>);

fn labels(dataset: &Dataset) -> Vec<Labelled> {
    let one = |image: &ImageRecord| {
        let objects = image.objects.iter().map(|object| {
            let bbox = object.bbox_in_image;
            let class = dataset.categories[object.class_index].name.clone();
            (class, bbox.corners().map(f32::to_bits))
        });
        (std::fs::read(&image.path).unwrap(), objects.collect())
    };
    dataset.images.iter().map(one).collect()
}

#[test]
fn labels_go_round_all_formats_bit_for_bit() {
    let place = Workplace::new();
    let before = contents(&place.path("data"));
    let (mut from, original) = ("data".to_owned(), split(&place.path("data"), "val"));
    for to in ["voc", "yolo", "coco", "yolo", "voc", "coco"] {
        let out = format!("{from}-{to}");
        let said = place.done(&["convert", &from, "--to", to, "--out", &out]);
        assert!(said.contains("2 splits, 14 pictures"), "{said}");
        assert!(labels(&split(&place.path(&out), "val")) == labels(&original), "{out}");
        from = out;
    }
    assert_eq!(contents(&place.path("data")), before);
    let last = split(&place.path(&from), "train");
    assert!(labels(&last) == labels(&split(&place.path("data"), "train")));
    // One folder has the pictures of both splits, whose names are the same.
    assert!(place.path("data-voc/JPEGImages/000001.jpg").is_file());
    assert!(place.path("data-voc/JPEGImages/val_000001.jpg").is_file());
    assert!(place.path("data-voc-yolo-coco/images/train/000001.jpg").is_file());
}

#[test]
fn coco_to_coco_keeps_everything_and_pictures_can_be_links() {
    let place = Workplace::new();
    place.done(&["convert", "data", "--to", "coco", "--out", "copy", "--link"]);
    let [copy, original] = ["copy", "data"].map(|root| split(&place.path(root), "train"));
    assert_eq!(copy.categories, original.categories);
    for (copy, original) in copy.images.iter().zip(&original.images) {
        assert_eq!((copy.id, &copy.objects), (original.id, &original.objects));
        assert!(copy.path.is_symlink());
    }
}

#[test]
fn what_a_format_cannot_hold_is_said() {
    let place = Workplace::new();
    let path = place.path("data/annotations/val.json");
    let mut file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    file["annotations"][0]["iscrowd"] = 1.into();
    file["annotations"][1]["area"] = 3.5.into();
    file["annotations"][2]["bbox"] = serde_json::json!([4, 4, 1, 8]);
    std::fs::write(&path, file.to_string()).unwrap();
    let warnings = |to: &str| text(&place.ghm(&["convert", "data", "--to", to, "--out", to, "--split", "val"]).stderr);
    let yolo = warnings("yolo");
    for part in ["YOLO does not hold numbers of classes: 6", "areas that are not the box's: ", "left out: 1"] {
        assert!(yolo.contains(part), "no `{part}` in {yolo}");
    }
    let voc = warnings("voc");
    for part in [
        "VOC does not hold",
        "one pixel wide or high, which would be read as points and are left out: 1",
        "numbers of classes",
    ] {
        assert!(voc.contains(part), "no `{part}` in {voc}");
    }
    assert!(!voc.contains("crowds"), "{voc}");
    assert_eq!(warnings("coco"), "");
}

#[test]
fn splits_are_chosen_and_renamed_and_nothing_is_overwritten() {
    let place = Workplace::new();
    place.done(&["convert", "data", "--to", "yolo", "--out", "out", "--split", "val=test"]);
    assert_eq!(open(&place.path("out")).unwrap().splits(), ["test"]);
    let before = contents(&place.path("out"));
    place.refused(&["convert", "data", "--to", "voc", "--out", "out"], &["out", "exists"]);
    assert_eq!(contents(&place.path("out")), before);
    place.refused(
        &["convert", "data", "--to", "yolo", "--out", "new", "--split", "val=odd"],
        &["odd", "train, val, test"],
    );
    place.refused(&["convert", "data", "--to", "voc", "--out", "new", "--split", "none"], &["none", "train"]);
    place.refused(&["convert", "data", "--to", "voc", "--out", "new", "--split", "val=a/b"], &["a/b"]);
    assert!(!place.path("new").exists());
    let left: Vec<_> = std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
}

#[test]
fn noise_is_written_with_its_truth_and_the_other_splits_stay_clean() {
    let place = Workplace::new();
    let before = contents(&place.path("data"));
    let said = place.done(&["corrupt", "data", "--out", "noisy", "--mix", "0.3", "--seed", "4"]);
    assert!(said.contains("changes in `train`: "), "{said}");
    assert_eq!(contents(&place.path("data")), before);
    assert!(labels(&split(&place.path("noisy"), "val")) == labels(&split(&place.path("data"), "val")));
    let truth: Value = serde_json::from_str(&std::fs::read_to_string(place.path("noisy/truth.json")).unwrap()).unwrap();
    assert_eq!((&truth["split"], &truth["noise"]["flip"]), (&"train".into(), &0.3.into()));
    let kinds: BTreeSet<&str> =
        truth["changes"].as_array().unwrap().iter().map(|c| c["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(["drop", "flip", "shift", "spawn"]));
    place.done(&["corrupt", "data", "--out", "again", "--mix", "0.3", "--seed", "4"]);
    let noisy = |root: &str| std::fs::read(place.path(root).join("annotations/train.json")).unwrap();
    assert_eq!(noisy("noisy"), noisy("again"));
    place.done(&["corrupt", "data", "--out", "other", "--mix", "0.3", "--seed", "5"]);
    assert_ne!(noisy("noisy"), noisy("other"));
}

#[test]
fn noise_that_cannot_be_is_refused() {
    let place = Workplace::new();
    place.refused(&["corrupt", "data", "--out", "new"], &["--drop", "--mix"]);
    place.refused(&["corrupt", "data", "--out", "new", "--flip", "1.5"], &["flip = 1.5", "between 0 and 1"]);
    place.refused(&["corrupt", "data", "--out", "new", "--flip", "0.5", "--split", "x"], &["--split x", "train, val"]);
    let confusion = |content: &str, parts: &[&str]| {
        std::fs::write(place.path("confusion.json"), content).unwrap();
        place.refused(&["corrupt", "data", "--out", "new", "--flip", "0.5", "--confusion", "confusion.json"], parts);
    };
    confusion("{", &["confusion.json", "taken for"]);
    confusion(r#"{"disc": {"cow": 1}}"#, &["`cow` is no class", "disc"]);
    confusion(r#"{"disc": {"ring": -1}}"#, &["disc for ring = -1"]);
    confusion(r#"{"disc": {"disc": 1}}"#, &["taken for itself"]);
    confusion(r#"{"disc": {}}"#, &["taken for nothing"]);
    assert!(!place.path("new").exists());
}

/// Puts a COCO file of one picture and one object, a class by its number, in a folder.
fn coco(root: &Path, split: &str, picture: &str, classes: &[(u64, &str)], class: u64, bbox: [u32; 4]) {
    let categories: Vec<Value> = classes.iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
    let file = json!({
        "images": [{"id": 1, "file_name": picture, "width": 64, "height": 64}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": class, "bbox": bbox}],
        "categories": categories,
    });
    std::fs::create_dir_all(root.join("annotations")).unwrap();
    std::fs::create_dir_all(root.join("images")).unwrap();
    std::fs::write(root.join(format!("annotations/{split}.json")), file.to_string()).unwrap();
}

fn picture(place: &Workplace, name: &str) {
    let from = place.path("data/images/train/000001.jpg");
    std::fs::create_dir_all(place.path("odd/images")).unwrap();
    std::fs::copy(from, place.path("odd/images").join(name)).unwrap();
}

fn class_and_box(root: &Path, split_name: &str) -> (String, [u32; 4]) {
    let dataset = split(root, split_name);
    let object = &dataset.images[0].objects[0];
    let bbox = object.bbox_in_image;
    (dataset.categories[object.class_index].name.clone(), bbox.corners().map(|edge| edge as u32))
}

#[test]
fn splits_that_disagree_keep_their_classes_and_one_picture_keeps_both_its_labels() {
    let place = Workplace::new();
    picture(&place, "a.jpg");
    let (cat_first, dog_first) = ([(1, "cat"), (2, "dog")], [(1, "dog"), (2, "cat"), (3, "owl")]);
    coco(&place.path("odd"), "train", "a.jpg", &cat_first, 1, [4, 4, 10, 10]);
    coco(&place.path("odd"), "val", "a.jpg", &dog_first, 1, [20, 20, 10, 10]);
    for to in ["yolo", "voc", "coco"] {
        // With a separator at its end, as a shell completes it.
        place.done(&["convert", "odd", "--to", to, "--out", &format!("{to}/")]);
        assert_eq!(class_and_box(&place.path(to), "train"), ("cat".to_owned(), [4, 4, 14, 14]), "{to}");
        assert_eq!(class_and_box(&place.path(to), "val"), ("dog".to_owned(), [20, 20, 30, 30]), "{to}");
    }
    let said = text(&place.ghm(&["check", "odd"]).stdout);
    assert!(said.contains("different classes: 1"), "{said}");
}

#[test]
fn pictures_of_odd_names_are_found_again() {
    let place = Workplace::new();
    for (index, name) in ["no-ending", ".hidden.jpg", "photo 1.jpg"].into_iter().enumerate() {
        picture(&place, name);
        coco(&place.path("odd"), "train", name, &[(1, "cat")], 1, [4, 4, 10, 10]);
        for to in ["yolo", "voc", "coco"] {
            let out = format!("{to}-{index}");
            place.done(&["convert", "odd", "--to", to, "--out", &out]);
            assert_eq!(class_and_box(&place.path(&out), "train"), ("cat".to_owned(), [4, 4, 14, 14]), "{name} {to}");
        }
    }
    coco(&place.path("odd"), "train", "photo 1.jpg", &[(1, "c\u{1}at")], 1, [4, 4, 10, 10]);
    place.refused(&["convert", "odd", "--to", "voc", "--out", "new"], &["control character", "rename"]);
    place.refused(&["convert", "odd", "--to", "coco", "--out", "new", "--split", "train=.x"], &["--split", ".x"]);
}

#[test]
fn a_split_that_is_two_others_is_left_out_where_labels_change() {
    let place = Workplace::new();
    place.done(&["convert", "data", "--to", "voc", "--out", "voc"]);
    let list = |name: &str| std::fs::read_to_string(place.path(&format!("voc/ImageSets/Main/{name}.txt"))).unwrap();
    std::fs::write(place.path("voc/ImageSets/Main/trainval.txt"), list("train") + &list("val")).unwrap();
    let output = place.ghm(&["corrupt", "voc", "--drop", "0.5", "--out", "noisy"]);
    assert!(text(&output.stderr).contains("left out: split `trainval`"), "{}", text(&output.stderr));
    assert_eq!(open(&place.path("noisy")).unwrap().splits(), ["train", "val"]);
    place.refused(
        &["corrupt", "voc", "--drop", "0.5", "--out", "new", "--split", "trainval"],
        &["trainval", "others together"],
    );
}
