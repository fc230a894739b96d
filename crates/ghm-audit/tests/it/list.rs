//! Mistakes of every kind are at the head of the list.

use ghm_audit::observed::summarise;
use ghm_audit::{AuditError, Kind, Suspect, from_detections, rank, read_evidence, suspicions};
use ghm_boxes::Bbox;
use ghm_data::Dataset;
use ghm_eval::{BackgroundEvidence, Detection};

use crate::made_up::{GOOD, LEARNING, dataset, evidence, object};

const LOOSE: [f32; 4] = [35.0, 30.0, 100.0, 90.0];
const NOWHERE: [f32; 4] = [120.0, 120.0, 180.0, 180.0];
pub const MISSED: [f32; 4] = [100.0, 20.0, 150.0, 70.0];

/// One mistake of each kind: labels 4 (wrong class), 7 (loose), 100 (about nothing, picture 10), 101 (a second label of 13), and an
/// object without a label in picture 16.
pub fn ruined() -> Dataset {
    let mut dataset = dataset();
    dataset.images[3].objects[0].class_index = 2;
    dataset.images[6].objects[0] = object(7, 1, LOOSE);
    dataset.images[9].objects.push(object(100, 0, NOWHERE));
    dataset.images[12].objects.push(object(101, 1, [21.0, 21.0, 81.0, 80.0]));
    dataset
}

pub fn truth(object: &ghm_data::Object) -> Option<(usize, [f32; 4])> {
    match object.annotation_id {
        100 => None,
        101 => Some((1, GOOD)),
        id => Some(((id % 3) as usize, GOOD)),
    }
}

pub fn beside(image_id: u64, epoch: usize) -> Vec<BackgroundEvidence> {
    let seen = |class: usize, score: f32, bbox: [f32; 4]| BackgroundEvidence { class, score, bbox };
    let grows = epoch as f32 / LEARNING as f32;
    match image_id {
        16 => vec![seen(2, grows, MISSED), seen(0, 0.3 * grows, [98.0, 22.0, 150.0, 70.0])],
        // At the right place of the loose label, and of a label: no object of its own.
        7 => vec![seen(1, grows, GOOD)],
        // Once, by chance.
        20 if epoch == 2 => vec![seen(1, 0.3, NOWHERE)],
        _ => Vec::new(),
    }
}

pub fn list(dataset: &Dataset) -> Vec<Suspect> {
    let said = evidence(dataset, truth, beside);
    let summary = summarise(&said, dataset);
    rank(&summary, &suspicions(&summary, dataset), dataset, 0.2)
}

#[test]
fn every_kind_of_mistake_is_listed_with_what_would_be_right_and_nothing_else_is() {
    let dataset = ruined();
    let mut list = list(&dataset);
    let ranks: Vec<usize> = list.iter().map(|suspect| suspect.rank).collect();
    assert_eq!(ranks, [1, 2, 3, 4, 5], "{list:#?}");
    assert!(list.is_sorted_by(|a, b| a.suspicion >= b.suspicion));
    list.sort_by_key(|suspect| suspect.kind);
    let [class, loose, missing, spurious, duplicate] = &list[..] else { panic!("{list:#?}") };
    assert_eq!((class.kind, class.annotation_id, class.class.as_str()), (Kind::WrongClass, Some(4), "owl"));
    assert_eq!(class.suggested_class.as_deref(), Some("dog"));
    assert_eq!((loose.kind, loose.annotation_id, loose.bbox), (Kind::LooseBox, Some(7), LOOSE));
    let suggested = loose.suggested_bbox.map(Bbox::from_corners).unwrap();
    assert!(suggested.iou(Bbox::from_corners(GOOD)) > 0.98, "{suggested:?}");
    assert_eq!((missing.kind, missing.image_id, missing.annotation_id), (Kind::MissingBox, 16, None));
    assert_eq!(missing.class, "owl");
    assert!((missing.bbox[0] - MISSED[0]).abs() < 1.0, "{:?}", missing.bbox);
    assert_eq!((spurious.kind, spurious.annotation_id, spurious.image_id), (Kind::SpuriousBox, Some(100), 10));
    assert_eq!(
        (duplicate.kind, duplicate.annotation_id, duplicate.duplicate_of),
        (Kind::Duplicate, Some(101), Some(13))
    );
    for suspect in &list {
        assert!(suspect.suspicion > 0.5 && suspect.suspicion <= 1.0 && !suspect.reason.is_empty(), "{suspect:?}");
    }
}

#[test]
fn of_good_labels_nothing_is_said() {
    let dataset = dataset();
    let said = evidence(&dataset, |object| Some((object.class_index, GOOD)), |_, _| Vec::new());
    let summary = summarise(&said, &dataset);
    assert_eq!(rank(&summary, &suspicions(&summary, &dataset), &dataset, 0.2), []);
}

#[test]
fn what_was_learned_by_heart_in_the_end_is_still_told() {
    // By the last epochs alone label 4 looks right.
    let dataset = ruined();
    let from = |first: usize| {
        let said: Vec<_> = evidence(&dataset, truth, beside).into_iter().filter(|said| said.epoch >= first).collect();
        let summary = summarise(&said, &dataset);
        suspicions(&summary, &dataset).labels[3].wrong_class
    };
    assert!(from(LEARNING + 1) < 0.05 && from(1) > 0.9, "{} {}", from(LEARNING + 1), from(1));
}

#[test]
fn detections_of_any_network_give_the_same_kinds() {
    let dataset = ruined();
    let detection = |image_id: u64, class: usize, score: f64, [x1, y1, x2, y2]: [f32; 4]| Detection {
        image_id,
        category_id: class as u64 + 1,
        bbox: [x1, y1, x2 - x1, y2 - y1].map(f64::from),
        score,
    };
    let mut detections: Vec<Detection> = (1..=30).map(|id| detection(id, (id % 3) as usize, 0.9, GOOD)).collect();
    detections.push(detection(16, 2, 0.8, MISSED));
    detections.push(detection(999, 2, 0.8, MISSED));
    let summary = from_detections(&detections, &dataset);
    let list = rank(&summary, &suspicions(&summary, &dataset), &dataset, 0.2);
    let mut kinds: Vec<(Kind, Option<u64>)> =
        list.iter().map(|suspect| (suspect.kind, suspect.annotation_id)).collect();
    kinds.sort();
    let expected = [
        (Kind::WrongClass, Some(4)),
        (Kind::LooseBox, Some(7)),
        (Kind::MissingBox, None),
        (Kind::SpuriousBox, Some(100)),
        (Kind::Duplicate, Some(101)),
    ];
    assert_eq!(kinds, expected, "{list:#?}");
}

#[test]
fn files_that_are_no_evidence_are_refused_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence.jsonl");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        read_evidence(&path, &dataset()).unwrap_err()
    };
    let good = serde_json::to_string(&evidence(&dataset(), truth, beside)[0]).unwrap();
    assert!(matches!(read(&format!("{good}\n{{\"epoch\": 1}}\n")), AuditError::Line { line: 2, .. }));
    assert!(matches!(read(""), AuditError::Nothing { .. }));
    assert!(matches!(read_evidence(&folder.path().join("none"), &dataset()), Err(AuditError::Io { .. })));
}

#[test]
fn detections_of_few_objects_do_not_make_the_faintest_of_them_sure() {
    let dataset = ruined();
    let detection = |image_id: u64, score: f64, [x1, y1, x2, y2]: [f32; 4]| Detection {
        image_id,
        category_id: image_id % 3 + 1,
        bbox: [x1, y1, x2 - x1, y2 - y1].map(f64::from),
        score,
    };
    let mut detections: Vec<Detection> = (20..30).map(|id| detection(id, 0.9, GOOD)).collect();
    detections.extend([detection(1, 0.01, NOWHERE), detection(2, 0.95, NOWHERE)]);
    let summary = from_detections(&detections, &dataset);
    let missing = suspicions(&summary, &dataset).missing;
    let of = |score: f32| missing[summary.unlabelled.iter().position(|seen| seen.score == score).unwrap()];
    assert!(of(0.95) > 0.5 && of(0.01) < 0.05, "{missing:?}");
}
