//! Pascal VOC folders.

use std::fmt::Write as _;

use ghm_boxes::Bbox;
use ghm_data::{FindingKind, Format, open};

use super::{Folder, kinds};

type Corners<'a> = [&'a str; 4];

fn xml(size: Option<(u32, u32)>, objects: &[(&str, Corners, bool)]) -> String {
    let mut text = "<annotation><filename>any.jpg</filename>".to_owned();
    if let Some((width, height)) = size {
        write!(text, "<size><width>{width}</width><height>{height}</height></size>").expect("text");
    }
    for (name, [xmin, ymin, xmax, ymax], difficult) in objects {
        let difficult = u8::from(*difficult);
        write!(
            text,
            "<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{xmin}</xmin>\
             <ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>"
        )
        .expect("text");
    }
    text + "</annotation>"
}

/// Pictures 1 and 2 in `train`, 3 in `val`; class `ant` only in `val`.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write(
        "Annotations/1.xml",
        xml(Some((100, 80)), &[("dog", ["1", "1", "100", "80"], false), ("cat", ["11", "21", "30", "40.5"], true)]),
    );
    folder.write("Annotations/2.xml", xml(None, &[("cat", ["0", "0", "10", "10"], false)]));
    folder.write("Annotations/3.xml", xml(Some((0, 0)), &[("ant", ["5", "5", "9", "9"], false)]));
    folder.picture("JPEGImages/1.jpg", 100, 80);
    folder.picture("JPEGImages/2.png", 60, 50);
    folder.picture("JPEGImages/3.JPG", 70, 90);
    folder.write("ImageSets/Main/train.txt", "2\n1\n");
    folder.write("ImageSets/Main/val.txt", "3\r\n");
    folder.write("ImageSets/Main/cat_train.txt", "2  1\n1 -1\n");
    folder.write("ImageSets/Main/dog_val.txt", "");
    folder
}

#[test]
fn a_clean_folder_is_read_in_full() {
    let folder = folder();
    let source = open(folder.root()).expect("opened");
    assert_eq!(source.format(), Format::Voc);
    assert_eq!(source.splits(), ["train", "val"]);
    let train = source.load("train").expect("train");
    let val = source.load("val").expect("val");
    assert_eq!((train.findings.len(), val.findings.len()), (0, 0));
    let classes: Vec<_> = train.dataset.categories.iter().map(|c| (c.id, c.name.as_str())).collect();
    assert_eq!(classes, [(1, "ant"), (2, "cat"), (3, "dog")]);
    assert_eq!(train.dataset.categories, val.dataset.categories);
    let [second, first] = train.dataset.images.as_slice() else { panic!("two pictures") };
    assert_eq!((second.id, second.file_name.as_str(), second.width, second.height), (1, "2.png", 60, 50));
    assert_eq!(second.objects[0].bbox_in_image, Bbox::new(0.0, 0.0, 10.0, 10.0));
    assert_eq!((first.id, first.width, first.height), (2, 100, 80));
    assert_eq!(first.objects[0].bbox_in_image, Bbox::new(0.0, 0.0, 100.0, 80.0));
    assert_eq!((first.objects[0].annotation_id, first.objects[0].ignored, first.objects[0].area), (2, false, 8000.0));
    let cat = &first.objects[1];
    assert_eq!((cat.annotation_id, cat.class_index, cat.ignored), (3, 1, true));
    assert_eq!(cat.bbox_in_image, Bbox::new(10.0, 20.0, 30.0, 40.5));
    assert_eq!((val.dataset.images[0].width, val.dataset.images[0].height), (70, 90));
}

#[test]
fn without_lists_there_is_one_split_of_everything() {
    let folder = folder();
    std::fs::remove_dir_all(folder.path("ImageSets")).expect("removed");
    assert_eq!(open(folder.root()).expect("opened").splits(), ["all"]);
    assert_eq!(folder.load("all").dataset.images.len(), 3);
}

#[test]
fn every_kind_of_defect_is_reported_at_once() {
    let folder = folder();
    let objects = [
        ("cat", ["5", "5", "5", "5"], false),
        ("cat", ["9", "5", "5", "9"], false),
        ("cat", ["200", "5", "300", "9"], false),
        ("cat", ["50", "5", "103", "9"], false),
        ("cat", ["nan", "5", "50", "9"], false),
        ("cat", ["left", "5", "50", "9"], false),
        ("", ["1", "5", "50", "9"], false),
        ("cat", ["1", "5", "", "9"], false),
    ];
    folder.write("Annotations/4.xml", xml(Some((100, 80)), &objects));
    folder.picture("JPEGImages/4.jpg", 100, 80);
    folder.write("Annotations/5.xml", "<annotation><object>");
    folder.write("Annotations/6.xml", b"\xff\xfe\0binary");
    folder.write("Annotations/7.xml", "<html></html>");
    folder.write("Annotations/8.xml", xml(None, &[]));
    folder.write("Annotations/9.xml", xml(None, &[]));
    folder.write("JPEGImages/9.jpg", "GIF89a....");
    folder.write("ImageSets/Main/train.txt", "1\n4\n5\n6\n7\n8\n9.jpg\n10\n1\n");
    let loaded = folder.load("train");
    assert_eq!(
        kinds(&loaded.findings),
        [
            (FindingKind::DuplicateId, "line 9"),
            (FindingKind::ZeroSize, "object 1"),
            (FindingKind::NegativeSize, "object 2"),
            (FindingKind::OutsidePicture, "object 3"),
            (FindingKind::PartlyOutside, "object 4"),
            (FindingKind::NotFinite, "object 5"),
            (FindingKind::Malformed, "object 6"),
            (FindingKind::Malformed, "object 7"),
            (FindingKind::Malformed, "object 8"),
            (FindingKind::UnreadableLabels, "file"),
            (FindingKind::UnreadableLabels, "file"),
            (FindingKind::UnreadableLabels, "file"),
            (FindingKind::MissingPicture, "file"),
            (FindingKind::UnreadablePicture, "file"),
            (FindingKind::MissingLabels, "line 8"),
        ]
    );
    assert!(loaded.findings[6].to_string().contains("4.xml: object 6: <xmin> of `cat` is not a number: `left`"));
    assert!(loaded.findings[9].file.ends_with("Annotations/5.xml"));
    assert_eq!(loaded.findings[14].file, folder.path("ImageSets/Main/train.txt"));
    assert_eq!(loaded.dataset.images.iter().map(|image| image.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(loaded.dataset.images[1].objects[0].annotation_id, 6);
}

#[test]
fn a_split_of_which_nothing_is_left_is_an_error_with_the_first_finding() {
    let folder = folder();
    folder.write("ImageSets/Main/val.txt", "17\n18\n");
    let refusal = folder.refusal("", "val");
    assert!(refusal.contains("val.txt: split `val` has no usable picture: 2 finding(s)"), "{refusal}");
    assert!(refusal.contains("`17` has no"), "{refusal}");
    folder.write("ImageSets/Main/val.txt", "\n");
    assert!(folder.refusal("", "val").contains("none is listed"));
}
