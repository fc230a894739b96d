//! Goldens of `fixtures/coco_eval/generate.py`: the numbers of pycocotools.

use std::path::{Path, PathBuf};

use ghm_eval::{Detection, Evaluation, GroundTruth, evaluate};
use serde::Deserialize;
use serde_json::{Value, json};

/// The same sums, in another order for the per-class means; a perfect AP is an ulp or two below 1, here and there.
pub const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
struct Case {
    truth: Value,
    detections: Vec<Detection>,
    expected: Evaluation,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/coco_eval")
}

fn case(name: &str) -> Case {
    let path = fixtures().join(name).with_extension("json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn assert_close(found: Option<f64>, expected: Option<f64>, what: &str) {
    match (found, expected) {
        (Some(found), Some(expected)) => {
            assert!((found - expected).abs() <= TOLERANCE, "{what}: {found:?}, expected {expected:?}");
        }
        (found, expected) => assert_eq!(found, expected, "{what}"),
    }
}

fn assert_equals_pycocotools(name: &str) {
    let Case { truth, detections, expected } = case(name);
    let truth = GroundTruth::from_coco_json(truth, name).unwrap();
    let evaluation = evaluate(&truth, &detections).unwrap();
    for ((what, found), (_, expected)) in evaluation.named().into_iter().zip(expected.named()) {
        assert_close(found, expected, &format!("{name}: {what}"));
    }
    assert_eq!(evaluation.per_class.len(), expected.per_class.len());
    for ((class, found), (expected_class, expected)) in evaluation.per_class.iter().zip(expected.per_class.iter()) {
        assert_eq!(class, expected_class);
        assert_close(found.ap, expected.ap, &format!("{name}: AP of {class}"));
        assert_close(found.ap50, expected.ap50, &format!("{name}: AP50 of {class}"));
        assert_close(found.ap75, expected.ap75, &format!("{name}: AP75 of {class}"));
        assert_eq!((found.ground_truth, found.detections), (expected.ground_truth, expected.detections), "{class}");
    }
}

macro_rules! goldens {
    ($($test:ident: $file:literal,)*) => {
        $(#[test]
        fn $test() {
            assert_equals_pycocotools($file);
        })*

        #[test]
        fn every_fixture_has_its_test() {
            let mut named = vec![$($file),*];
            let mut present: Vec<String> = std::fs::read_dir(fixtures())
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
                .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
                .collect();
            named.sort_unstable();
            present.sort_unstable();
            assert_eq!(named, present);
        }
    };
}

goldens! {
    sizes_crowds_and_unused_ignore_keys_score_as_in_pycocotools: "mixed",
    equal_scores_and_equal_overlaps_rank_as_in_pycocotools: "ties",
    many_crowds_score_as_in_pycocotools: "crowds",
    classes_without_objects_are_left_out_as_in_pycocotools: "empty_classes",
    more_than_a_hundred_detections_a_class_are_cut_as_in_pycocotools: "crowded_pictures",
    no_detections_at_all_score_zero_as_in_pycocotools: "no_detections",
    a_ground_truth_without_annotations_is_undefined_as_in_pycocotools: "no_annotations",
    the_smallest_and_largest_boxes_score_as_in_pycocotools: "tiny_and_huge",
    precise_boxes_score_as_in_pycocotools: "precise",
}

#[test]
fn the_goldens_hold_what_they_are_for() {
    let crowds = case("crowds").truth;
    let is = |annotation: &&Value, key: &str| annotation[key] == 1;
    let annotations = crowds["annotations"].as_array().unwrap();
    assert!(annotations.iter().filter(|annotation| is(annotation, "iscrowd")).count() > 20);
    assert!(annotations.iter().any(|annotation| is(&annotation, "ignore") && annotation["iscrowd"] == 0));
    assert_eq!(case("no_detections").expected.ap, Some(0.0));
    assert!(case("no_annotations").expected.named().iter().all(|(_, number)| number.is_none()));
    let crowded = case("crowded_pictures").detections;
    let first = (crowded[0].image_id, crowded[0].category_id);
    assert!(crowded.iter().filter(|detection| (detection.image_id, detection.category_id) == first).count() > 100);
}

#[test]
fn evaluating_twice_gives_the_same_numbers() {
    let Case { truth, detections, .. } = case("mixed");
    let truth = GroundTruth::from_coco_json(truth, "mixed").unwrap();
    assert_eq!(evaluate(&truth, &detections).unwrap(), evaluate(&truth, &detections).unwrap());
}

fn one_object(annotation_id: u64) -> GroundTruth {
    let truth = json!({
        "images": [{"id": 1}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [{"id": annotation_id, "image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50]}],
    });
    GroundTruth::from_coco_json(truth, "one object").unwrap()
}

const FOUND: Detection = Detection { image_id: 1, category_id: 1, bbox: [0.0, 0.0, 50.0, 50.0], score: 0.5 };

#[test]
fn a_match_with_annotation_zero_counts_as_a_match() {
    assert_close(evaluate(&one_object(0), &[FOUND]).unwrap().ap, Some(1.0), "AP");
}

#[test]
fn a_missing_area_is_width_times_height() {
    let evaluation = evaluate(&one_object(1), &[FOUND]).unwrap();
    assert_close(evaluation.ap_medium, Some(1.0), "AP_medium");
    assert_eq!((evaluation.ap_small, evaluation.ap_large), (None, None));
}

#[test]
fn boxes_partly_outside_their_picture_are_fine() {
    let outside = Detection { bbox: [-10.0, -10.0, 60.0, 60.0], ..FOUND };
    assert_close(evaluate(&one_object(1), &[outside]).unwrap().ap50, Some(1.0), "AP50");
}

#[test]
fn a_ground_truth_of_nothing_is_undefined() {
    let nothing = json!({"images": [], "annotations": [], "categories": []});
    let truth = GroundTruth::from_coco_json(nothing, "nothing").unwrap();
    let evaluation = evaluate(&truth, &[]).unwrap();
    assert!(evaluation.named().iter().all(|(_, number)| number.is_none()));
    assert!(evaluation.per_class.is_empty());
}

#[test]
fn classes_that_share_a_name_are_told_apart_by_id() {
    let truth = json!({
        "images": [{"id": 1}],
        "categories": [{"id": 4, "name": "a"}, {"id": 2, "name": "a"}, {"id": 3, "name": "b"}],
        "annotations": [],
    });
    let evaluation = evaluate(&GroundTruth::from_coco_json(truth, "names").unwrap(), &[]).unwrap();
    let names: Vec<&str> = evaluation.per_class.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a (id 4)", "a (id 2)", "b"]);
}
