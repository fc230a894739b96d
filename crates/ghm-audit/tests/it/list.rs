//! Mistakes of every kind are at the head of the list.

use ghm_audit::observed::summarise;
use ghm_audit::{
    AuditError, Kind, Shown, Suspect, by_picture, from_detections, from_networks, rank, read_evidence, suspicions,
};
use ghm_boxes::Bbox;
use ghm_data::Dataset;
use ghm_eval::{BackgroundEvidence, Detection};

use crate::made_up::{EPOCHS, GOOD, LEARNING, dataset, evidence, object};

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
    assert!(class.class_certainty > Some(0.9), "{class:?}");
    assert_eq!((loose.kind, loose.annotation_id, loose.bbox), (Kind::LooseBox, Some(7), LOOSE));
    let suggested = loose.suggested_bbox.map(Bbox::from_corners).unwrap();
    assert!(suggested.iou(Bbox::from_corners(GOOD)) > 0.98, "{suggested:?}");
    assert_eq!((missing.kind, missing.image_id, missing.annotation_id), (Kind::MissingBox, 16, None));
    assert_eq!(missing.class, "owl");
    assert!(missing.class_certainty > Some(0.9), "{missing:?}");
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
    assert!(from(LEARNING + 1) < 0.05 && from(1) > 0.8, "{} {}", from(LEARNING + 1), from(1));
}

#[test]
fn boxes_that_are_never_quite_the_same_are_not_loose() {
    let dataset = dataset();
    // By 0 to 4 of 60 pixels to the side: IoU 0.87 to 1.
    let detections: Vec<Detection> = (1..=30)
        .map(|id| Detection {
            image_id: id,
            category_id: id % 3 + 1,
            bbox: [20.0 + (id % 5) as f64, 20.0, 60.0, 60.0],
            score: 0.9,
        })
        .collect();
    let summary = from_detections(&detections, &dataset);
    assert_eq!(rank(&summary, &suspicions(&summary, &dataset), &dataset, 0.2), []);
}

#[test]
fn a_label_is_not_judged_by_what_is_about_its_neighbour() {
    let mut dataset = dataset();
    // IoU 0.5 with the good label there, and no duplicate of it.
    let beside = [40.0, 20.0, 100.0, 80.0];
    dataset.images[4].objects.push(object(100, 2, beside));
    let detection =
        |image_id: u64, class: u64, score: f64, bbox: [f64; 4]| Detection { image_id, category_id: class, bbox, score };
    let mut detections: Vec<Detection> =
        (1..=30).map(|id| detection(id, id % 3 + 1, 0.7, [20.0, 20.0, 60.0, 60.0])).collect();
    detections.push(detection(5, 3, 0.95, [40.0, 20.0, 60.0, 60.0]));
    let summary = from_detections(&detections, &dataset);
    let fourth = summary.labels.iter().find(|label| label.image == 4 && label.object == 0).unwrap();
    assert_eq!((fourth.iou, fourth.own), (1.0, 0.7));
    let list = rank(&summary, &suspicions(&summary, &dataset), &dataset, 0.2);
    assert!(list.iter().all(|suspect| suspect.kind == Kind::Duplicate && suspect.suspicion < 0.5), "{list:#?}");
}

#[test]
fn a_class_that_is_taken_for_another_in_one_early_epoch_is_not_wrong() {
    let dataset = dataset();
    let mut said = evidence(&dataset, |object| Some((object.class_index, GOOD)), |_, _| Vec::new());
    // One owl is a cat at first.
    let owl = said.iter_mut().filter(|said| said.epoch == 1).flat_map(|said| &mut said.objects);
    for label in owl.filter(|label| label.annotation_id == 2) {
        (label.class_norm, label.other_class, label.other_score) = (0.999, 0, 0.2);
    }
    let summary = summarise(&said, &dataset);
    assert_eq!(rank(&summary, &suspicions(&summary, &dataset), &dataset, 0.5), []);
}

#[test]
fn a_class_that_was_mended_since_the_run_is_accused_no_more() {
    let said = evidence(&ruined(), truth, beside);
    let mut mended = ruined();
    let wrong_class = |dataset: &Dataset| {
        let summary = summarise(&said, dataset);
        suspicions(&summary, dataset).labels[3].wrong_class
    };
    assert!(wrong_class(&mended) > 0.8);
    mended.images[3].objects[0].class_index = 1;
    assert!(wrong_class(&mended) < 0.05, "{}", wrong_class(&mended));
}

#[test]
fn pictures_that_no_network_was_shown_are_not_judged() {
    let dataset = dataset();
    let found =
        |id: u64| Detection { image_id: id, category_id: id % 3 + 1, bbox: [20.0, 20.0, 60.0, 60.0], score: 0.9 };
    // The second network is less sure of everything, and never saw picture 30.
    let sure: Vec<Detection> = (1..=15).map(found).collect();
    let unsure: Vec<Detection> = (16..=29).map(|id| Detection { score: 0.1, ..found(id) }).collect();
    let shown = [
        Shown { image_ids: (1..=15).collect(), detections: sure.into() },
        Shown { image_ids: (16..=29).collect(), detections: unsure.into() },
    ];
    let summary = from_networks(&shown, &dataset);
    assert!(summary.labels[29].looks.is_empty() && summary.labels[28].looks.len() == 1);
    assert_eq!(rank(&summary, &suspicions(&summary, &dataset), &dataset, 0.2), []);
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

#[test]
fn pictures_with_most_to_be_mended_come_first() {
    let suspect = |image_id: u64, kind: Kind, suspicion: f32| Suspect {
        image_id,
        kind,
        suspicion,
        file_name: format!("{image_id}.png"),
        ..list(&ruined())[0].clone()
    };
    let suspects = [
        suspect(1, Kind::LooseBox, 0.9),
        suspect(2, Kind::MissingBox, 0.6),
        suspect(2, Kind::MissingBox, 0.5),
        suspect(2, Kind::SpuriousBox, 0.25),
    ];
    let pictures = by_picture(&suspects);
    assert_eq!(pictures.iter().map(|picture| picture.image_id).collect::<Vec<_>>(), [2, 1]);
    let worst = &pictures[0];
    assert!((worst.all - 1.35).abs() < 1e-6 && (worst.missing_box - 1.1).abs() < 1e-6);
    assert_eq!((worst.spurious_box, worst.loose_box, worst.file_name.as_str()), (0.25, 0.0, "2.png"));
}

#[test]
fn a_label_looks_less_loose_where_what_is_seen_lies_about_it_on_all_sides() {
    let mut dataset = dataset();
    dataset.images[6].objects[0] = object(7, 1, GOOD);
    // Far off, but in each epoch on the other side of the label.
    let [x1, y1, x2, y2] = GOOD;
    let seen = |epoch: usize| {
        if epoch.is_multiple_of(2) { [x1 - 25.0, y1, x2 - 25.0, y2] } else { [x1 + 25.0, y1, x2 + 25.0, y2] }
    };
    let suspicion = |aside: &dyn Fn(usize) -> [f32; 4]| {
        let mut said = evidence(&dataset, truth, |_, _| Vec::new());
        for said in said.iter_mut().filter(|said| said.image_id == 7) {
            let bbox = aside(said.epoch);
            for label in &mut said.objects {
                (label.bbox, label.iou) = (bbox, Bbox::from_corners(bbox).iou(Bbox::from_corners(GOOD)));
            }
        }
        let summary = summarise(&said, &dataset);
        let place = summary.labels.iter().position(|label| (label.image, label.object) == (6, 0)).unwrap();
        suspicions(&summary, &dataset).labels[place].loose_box
    };
    let (around, aside) = (suspicion(&seen), suspicion(&|_| seen(1)));
    // Later epochs weigh more, so that the mean lies a little to one side.
    assert!(aside > 0.95 && around < 0.8, "{around} {aside}");
}

#[test]
fn what_is_seen_late_looks_more_like_an_object_than_what_is_seen_early() {
    let dataset = dataset();
    // Both in half of the epochs, as sure as labels are then.
    let seen = |id: u64, epoch: usize| match (id, epoch > EPOCHS / 2) {
        (16, true) | (17, false) => {
            vec![BackgroundEvidence { class: 2, score: 0.9 * epoch as f32 / EPOCHS as f32, bbox: MISSED }]
        }
        _ => Vec::new(),
    };
    let summary = summarise(&evidence(&dataset, truth, seen), &dataset);
    let missing = suspicions(&summary, &dataset).missing;
    let of = |image: usize| missing[summary.unlabelled.iter().position(|seen| seen.image == image).unwrap()];
    let (late, early) = (of(15), of(16));
    // Of weights 1 to 6 the late ones are 15 of 21.
    assert!(late > 0.1 && early < 0.02, "{late} {early}");
}

#[test]
fn an_epoch_in_which_a_picture_was_left_out_changes_nothing() {
    let dataset = dataset();
    let seen = |id: u64, epoch: usize| match id {
        16..=18 => vec![BackgroundEvidence { class: 2, score: 0.8 * epoch as f32 / EPOCHS as f32, bbox: MISSED }],
        _ => Vec::new(),
    };
    let mut said = evidence(&dataset, truth, seen);
    said.retain(|said| (said.image_id, said.epoch) != (17, 1) && (said.image_id, said.epoch) != (18, EPOCHS));
    let summary = summarise(&said, &dataset);
    let missing = suspicions(&summary, &dataset).missing;
    assert!(missing.len() == 3 && missing.iter().all(|one| (one - missing[0]).abs() < 1e-5), "{missing:?}");
}

#[test]
fn a_class_that_everything_is_taken_for_is_no_suggestion() {
    let dataset = dataset();
    // Of 30 labels 10 are cats; the network takes all of them for cats, in every epoch.
    let mut said = evidence(&dataset, |_| Some((0, GOOD)), |_, _| Vec::new());
    said.retain(|said| said.epoch <= LEARNING);
    let summary = summarise(&said, &dataset);
    let list = rank(&summary, &suspicions(&summary, &dataset), &dataset, 0.0);
    let wrong: Vec<&Suspect> = list.iter().filter(|suspect| suspect.kind == Kind::WrongClass).collect();
    assert!(wrong.len() >= 20, "{list:#?}");
    for suspect in wrong {
        assert!(suspect.suspicion < 0.5 && suspect.class_certainty < Some(0.5), "{suspect:?}");
    }
}
