//! COCO instances files.

use ghm_boxes::Bbox;
use ghm_data::{
    DataError, FindingKind, Format, OnBad, check_findings, check_pictures, fingerprint, open, to_coco_json, write_coco,
};
use serde_json::{Value, json};

use super::{Folder, kinds};

/// Two pictures, three objects, categories out of order.
fn instances() -> Value {
    json!({
        "info": {"year": 2017},
        "images": [
            {"id": 7, "file_name": "a.png", "width": 100, "height": 80},
            {"id": 3, "file_name": "b.png", "width": 50, "height": 40},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 9, "bbox": [10.1, 20, 30.2, 40], "area": 600.5, "iscrowd": 0,
             "segmentation": [[1, 2, 3, 4, 5, 6]]},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0, 0, 100, 80], "iscrowd": 1},
            {"id": 5, "image_id": 3, "category_id": 2, "bbox": [1, 1, 2, 2], "area": 4},
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "cat"}],
    })
}

fn folder_with(instances: &Value) -> Folder {
    let folder = Folder::new();
    folder.write("annotations/instances_val2017.json", instances.to_string());
    folder.picture("val2017/a.png", 100, 80);
    folder.picture("val2017/b.png", 50, 40);
    folder
}

#[test]
fn a_clean_file_is_read_in_full() {
    let folder = folder_with(&instances());
    let source = open(folder.root()).expect("opened");
    assert_eq!((source.format(), source.splits()), (Format::Coco, ["val2017".to_owned()].as_slice()));
    let loaded = source.load("val2017").expect("loaded");
    assert_eq!(loaded.findings, []);
    let dataset = loaded.dataset;
    assert_eq!(
        dataset.categories.iter().map(|c| (c.id, c.name.as_str())).collect::<Vec<_>>(),
        [(2, "cat"), (9, "dog")]
    );
    let image = &dataset.images[0];
    assert_eq!((image.id, image.width, image.height), (7, 100, 80));
    assert_eq!(image.path, folder.path("val2017/a.png"));
    let [dog, crowd] = image.objects.as_slice() else { panic!("two objects: {:?}", image.objects) };
    assert_eq!(dog.bbox_in_image, Bbox::new(10.1, 20.0, 40.3, 60.0));
    assert_eq!((dog.annotation_id, dog.class_index, dog.area, dog.ignored), (1, 1, 600.5, false));
    assert_eq!((crowd.class_index, crowd.area, crowd.ignored), (0, 8000.0, true));
    assert_eq!(dataset.images[1].objects[0].annotation_id, 5);
}

#[test]
fn every_kind_of_defect_is_reported_at_once_and_left_out() {
    let mut file = instances();
    let bbox = |id: u64, bbox: Value| json!({"id": id, "image_id": 7, "category_id": 2, "bbox": bbox});
    let annotations = file["annotations"].as_array_mut().expect("array");
    annotations.extend([
        bbox(10, json!([5, 5, 0, 10])),
        bbox(11, json!([5, 5, -3, 10])),
        bbox(12, json!([100, 5, 3, 10])),
        bbox(13, json!([90, 70, 30, 5])),
        bbox(14, json!(["@NAN@", 5, 3, 10])),
        json!({"id": 15, "image_id": 7, "category_id": 4, "bbox": [1, 1, 2, 2]}),
        json!({"id": 16, "image_id": 8, "category_id": 2, "bbox": [1, 1, 2, 2]}),
        bbox(1, json!([1, 1, 2, 2])),
        json!({"id": 17, "image_id": 7, "category_id": 2, "bbox": [1, 1, 2, 2], "area": -5}),
        bbox(18, json!([1, 1, 2, "@INF@"])),
    ]);
    let folder = folder_with(&file);
    let text = file.to_string().replace("\"@NAN@\"", "NaN").replace("\"@INF@\"", "-Infinity");
    let json = folder.write("annotations/instances_val2017.json", text);
    let loaded = folder.load("val2017");
    assert_eq!(
        kinds(&loaded.findings),
        [
            (FindingKind::ZeroSize, "annotation 10"),
            (FindingKind::NegativeSize, "annotation 11"),
            (FindingKind::OutsidePicture, "annotation 12"),
            (FindingKind::PartlyOutside, "annotation 13"),
            (FindingKind::NotFinite, "annotation 14"),
            (FindingKind::UnknownClass, "annotation 15"),
            (FindingKind::UnknownImage, "annotation 16"),
            (FindingKind::DuplicateId, "annotation 1"),
            (FindingKind::BadArea, "annotation 17"),
            (FindingKind::NotFinite, "annotation 18"),
        ]
    );
    assert!(loaded.findings.iter().all(|finding| finding.file == json));
    let shown = loaded.findings[1].to_string();
    assert!(shown.contains("instances_val2017.json: annotation 11: box [5.0, 5.0, -3.0, 10.0]"), "{shown}");
    let kept: Vec<u64> = loaded.dataset.images[0].objects.iter().map(|object| object.annotation_id).collect();
    assert_eq!(kept, [1, 2, 13, 17]);
    assert_eq!(loaded.dataset.images[0].objects[2].bbox_in_image, Bbox::new(90.0, 70.0, 100.0, 75.0));
    assert_eq!(loaded.dataset.images[0].objects[3].area, 4.0);
    let stopped = check_findings(&loaded.findings, OnBad::Stop).expect_err("stopped").to_string();
    assert!(stopped.starts_with("10 finding(s)") && stopped.contains("annotation 18"), "{stopped}");
}

#[test]
fn a_missing_picture_is_left_out_and_the_finding_says_where_it_was_looked_for() {
    let folder = folder_with(&instances());
    std::fs::remove_file(folder.path("val2017/a.png")).expect("removed");
    let loaded = folder.load("val2017");
    assert_eq!(kinds(&loaded.findings), [(FindingKind::MissingPicture, "image 7")]);
    assert!(loaded.findings[0].reason.contains("`a.png`") && loaded.findings[0].reason.contains("images/val2017"));
    assert_eq!(loaded.dataset.images.len(), 1);
    std::fs::remove_file(folder.path("val2017/b.png")).expect("removed");
    let refusal = folder.refusal("", "val2017");
    assert!(refusal.contains("no usable picture") && refusal.contains("a.png"), "{refusal}");
}

#[test]
fn pictures_are_found_in_every_usual_place() {
    for place in ["annotations", "", "images", "val2017", "images/val2017"] {
        let folder = Folder::new();
        let json = folder.write("annotations/instances_val2017.json", instances().to_string());
        folder.picture(format!("{place}/a.png").trim_start_matches('/'), 100, 80);
        folder.picture(format!("{place}/b.png").trim_start_matches('/'), 50, 40);
        let by_folder = open(folder.root()).expect("opened").load("val2017");
        assert!(by_folder.expect(place).findings.is_empty(), "{place}");
        if !place.is_empty() {
            let by_file = open(&json).expect("opened").load("val2017");
            assert!(by_file.expect(place).findings.is_empty(), "{place}");
        }
    }
}

#[test]
fn a_written_file_is_read_back_equal() {
    let folder = folder_with(&instances());
    let loaded = folder.load("val2017");
    let copy = folder.path("annotations/copy.json");
    write_coco(&loaded.dataset, &copy).expect("written");
    std::fs::rename(&copy, folder.path("annotations/instances_val2017.json")).expect("renamed");
    let again = folder.load("val2017");
    assert_eq!(again, loaded);
    assert_eq!(fingerprint(&again.dataset), fingerprint(&loaded.dataset));
    let json = to_coco_json(&loaded.dataset);
    assert_eq!(json["annotations"][0]["bbox"], json!([10.1, 20.0, 30.2, 40.0]));
    assert_eq!(json["annotations"][1]["iscrowd"], 1);
    assert_eq!(json["categories"][1], json!({"id": 9, "name": "dog"}));
}

#[test]
fn writing_where_no_file_can_be_is_an_error_with_the_path() {
    let folder = folder_with(&instances());
    let path = folder.path("nowhere/out.json");
    let error = write_coco(&folder.load("val2017").dataset, &path).expect_err("refused");
    assert!(matches!(error, DataError::Io { .. }) && error.to_string().contains("nowhere/out.json"), "{error}");
}

#[test]
fn a_moved_data_set_keeps_its_fingerprint_and_a_changed_class_id_does_not() {
    let mut changed = instances();
    let print_of = |file: &Value| fingerprint(&folder_with(file).load("val2017").dataset);
    assert_eq!(print_of(&changed), print_of(&instances()));
    changed["annotations"][0]["category_id"] = json!(2);
    assert_ne!(print_of(&changed), print_of(&instances()));
}

#[test]
fn tolerable_departures_are_read() {
    let mut file = instances();
    file["images"][0]["id"] = json!(7.0);
    file["images"][0]["file_name"] = json!("sub\\a.png");
    file["annotations"][1]["iscrowd"] = json!(true);
    file["annotations"][2]["area"] = Value::Null;
    let folder = folder_with(&file);
    folder.picture("val2017/sub/a.png", 100, 80);
    folder.write("annotations/instances_val2017.json", format!("\u{feff}{file}"));
    let loaded = folder.load("val2017");
    assert_eq!(loaded.findings, []);
    assert!(loaded.dataset.images[0].objects[1].ignored);
}

#[test]
fn classes_of_one_name_are_reported() {
    let mut file = instances();
    file["categories"][0]["name"] = json!("cat");
    let loaded = folder_with(&file).load("val2017");
    assert_eq!(kinds(&loaded.findings), [(FindingKind::DuplicateName, "category 9")]);
}

#[test]
fn headers_are_compared_with_the_stated_sizes_on_request() {
    let folder = folder_with(&instances());
    let dataset = folder.load("val2017").dataset;
    assert_eq!(check_pictures(&dataset), []);
    folder.picture("val2017/a.png", 80, 100);
    folder.write("val2017/b.png", "no picture");
    let findings = check_pictures(&dataset);
    assert_eq!(kinds(&findings), [(FindingKind::SizeMismatch, "image 7"), (FindingKind::UnreadablePicture, "image 3")]);
    assert!(findings[0].reason.contains("100x80") && findings[0].remedy.contains("EXIF"), "{}", findings[0]);
}
