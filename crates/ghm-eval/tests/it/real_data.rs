//! The official COCO self-test, where its files are at hand (`GHM_SHARED_DATA`).

use std::path::PathBuf;

use ghm_eval::{GroundTruth, evaluate, read_detections, write_detections};
use serde_json::Value;

use crate::golden::assert_close;

fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("GHM_SHARED_DATA")?).join("coco-eval");
    folder.is_dir().then_some(folder)
}

#[test]
fn the_official_self_test_gives_the_official_numbers() {
    let Some(folder) = folder() else { return };
    let truth = GroundTruth::from_coco_file(&folder.join("instances_val2014_100.json")).unwrap();
    let detections = read_detections(&folder.join("instances_val2014_fakebbox100_results.json")).unwrap();
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let evaluation = evaluate(&truth, &detections).unwrap();
    for (i, (what, found)) in evaluation.named().into_iter().enumerate() {
        assert_eq!(expected["order"][i], what);
        assert_close(found, expected["stats"][i].as_f64(), what);
    }
    assert_eq!((truth.image_count(), truth.annotation_count(), evaluation.per_class.len()), (100, 839, 80));

    let copy = tempfile::tempdir().unwrap().keep().join("copy.json");
    write_detections(&copy, &detections).unwrap();
    assert_eq!(read_detections(&copy).unwrap(), detections);
    std::fs::remove_dir_all(copy.parent().unwrap()).unwrap();
}
