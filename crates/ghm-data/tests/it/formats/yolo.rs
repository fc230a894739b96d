//! YOLO data sets.

use ghm_boxes::Bbox;
use ghm_data::{FindingKind, Format, open};

use super::{Folder, kinds};

fn folder(manifest: &str) -> Folder {
    let folder = Folder::new();
    folder.write("data.yaml", manifest);
    folder.picture("images/train/a.jpg", 200, 100);
    folder.picture("images/train/deep/b.png", 40, 40);
    folder.picture("images/train/c.png", 10, 10);
    folder.picture("images/val/d.png", 10, 10);
    folder.write("labels/train/a.txt", "1 0.5 0.5 0.25 0.5\n0 0.1 0.1 0.4 0.1 0.2 0.3\n");
    folder.write("labels/train/deep/b.txt", "");
    folder.write("labels/val/d.txt", "0.0 0.5 0.5 1.0000001 1");
    folder
}

const PLAIN: &str = "path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n";

#[test]
fn a_clean_data_set_is_read_in_full() {
    let folder = folder(PLAIN);
    let source = open(folder.root()).expect("opened");
    assert_eq!((source.format(), source.splits()), (Format::Yolo, ["train".to_owned(), "val".to_owned()].as_slice()));
    let loaded = source.load("train").expect("loaded");
    assert_eq!(loaded.findings, []);
    let classes: Vec<_> = loaded.dataset.categories.iter().map(|c| (c.id, c.name.as_str())).collect();
    assert_eq!(classes, [(0, "cat"), (1, "dog")]);
    let names: Vec<_> = loaded.dataset.images.iter().map(|image| image.file_name.as_str()).collect();
    assert_eq!(names, ["images/train/a.jpg", "images/train/c.png", "images/train/deep/b.png"]);
    let image = &loaded.dataset.images[0];
    assert_eq!((image.id, image.width, image.height), (1, 200, 100));
    assert_eq!(image.objects[0].bbox_in_image, Bbox::new(75.0, 25.0, 125.0, 75.0));
    assert_eq!((image.objects[0].class_index, image.objects[0].area), (1, 2500.0));
    assert_eq!(image.objects[1].bbox_in_image, Bbox::new(20.0, 10.0, 80.0, 30.0));
    assert!(loaded.dataset.images[1].objects.is_empty() && loaded.dataset.images[2].objects.is_empty());
    let val = source.load("val").expect("loaded");
    assert_eq!((val.findings.len(), val.dataset.images[0].objects[0].class_index), (0, 0));
}

#[test]
fn manifests_are_read_however_people_write_them() {
    let manifests = [
        "train: images/train\nval: images/val\nnames: [cat, dog]\nnc: 2\n",
        "train: ../images/train\nval: ../images/val\nnames: {1: dog, 0: cat}\n",
        "train: [images/train]\nval: images/val\ntest:\nnames: ['cat', 'dog']\n",
        "path: images\ntrain: train\nval: val\nnames: {'0': cat, '1': dog}\n",
    ];
    for manifest in manifests {
        let loaded = folder(manifest).load("train");
        assert_eq!(loaded.findings, [], "{manifest}");
        assert_eq!((loaded.dataset.images.len(), loaded.dataset.images[0].objects.len()), (3, 2), "{manifest}");
        assert_eq!(loaded.dataset.categories[1].name, "dog", "{manifest}");
    }
}

#[test]
fn lists_name_pictures_relative_to_themselves_or_to_the_data_set() {
    let folder = folder("train: [lists/train.txt, images/val]\nnames: [cat, dog]\n");
    folder
        .write("lists/train.txt", "./../images/train/a.jpg\n\nimages/train/c.png\nimages/val/d.png\nimages/gone.png\n");
    let loaded = folder.load("train");
    assert_eq!(loaded.dataset.images.len(), 3);
    assert_eq!(
        kinds(&loaded.findings),
        [(FindingKind::DuplicateId, "train[1]"), (FindingKind::MissingPicture, "line 5")]
    );
    assert_eq!(loaded.findings[1].file, folder.path("lists/train.txt"));
}

#[test]
fn every_kind_of_defect_is_reported_at_once() {
    let folder = folder(PLAIN);
    let lines = [
        "0 0.5 0.5 0 0.1",
        "0 0.5 0.5 -0.1 0.1",
        "0 1.5 0.5 0.1 0.1",
        "0 0.9 0.5 0.4 0.1",
        "0 nan 0.5 0.1 0.1",
        "0 0.1 0.1 inf 0.1 0.2 0.3",
        "2 0.5 0.5 0.1 0.1",
        "-1 0.5 0.5 0.1 0.1",
        "cat 0.5 0.5 0.1 0.1",
        "0 0.5 0.5 0.1",
        "0 75 25 50 50",
        "1 0.5 0.5 0.1 0.1",
    ];
    folder.write("labels/train/a.txt", lines.join("\n"));
    folder.write("labels/train/deep/b.txt", b"0 \xff\xfa");
    folder.write("images/train/c.png", "");
    let loaded = folder.load("train");
    assert_eq!(
        kinds(&loaded.findings),
        [
            (FindingKind::ZeroSize, "line 1"),
            (FindingKind::NegativeSize, "line 2"),
            (FindingKind::OutsidePicture, "line 3"),
            (FindingKind::PartlyOutside, "line 4"),
            (FindingKind::NotFinite, "line 5"),
            (FindingKind::NotFinite, "line 6"),
            (FindingKind::UnknownClass, "line 7"),
            (FindingKind::UnknownClass, "line 8"),
            (FindingKind::Malformed, "line 9"),
            (FindingKind::Malformed, "line 10"),
            (FindingKind::OutsidePicture, "line 11"),
            (FindingKind::UnreadablePicture, "file"),
            (FindingKind::UnreadableLabels, "line 1"),
        ]
    );
    assert!(loaded.findings[10].remedy.contains("look like pixels"), "{}", loaded.findings[10]);
    assert!(loaded.findings[0].file.ends_with("labels/train/a.txt"));
    let kept: Vec<u64> = loaded.dataset.images[0].objects.iter().map(|object| object.annotation_id).collect();
    assert_eq!(kept, [4, 12]);
}

#[test]
fn a_split_without_any_label_file_is_reported() {
    let folder = folder(PLAIN);
    std::fs::remove_dir_all(folder.path("labels")).expect("removed");
    let loaded = folder.load("train");
    assert_eq!(kinds(&loaded.findings), [(FindingKind::MissingLabels, "file")]);
    assert!(loaded.findings[0].file.ends_with("labels/train/a.txt"));
    assert_eq!(loaded.dataset.images.len(), 3);
}

#[test]
fn a_folder_without_pictures_is_an_empty_split() {
    let folder = folder("train: empty\nnames: [cat]\n");
    folder.write("empty/notes.md", "");
    let refusal = folder.refusal("", "train");
    assert!(refusal.contains("split `train` has no usable picture: none is listed"), "{refusal}");
}

#[cfg(unix)]
#[test]
fn folders_that_link_in_a_circle_are_entered_once() {
    let folder = folder(PLAIN);
    std::os::unix::fs::symlink(folder.path("images"), folder.path("images/train/deep/loop")).expect("linked");
    assert_eq!(folder.load("train").dataset.images.len(), 4);
}
