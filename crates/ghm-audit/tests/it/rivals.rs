//! Rankings against the truth.

use std::collections::BTreeMap;

use ghm_audit::observed::summarise;
use ghm_audit::rival::{ObjectLab, Scores};
use ghm_audit::{Kind, Summary, Truth, from_detections, suspicions};
use ghm_data::{Change, Dataset};
use ghm_eval::Detection;

use crate::list::{MISSED, beside, list, ruined, truth as said_truth};
use crate::made_up::{GOOD, evidence};

fn xywh([x1, y1, x2, y2]: [f32; 4]) -> [f64; 4] {
    [x1, y1, x2 - x1, y2 - y1].map(f64::from)
}

/// What [`ruined`] ruined, but for the duplicate.
fn truth() -> Truth {
    let bbox = xywh(GOOD);
    Truth::new(&[
        Change::Flip { image_id: 4, annotation_id: 4, class: "owl".into(), was: "dog".into() },
        Change::Shift { image_id: 7, annotation_id: 7, bbox, was: bbox },
        Change::Spawn { image_id: 10, annotation_id: 100, class: "cat".into(), bbox },
        Change::Drop { image_id: 16, annotation_id: 200, class: "owl".into(), bbox: xywh(MISSED) },
    ])
}

fn observed(dataset: &Dataset) -> Summary {
    summarise(&evidence(dataset, said_truth, beside), dataset)
}

/// What a good detector finds: every object by its truth.
fn detections() -> Vec<Detection> {
    let detection = |image_id: u64, class: usize, bbox: [f32; 4]| Detection {
        image_id,
        category_id: class as u64 + 1,
        bbox: xywh(bbox),
        score: 0.97,
    };
    let good = (1..=30).map(|id| detection(id, (id % 3) as usize, GOOD));
    good.chain([detection(16, 2, MISSED)]).collect()
}

fn precisions(scores: &Scores, dataset: &Dataset) -> BTreeMap<Kind, f64> {
    let kinds = [Kind::WrongClass, Kind::LooseBox, Kind::MissingBox, Kind::SpuriousBox];
    kinds.map(|kind| (kind, truth().judge(kind, scores, dataset).average_precision().unwrap())).into()
}

#[test]
fn our_rankings_find_every_kind_first_and_the_list_is_right() {
    let dataset = ruined();
    let summary = observed(&dataset);
    let ours = Scores::ours(&summary, &suspicions(&summary, &dataset), &dataset);
    assert_eq!(precisions(&ours, &dataset).into_values().collect::<Vec<_>>(), [1.0; 4]);
    let detected = from_detections(&detections(), &dataset);
    let ours = Scores::ours(&detected, &suspicions(&detected, &dataset), &dataset);
    assert_eq!(precisions(&ours, &dataset).into_values().collect::<Vec<_>>(), [1.0; 4]);
    let list = truth().judge_list(&list(&dataset));
    // The duplicate is no mistake of the truth's.
    assert_eq!((truth().count(), list.wrong(), list.recall_at(5), list.precision_at(5)), (4, 4, Some(1.0), Some(0.8)));
}

#[test]
fn rivals_rank_by_their_own_rules() {
    let dataset = ruined();
    let detected = from_detections(&detections(), &dataset);
    let objectlab = precisions(&ObjectLab::default().scores(&detections(), &dataset), &dataset);
    assert_eq!((objectlab[&Kind::WrongClass], objectlab[&Kind::LooseBox]), (1.0, 1.0));
    // To it the object of the flipped label lacks one as well.
    assert_eq!(objectlab[&Kind::MissingBox], 0.5);
    let hotcoco = precisions(&Scores::by_hotcoco(&detected, &dataset, 0.5), &dataset);
    assert_eq!((hotcoco[&Kind::WrongClass], hotcoco[&Kind::MissingBox]), (1.0, 1.0));
    assert!(hotcoco[&Kind::LooseBox] < 0.2);
    // A score tells that something is wrong, not what: it has the flipped label and that of nothing at its head alike.
    let score = precisions(&Scores::by_score(&detected, &dataset), &dataset);
    assert!(score[&Kind::WrongClass] < 1.0 && score[&Kind::WrongClass] >= 1.0 / 3.0, "{score:?}");
    let loss = precisions(&Scores::by_loss(&observed(&dataset), &dataset), &dataset);
    assert!(loss[&Kind::WrongClass] >= 1.0 / 3.0 && loss[&Kind::MissingBox] == 1.0, "{loss:?}");
}

#[test]
fn a_network_that_is_never_sure_says_nothing_to_objectlab_until_its_thresholds_are_freed() {
    let dataset = ruined();
    let unsure: Vec<Detection> = detections().into_iter().map(|found| Detection { score: 0.3, ..found }).collect();
    let detected = from_detections(&unsure, &dataset);
    let of = |objectlab: ObjectLab| precisions(&objectlab.scores(&unsure, &dataset), &dataset)[&Kind::WrongClass];
    assert!(of(ObjectLab::default()) < 0.2);
    assert_eq!(of(ObjectLab::freed(&detected)), 1.0);
}

#[test]
fn a_dropped_box_is_found_once() {
    let dataset = ruined();
    let twice: Vec<Detection> = detections().into_iter().chain(detections().into_iter().skip(30)).collect();
    let detected = from_detections(&twice, &dataset);
    let judged = truth().judge(Kind::MissingBox, &Scores::by_score(&detected, &dataset), &dataset);
    assert_eq!((judged.wrong(), judged.precision_at(2), judged.recall_at(2)), (1, Some(0.5), Some(1.0)));
}
