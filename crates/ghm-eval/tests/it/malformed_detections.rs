//! Detections that must be refused, and what the message has to say.

use std::path::PathBuf;

use ghm_eval::{Detection, EvalError, GroundTruth, Problem, Warning, evaluate, read_detections, write_detections};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::golden::assert_close;

fn truth() -> GroundTruth {
    let truth = json!({
        "images": [
            {"id": 41, "file_name": "first.jpg", "width": 640, "height": 480},
            {"id": 42, "file_name": "second.jpg", "width": 320, "height": 240},
        ],
        "categories": [{"id": 1, "name": "cell"}, {"id": 7, "name": "platelet"}],
        "annotations": [{"id": 1, "image_id": 42, "category_id": 1, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0}],
    });
    GroundTruth::from_coco_json(truth, "gt.json").unwrap()
}

fn good() -> Detection {
    Detection { image_id: 42, category_id: 1, bbox: [10.0, 10.0, 50.0, 50.0], score: 0.5 }
}

/// A file of a good detection and then the text of another.
fn read_after_good(second: &str) -> Result<Vec<Detection>, EvalError> {
    let good = serde_json::to_string(&good()).unwrap();
    read_text(format!("[{good}, {second}]").as_bytes())
}

fn read_text(bytes: &[u8]) -> Result<Vec<Detection>, EvalError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dt.json");
    std::fs::write(&path, bytes).unwrap();
    read_detections(&path)
}

#[track_caller]
fn assert_says(error: &EvalError, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in:\n{message}");
    }
}

#[test]
fn a_malformed_record_of_a_file_is_named_with_index_picture_field_and_remedy() {
    let record = |key: &str, value: &str| {
        let mut fields = vec![
            ("image_id", "42".to_owned()),
            ("category_id", "1".to_owned()),
            ("bbox", "[1, 2, 3, 4]".to_owned()),
            ("score", "0.5".to_owned()),
        ];
        fields.retain(|(name, _)| *name != key);
        if !value.is_empty() {
            fields.push((key, value.to_owned()));
        }
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", body.join(", "))
    };
    let cases: [(&str, &str, &[&str]); 22] = [
        ("bbox", "", &["detections[1] (image 42) bbox: is missing", "add the field"]),
        ("score", "", &["detections[1] (image 42) score: is missing", "add the field"]),
        ("score", "null", &["detections[1] (image 42) score: is missing or null"]),
        ("category_id", "", &["detections[1] (image 42) category_id: is missing"]),
        ("image_id", "", &["detections[1] image_id: is missing", "drop the record"]),
        ("image_id", "\"42\"", &["detections[1] image_id: is the string \"42\"", "without quotes"]),
        ("image_id", "-1", &["detections[1] image_id: is -1, expected a whole number"]),
        ("image_id", "1.5", &["detections[1] image_id: is 1.5, expected a whole number"]),
        ("category_id", "true", &["detections[1] (image 42) category_id: is true"]),
        ("score", "\"0.9\"", &["(image 42) score: is the string \"0.9\", expected a number"]),
        ("score", "[0.9]", &["(image 42) score: is an array"]),
        ("bbox", "\"1 2 3 4\"", &["(image 42) bbox: is the string", "[x, y, width, height]"]),
        ("bbox", "{\"x\": 1}", &["(image 42) bbox: is an object"]),
        ("bbox", "[1, 2, 3]", &["(image 42) bbox: has 3 numbers, expected 4", "[x, y, width, height]"]),
        ("bbox", "[1, 2, \"3\", 4]", &["(image 42) bbox[2]: is the string \"3\", expected a number"]),
        ("bbox", "[1, null, 3, 4]", &["(image 42) bbox[1]: is missing or null"]),
        ("bbox", "[NaN, 2, 3, -Infinity]", &["2 defects", "bbox[0]: is NaN, not a finite", "bbox[3]: is -Infinity"]),
        ("score", "NaN", &["(image 42) score: is NaN, not a finite number", "diverged"]),
        ("score", "93.5", &["(image 42) score: is 93.5, outside 0 to 1", "percentages by 100"]),
        ("score", "-0.1", &["(image 42) score: is -0.1, outside 0 to 1", "sigmoid"]),
        ("bbox", "[1, 2, -3, 4]", &["(image 42) bbox: is -3 wide and 4 high", "[x, y, width, height]"]),
        ("bbox", "[1, 2, 3, 0]", &["(image 42) bbox: is 3 wide and 0 high", "above 0"]),
    ];
    for (key, value, parts) in cases {
        let error = read_after_good(&record(key, value)).unwrap_err();
        assert_says(&error, parts);
        assert_says(&error, &["dt.json", "detections[1]"]);
    }
}

#[test]
fn a_record_that_is_no_object_is_named_with_its_index() {
    for (record, found) in [("[42, 1]", "an array"), ("null", "null"), ("3", "a number"), ("\"x\"", "a string")] {
        let error = read_after_good(record).unwrap_err();
        assert_says(&error, &[&format!("detections[1]: is {found}, expected an object"), "{\"image_id\": 42"]);
    }
}

#[test]
fn a_file_that_holds_no_list_says_what_it_is_and_what_to_do() {
    let cases: [(&[u8], &[&str]); 8] = [
        (b"", &["dt.json is empty", "Write it again"]),
        (b"  \n", &["dt.json is empty"]),
        (b"\x1f\x8b\x08\x00\x01", &["dt.json is not text: byte 1", "unpack"]),
        (b"[1, 2\0]", &["dt.json is not text: byte 5"]),
        (b"[{\"image_id\": 42, \"bb", &["dt.json ends in the middle, at line 1, column 21", "copy or write it again"]),
        (b"[{'image_id': 42}]", &["dt.json is not JSON", "line 1 column 3"]),
        (b"{\"images\": [], \"annotations\": []}", &["holds an object, expected an array", "is a ground truth"]),
        (b"\"results\"", &["holds a string, expected an array of detections"]),
    ];
    for (bytes, parts) in cases {
        assert_says(&read_text(bytes).unwrap_err(), parts);
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = read_detections(&PathBuf::from("no/such/dt.json")).unwrap_err();
    assert!(matches!(error, EvalError::Read { .. }));
    assert_says(&error, &["cannot read no/such/dt.json"]);
}

#[test]
fn detections_that_do_not_fit_the_ground_truth_are_named_with_index_picture_and_remedy() {
    let cases: [(Detection, &[&str]); 8] = [
        (
            Detection { image_id: 99, ..good() },
            &["detections[1] (image 99) image_id: 99 is no image", "2 ids in 41..=42", "same split"],
        ),
        (
            Detection { category_id: 0, ..good() },
            &["detections[1] (image 42, second.jpg) category_id: 0 is no category", "2 ids in 1..=7", "class indices"],
        ),
        (
            Detection { score: 1.5, ..good() },
            &["detections[1] (image 42, second.jpg) score: is 1.5, outside 0 to 1", "sigmoid"],
        ),
        (Detection { score: f64::NAN, ..good() }, &["(image 42, second.jpg) score: is NaN"]),
        (Detection { bbox: [1.0, f64::INFINITY, 2.0, 3.0], ..good() }, &["(image 42, second.jpg) bbox[1]: is inf"]),
        (Detection { bbox: [1.0, 1.0, 2.0, f64::NAN], ..good() }, &["1 defect ", "bbox[3]: is NaN"]),
        (Detection { bbox: [1.0, 1.0, 0.0, 3.0], ..good() }, &["(image 42, second.jpg) bbox: is 0 wide and 3 high"]),
        (Detection { bbox: [9.0, 9.0, -2.0, -3.0], ..good() }, &["bbox: is -2 wide and -3 high", "drop empty ones"]),
    ];
    for (bad, parts) in cases {
        let error = evaluate(&truth(), &[good(), bad]).unwrap_err();
        assert_says(&error, parts);
        assert_says(&error, &["the detections for gt.json", "detections[1]"]);
    }
}

#[test]
fn all_defects_come_at_once_and_twenty_are_shown() {
    let bad = Detection { image_id: 99, score: -1.0, ..good() };
    let error = evaluate(&truth(), &[bad; 30]).unwrap_err();
    assert_says(&error, &["60 defects in", "detections[9] (image 99) score", "... and 40 more"]);
    let EvalError::Findings { findings, .. } = error else { panic!("{error}") };
    assert_eq!(findings.len(), 60);
}

/// Boxes all over both pictures, as corners when `as_corners` is applied to them.
fn spread(as_written: fn([f64; 4]) -> [f64; 4]) -> Vec<Detection> {
    let boxes = (0..30).map(|i| {
        let (column, row) = (f64::from(i % 6), f64::from(i / 6));
        as_written([20.0 + 95.0 * column, 15.0 + 80.0 * row, 60.0, 70.0])
    });
    boxes.map(|bbox| Detection { image_id: 41, bbox, ..good() }).collect()
}

#[test]
fn boxes_written_as_corners_are_recognised() {
    let error = evaluate(&truth(), &spread(|[x, y, w, h]| [x, y, x + w, y + h])).unwrap_err();
    assert_says(&error, &["(image 41, first.jpg) bbox:", "of 30 boxes leave their picture", "width = x2 - x1"]);
    let EvalError::Findings { findings, .. } = error else { panic!("{error}") };
    assert!(matches!(findings.as_slice(), [only] if matches!(only.problem, Problem::Corners { total: 30, .. })));
}

#[test]
fn good_boxes_are_not_taken_for_corners() {
    assert!(evaluate(&truth(), &spread(|bbox| bbox)).is_ok());
}

#[test]
fn the_wild_boxes_of_an_untrained_detector_are_not_taken_for_corners() {
    let wild = spread(|[x, y, w, h]| [x - 300.0, y - 100.0, 20.0 * w, 15.0 * h]);
    assert!(evaluate(&truth(), &wild).is_ok());
}

#[test]
fn repeated_detections_are_evaluated_with_a_warning() {
    let other = Detection { score: 0.25, ..good() };
    let evaluation = evaluate(&truth(), &[good(), other, good()]).unwrap();
    let expected = Warning::DuplicateDetection { index: 2, first_index: 0, image_id: 42, category_id: 1 };
    assert_eq!(evaluation.warnings, [expected]);
    assert!(expected.to_string().starts_with("detections[2] (image 42, category 1) repeats detections[0]"));
    assert_close(evaluation.ap, Some(1.0), "AP");
}

#[test]
fn detections_that_json_cannot_hold_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dt.json");
    write_detections(&path, &[good()]).unwrap();
    let error = write_detections(&path, &[good(), Detection { score: f64::NAN, ..good() }]).unwrap_err();
    assert_says(&error, &["dt.json", "detections[1] (image 42) score: is NaN"]);
    assert_eq!(read_detections(&path).unwrap(), [good()]);
}

#[test]
fn an_unwritable_path_is_named_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/dt.json");
    let error = write_detections(&path, &[good()]).unwrap_err();
    assert!(matches!(error, EvalError::Write { .. }));
    assert_says(&error, &["cannot write", "dt.json"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn ids_written_as_whole_floats_and_unknown_keys_are_read() {
    let second = r#"{"image_id": 42.0, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1, "segmentation": [[1, 2]]}"#;
    let detections = read_after_good(second).unwrap();
    assert_eq!(detections[1], Detection { bbox: [1.0, 2.0, 3.0, 4.0], score: 1.0, ..good() });
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z]{0,4}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("image_id"),
        Just("category_id"),
        Just("bbox"),
        Just("score"),
        Just("id"),
        Just("name"),
        Just("images"),
        Just("annotations"),
        Just("categories"),
        Just("area"),
    ];
    leaf.prop_recursive(4, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|entries| entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_value_makes_a_reader_panic(json in any_json()) {
        let _ = read_text(json.to_string().as_bytes());
        let _ = GroundTruth::from_coco_json(json, "any");
    }

    #[test]
    fn no_detection_makes_the_evaluation_panic(
        image_id in 40u64..44, category_id in 0u64..3, bbox in any::<[f64; 4]>(), score in -0.5f64..1.5,
    ) {
        let _ = evaluate(&truth(), &[good(), Detection { image_id, category_id, bbox, score }]);
    }
}
