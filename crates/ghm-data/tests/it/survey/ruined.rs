//! One defect of each kind.

use FindingKind::*;

use super::*;

const WHOLE: [f64; 4] = [4.0, 5.0, 30.0, 40.0];

/// A picture with a good object, and its number.
fn good(folder: &Folder, file: &mut Coco, id: u64) {
    paint(folder, &format!("images/{id}.png"), id);
    file.image(id, &format!("{id}.png")).object(1000 + id, id, 1, WHOLE);
}

/// Boxes: annotation numbers say what is wrong with them.
fn boxes(folder: &Folder, file: &mut Coco) -> Vec<(FindingKind, String)> {
    let mut expected = Vec::new();
    let single: [(FindingKind, u64, [f64; 4]); 9] = [
        (ZeroSize, 1, [50.0, 5.0, 0.0, 9.0]),
        (NegativeSize, 1, [50.0, 5.0, -9.0, 9.0]),
        (OutsidePicture, 1, [200.0, 5.0, 9.0, 9.0]),
        (PartlyOutside, 1, [80.0, 5.0, 30.0, 20.0]),
        (TinyBox, 1, [50.0, 5.0, 2.0, 9.0]),
        (HugeBox, 2, [0.0, 0.0, 96.0, 63.0]),
        (DuplicateBox, 1, WHOLE),
        (NearDuplicateBox, 1, [4.0, 5.0, 30.0, 38.0]),
        (ConflictingClasses, 2, WHOLE),
    ];
    for (id, (kind, class, bbox)) in (1..).zip(single) {
        good(folder, file, id);
        file.object(id, id, class, bbox);
        // Of a pair the later one is told of.
        let later = if matches!(kind, DuplicateBox | NearDuplicateBox | ConflictingClasses) { 1000 + id } else { id };
        expected.push((kind, format!("annotation {later}")));
    }
    // A picture wide enough for a box of 30 to 1.
    folder.write("images/20.png", png_of(&blots(20, 300, HEIGHT)));
    file.images.push(json!({"id": 20, "file_name": "20.png", "width": 300, "height": HEIGHT}));
    file.object(1020, 20, 1, WHOLE).object(20, 20, 1, [10.0, 50.0, 200.0, 5.0]);
    expected.push((ExtremeShape, "annotation 20".to_owned()));
    for id in 21..28 {
        good(folder, file, id);
    }
    file.object(21, 21, 77, [50.0, 5.0, 9.0, 9.0]);
    file.object(22, 7777, 1, WHOLE);
    file.object(1023, 23, 1, [50.0, 5.0, 9.0, 9.0]);
    let area = |id: u64, area: f64| json!({"id": id, "image_id": id, "category_id": 1, "bbox": [50.0, 5.0, 9.0, 9.0], "area": area});
    file.annotations.extend([area(24, -4.0), area(25, 400.0)]);
    let not_finite = json!({"id": 26, "image_id": 26, "category_id": 1, "bbox": [50.0, 5.0, 9.0, "NAN"]});
    file.annotations.push(not_finite);
    let kinds = [UnknownClass, UnknownImage, DuplicateId, BadArea, AreaTooLarge, NotFinite];
    for (kind, id) in kinds.into_iter().zip([21, 22, 1023, 24, 25, 26]) {
        expected.push((kind, format!("annotation {id}")));
    }
    expected
}

/// Pictures: image numbers say what is wrong with them.
fn pictures(folder: &Folder, file: &mut Coco) -> Vec<(FindingKind, String)> {
    let image = |kind: FindingKind, id: u64| (kind, format!("image {id}"));
    for id in 30..40 {
        good(folder, file, id);
    }
    paint(folder, "images/40.png", 40);
    file.image(40, "40.png");
    std::fs::remove_file(folder.path("images/30.png")).unwrap();
    folder.write("images/31.png", "this is no picture");
    folder.write("images/32.png", png_of(&blots(32, WIDTH + 10, HEIGHT)));
    let whole = std::fs::read(folder.path("images/33.png")).unwrap();
    folder.write("images/33.png", &whole[..whole.len() / 2]);
    folder.write("images/34.png", jpeg_of(&blots(34, WIDTH, HEIGHT)));
    // Turned by a quarter: its labels were made on the picture as it is stored.
    let stored = blots(35, WIDTH, HEIGHT);
    let turned = crate::pixels::jpeg(&stored.pixels, (WIDTH, HEIGHT), jpeg_encoder::ColorType::Rgb, |encoder| {
        encoder.add_exif_metadata(&crate::pixels::exif_of(6)).unwrap();
    });
    std::fs::remove_file(folder.path("images/35.png")).unwrap();
    folder.write("images/35.jpg", turned);
    let of_35 = file.images.iter_mut().find(|image| image["id"] == 35).unwrap();
    of_35["file_name"] = "35.jpg".into();
    // Copies: exact, almost, and exact with other labels.
    std::fs::copy(folder.path("images/29.png"), folder.path("images/36.png")).unwrap();
    folder.write("images/37.png", png_of(&nearly(28)));
    std::fs::copy(folder.path("images/27.png"), folder.path("images/38.png")).unwrap();
    file.object(38, 38, 2, [50.0, 5.0, 40.0, 20.0]);
    paint(folder, "images/orphan.png", 99);
    vec![
        (MissingPicture, "image 30".to_owned()),
        image(UnreadablePicture, 31),
        image(SizeMismatch, 32),
        image(DamagedPixels, 33),
        image(WrongEnding, 34),
        image(ExifRotation, 35),
        image(IdenticalPicture, 36),
        image(SimilarPicture, 37),
        image(IdenticalPicture, 38),
        image(ConflictingCopy, 38),
        image(NoObjects, 40),
        (OrphanPicture, "file".to_owned()),
    ]
}

/// The picture of a seed, a little brighter.
fn nearly(seed: u64) -> ghm_data::Picture {
    let mut picture = blots(seed, WIDTH, HEIGHT);
    picture.pixels.iter_mut().for_each(|level| *level += 2);
    picture
}

fn classes() -> Vec<(u64, &'static str)> {
    vec![(1, "cat"), (2, "dog"), (3, "Cat "), (4, "background"), (5, "owl"), (6, "hen"), (7, "hen")]
}

#[test]
fn every_kind_of_defect_of_a_coco_data_set_is_found_and_nothing_else() {
    let folder = Folder::new();
    let mut train = Coco::of_classes(&classes());
    let mut expected = boxes(&folder, &mut train);
    for id in [28, 29] {
        good(&folder, &mut train, id);
    }
    expected.extend(pictures(&folder, &mut train));
    for (id, class) in [(50, 3), (51, 4), (52, 6), (53, 7)] {
        good(&folder, &mut train, id);
        train.object(id, id, class, [50.0, 5.0, 40.0, 20.0]);
    }
    folder.write("annotations/train.json", train.text().replace("\"NAN\"", "NaN"));

    let mut val = Coco::of_classes(&classes()[..]);
    val.image(60, "leak.png").object(60, 60, 1, WHOLE);
    val.image(61, "nearly.png").object(61, 61, 5, WHOLE);
    std::fs::copy(folder.path("images/50.png"), folder.path("images/leak.png")).unwrap();
    folder.write("images/nearly.png", png_of(&nearly(51)));
    folder.write("annotations/val.json", val.text());
    expected.extend([(Leak, "image 60".to_owned()), (ConflictingCopy, "image 60".to_owned())]);
    expected.push((SimilarLeak, "image 61".to_owned()));
    // Names that stand twice do so in both files.
    let of_classes = [
        (StrayName, 3),
        (SimilarName, 3),
        (BackgroundClass, 4),
        (UntrainedClass, 5),
        (DuplicateName, 7),
        (DuplicateName, 7),
    ];
    for (kind, class) in of_classes {
        expected.push((kind, format!("category {class}")));
    }
    expected.sort();

    let mut before = BTreeMap::new();
    tree(folder.root(), &mut before);
    let survey = look(folder.root());
    assert_eq!(found(&survey), expected);
    let mut after = BTreeMap::new();
    tree(folder.root(), &mut after);
    assert_eq!(after, before);
    for finding in &survey.findings {
        assert!(!finding.reason.is_empty() && !finding.remedy.is_empty(), "{finding}");
        let is_box = finding.record.starts_with("annotation")
            && !matches!(finding.kind, UnknownClass | UnknownImage | DuplicateId | BadArea | NotFinite);
        assert_eq!(finding.bbox.is_some(), is_box, "{finding}");
    }
}

#[test]
fn splits_whose_boxes_are_written_in_another_way_are_told_of_once() {
    let folder = Folder::new();
    for (split, offset, bbox) in [("train", 0, [20.0, 10.0, 90.0, 60.0]), ("val", 10, [0.2, 0.2, 0.3, 0.4])] {
        let mut file = Coco::of_classes(&[(1, "cat")]);
        for id in offset + 1..=offset + 6 {
            paint(&folder, &format!("images/{id}.png"), id);
            file.image(id, &format!("{id}.png")).object(id, id, 1, bbox);
        }
        folder.write(&format!("annotations/{split}.json"), file.text());
    }
    let annotations = || "annotations".to_owned();
    assert_eq!(found(&look(folder.root())), [(CornersForSize, annotations()), (NormalisedBoxes, annotations())]);
}

#[test]
fn a_split_that_cannot_be_read_is_a_finding_and_the_others_are_looked_at() {
    let folder = Folder::new();
    let mut train = Coco::of_classes(&[(1, "cat"), (2, "dog")]);
    good(&folder, &mut train, 1);
    folder.write("annotations/train.json", train.text());
    train.images[0]["width"] = json!("wide");
    folder.write("annotations/val.json", train.text());
    folder.write("annotations/test.json", "{\"images\": [");
    // It may be one of those that cannot be read.
    paint(&folder, "images/other.png", 2);
    let survey = look(folder.root());
    let expected = [
        (Malformed, "images[0].width".to_owned()),
        (UnreadableLabels, "line 1 column 12".to_owned()),
        (UnusedClass, "category 2".to_owned()),
    ];
    assert_eq!(found(&survey), expected);
    assert_eq!(survey.splits.len(), 1);
}

#[test]
fn label_files_of_voc_and_yolo_are_looked_at_each_by_itself() {
    let folder = Folder::new();
    for index in 0..4 {
        paint(&folder, &format!("JPEGImages/{index}.png"), index);
    }
    let object =
        "<object><name>cat</name><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>34</xmax><ymax>45</ymax></bndbox></object>";
    folder.write("Annotations/0.xml", format!("<annotation>{object}<object><name>cat</name></object></annotation>"));
    folder.write("Annotations/1.xml", "<annotation>");
    folder.write("Annotations/3.xml", format!("<annotation>{object}</annotation>"));
    folder.write("Annotations/4.xml", format!("<annotation>{object}</annotation>"));
    folder.write("ImageSets/Main/train.txt", "0\n1\n2\n");
    let expected = [
        (Malformed, "object 2"),
        (UnreadableLabels, "file"),
        (MissingLabels, "line 3"),
        (OrphanPicture, "file"),
        (OrphanLabels, "file"),
        (OrphanLabels, "file"),
    ];
    assert_eq!(found(&look(folder.root())), expected.map(|(kind, record)| (kind, record.to_owned())));

    let folder = Folder::new();
    folder.write("data.yaml", "train: train.txt\nnames: [cat]\n");
    folder.write("train.txt", "images/0.png\nimages/1.png\nimages/9.png\n");
    for index in 0..3 {
        paint(&folder, &format!("images/{index}.png"), index);
    }
    folder.write("labels/0.txt", "0 0.2 0.4 0.3 0.6\n0 0.2 0.4 0.3\n\n0 0.2 0.4 0.3 0.6\n");
    folder.write("labels/1.txt", "0 0.2 0.4 0.3 0.6\n");
    folder.write("labels/8.txt", "0 0.2 0.4 0.3 0.6\n");
    let expected = [
        (Malformed, "line 2"),
        (MissingPicture, "line 3"),
        (DuplicateBox, "line 4"),
        (OrphanPicture, "file"),
        (OrphanLabels, "file"),
    ];
    assert_eq!(found(&look(folder.root())), expected.map(|(kind, record)| (kind, record.to_owned())));
}
