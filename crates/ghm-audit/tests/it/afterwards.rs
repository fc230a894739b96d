//! The trained network's look at labels that it has learned.

use ghm_audit::observed::summarise;
use ghm_audit::{Kind, Shown, Summary, Suspect, rank, suspicions};
use ghm_boxes::Bbox;
use ghm_data::Dataset;
use ghm_eval::{BackgroundEvidence, Detection};

use crate::list::{MISSED, beside, ruined, truth};
use crate::made_up::{GOOD, dataset, evidence, object};

/// One detection in each picture, at the right place but for the loose label's, where it is given.
fn shown(of_loose: [f32; 4]) -> Shown<'static> {
    let detection = |id: u64| {
        let bbox = Bbox::from_corners(if id == 7 { of_loose } else { GOOD });
        Detection { image_id: id, category_id: id % 3 + 1, bbox: bbox.to_xywh().map(f64::from), score: 0.8 }
    };
    Shown { image_ids: (1..=30).collect(), detections: (1..=30).map(detection).collect::<Vec<_>>().into() }
}

fn learned(dataset: &Dataset) -> Summary {
    summarise(&evidence(dataset, truth, beside), dataset)
}

/// The box that is suggested for the loose label.
fn suggested(summary: &Summary, dataset: &Dataset) -> Option<[f32; 4]> {
    let list = rank(summary, &suspicions(summary, dataset), dataset, 0.2);
    list.iter().find(|suspect| suspect.annotation_id == Some(7))?.suggested_bbox
}

fn loose(summary: &Summary, dataset: &Dataset) -> f32 {
    let place = summary.labels.iter().position(|label| (label.image, label.object) == (6, 0)).unwrap();
    suspicions(summary, dataset).labels[place].loose_box
}

#[test]
fn a_loose_box_gets_the_box_that_the_trained_network_sees() {
    let dataset = ruined();
    let seen = [22.0, 18.0, 81.0, 79.0];
    let summary = learned(&dataset).with_sights(&shown(seen), &dataset);
    let list = rank(&summary, &suspicions(&summary, &dataset), &dataset, 0.2);
    let loose: Vec<_> = list.iter().filter(|suspect| suspect.kind == Kind::LooseBox).collect();
    assert_eq!(loose.len(), 1, "{list:#?}");
    assert_eq!((loose[0].annotation_id, loose[0].suggested_bbox), (Some(7), Some(seen)));
    // 2,254 of 5,245 square pixels are common to both.
    assert!(loose[0].reason.contains("IoU of 0.43"), "{}", loose[0].reason);
    // All other mistakes are told as before.
    assert_eq!(list.len(), 5);
}

#[test]
fn what_the_trained_network_sees_counts_for_and_against() {
    let dataset = ruined();
    let before = loose(&learned(&dataset), &dataset);
    let after = |seen: [f32; 4]| loose(&learned(&dataset).with_sights(&shown(seen), &dataset), &dataset);
    let label = dataset.images[6].objects[0].bbox_in_image.corners();
    let (there, by_heart) = (after(GOOD), after(label));
    // It has learned the label by heart: that alone acquits nothing.
    assert!(there > by_heart && before > by_heart && by_heart > 0.5, "{there} {before} {by_heart}");
    // And its own box is not what is suggested for it.
    let learned_label = learned(&dataset).with_sights(&shown(label), &dataset);
    assert_eq!(suggested(&learned_label, &dataset), suggested(&learned(&dataset), &dataset));

    // A label that looked good is a little less so.
    let good = self::dataset();
    let aside = learned(&good).with_sights(&shown([30.0, 26.0, 90.0, 86.0]), &good);
    let (before, after) = (loose(&learned(&good), &good), loose(&aside, &good));
    assert!(before < after && after < 0.2, "{before} {after}");
}

#[test]
fn a_detection_is_about_the_label_that_it_is_nearest_to() {
    let mut dataset = dataset();
    let beside = [70.0, 20.0, 130.0, 80.0];
    dataset.images[6].objects.push(object(100, 1, beside));
    let sight = |seen: [f32; 4]| {
        let summary = learned(&dataset).with_sights(&shown(seen), &dataset);
        let of = |object: usize| {
            let label = summary.labels.iter().find(|label| (label.image, label.object) == (6, object)).unwrap();
            label.sight.unwrap()
        };
        [of(0), of(1)]
    };
    let [first, second] = sight([60.0, 20.0, 120.0, 80.0]);
    assert_eq!((first.score, first.bbox.corners()), (0.0, GOOD));
    assert!((second.score - 0.8).abs() < 1e-6 && second.bbox.corners() == [60.0, 20.0, 120.0, 80.0], "{second:?}");
}

#[test]
fn a_network_that_sees_too_little_says_nothing() {
    let dataset = ruined();
    let mut blind = shown(GOOD);
    blind.detections.to_mut().truncate(15);
    // 17 labels of 32 have nothing about them.
    let asked = learned(&dataset).with_sights(&blind, &dataset);
    assert_eq!(loose(&asked, &dataset), loose(&learned(&dataset), &dataset));
    assert_eq!(suggested(&asked, &dataset), suggested(&learned(&dataset), &dataset));
}

#[test]
fn labels_in_pictures_that_it_was_not_shown_are_judged_as_before() {
    let dataset = ruined();
    let before = learned(&dataset);
    let mut few = shown(GOOD);
    few.image_ids.retain(|id| *id != 7);
    let after = before.clone().with_sights(&few, &dataset);
    assert!(after.labels.iter().filter(|label| label.sight.is_none()).count() == 1);
    assert_eq!(loose(&after, &dataset), loose(&before, &dataset));
}

/// What the trained network sees with these detections of a picture besides: class, score and corners each.
fn also(image_id: u64, more: &[(u64, f64, [f32; 4])]) -> Shown<'static> {
    let mut shown = shown(GOOD);
    let detection = |(category_id, score, corners): &(u64, f64, [f32; 4])| {
        let bbox = Bbox::from_corners(*corners).to_xywh().map(f64::from);
        Detection { image_id, category_id: *category_id, bbox, score: *score }
    };
    shown.detections.to_mut().extend(more.iter().map(detection));
    shown
}

/// What is said of the missing box, once the trained network has been asked.
fn missing(dataset: &Dataset, of_missing: &[(u64, f64, [f32; 4])]) -> Vec<Suspect> {
    let summary = learned(dataset).with_sights(&also(16, of_missing), dataset);
    let list = rank(&summary, &suspicions(&summary, dataset), dataset, 0.2);
    list.into_iter().filter(|suspect| suspect.kind == Kind::MissingBox).collect()
}

/// What is said of the label of a wrong class, once the trained network has been asked that finds this where it is, and in all other
/// pictures as ever.
fn wrong(dataset: &Dataset, of_label: &[(u64, f64, [f32; 4])]) -> Suspect {
    let mut shown = also(4, of_label);
    shown.detections.to_mut().remove(3);
    suspect(4, &learned(dataset).with_sights(&shown, dataset), dataset).unwrap()
}

/// What is said of a label.
fn suspect(label: u64, summary: &Summary, dataset: &Dataset) -> Option<Suspect> {
    let list = rank(summary, &suspicions(summary, dataset), dataset, 0.2);
    list.into_iter().find(|suspect| suspect.annotation_id == Some(label)).map(|suspect| Suspect { rank: 0, ..suspect })
}

#[test]
fn a_class_that_was_mended_since_the_run_is_not_taken_back() {
    // In every epoch the network saw a dog beside the owl that it was told of, and in the end an owl alone.
    let mut said = evidence(&ruined(), truth, beside);
    for label in said.iter_mut().flat_map(|said| &mut said.objects).filter(|label| label.annotation_id == 4) {
        (label.class_norm, label.other_class, label.other_score) = (0.05, 1, 0.3);
    }
    let mut dataset = ruined();
    dataset.images[3].objects[0].class_index = 1;
    let mut shown = also(4, &[(3, 0.95, GOOD)]);
    shown.detections.to_mut().remove(3);
    for summary in [summarise(&said, &dataset), summarise(&said, &dataset).with_sights(&shown, &dataset)] {
        assert_eq!(suspect(4, &summary, &dataset), None);
    }
}

#[test]
fn a_wrong_class_gets_the_class_that_the_trained_network_sees() {
    let dataset = ruined();
    // While it learned it saw dogs there.
    let before = wrong(&dataset, &[]);
    assert_eq!((before.class.as_str(), before.suggested_class.as_deref()), ("owl", Some("dog")));
    let after = wrong(&dataset, &[(1, 0.8, GOOD), (2, 0.1, GOOD), (3, 0.1, GOOD), (2, 0.9, BETTER)]);
    assert_eq!((after.kind, after.suspicion), (Kind::WrongClass, before.suspicion));
    assert_eq!(after.suggested_class.as_deref(), Some("cat"));
    assert!(after.class_certainty > Some(0.9) && after.reason.contains("in the end as `cat`"), "{after:?}");
    // Where it sees the others as surely none is certain.
    let torn = wrong(&dataset, &[(1, 0.83, GOOD), (2, 0.82, GOOD), (3, 0.81, GOOD)]);
    assert_eq!(torn.suggested_class.as_deref(), Some("cat"));
    assert!(torn.class_certainty < Some(0.5), "{torn:?}");
    // What it sees less surely than labels changes nothing, however sure it is of the label's own class, nor what is elsewhere.
    for nothing in [(1, 0.7, GOOD), (3, 0.8, GOOD), (1, 0.9, NOT_QUITE)] {
        assert_eq!(wrong(&dataset, &[nothing, (3, 0.95, GOOD)]), before);
    }
    // Nor what it sees in a picture that it was not asked about.
    let mut few = also(4, &[(1, 0.9, GOOD)]);
    few.image_ids.retain(|id| *id != 4);
    assert_eq!(suspect(4, &learned(&dataset).with_sights(&few, &dataset), &dataset), Some(before));
}

/// A box that has less than half in common with the good one.
const NOT_QUITE: [f32; 4] = [42.0, 20.0, 102.0, 80.0];

#[test]
fn a_class_is_that_of_the_nearest_label() {
    let mut dataset = ruined();
    dataset.images[3].objects.push(object(200, 0, [20.0, 20.0, 60.0, 80.0]));
    let between = [20.0, 20.0, 65.0, 80.0];
    let before = wrong(&dataset, &[(2, 0.8, GOOD)]);
    assert_eq!(before.suggested_class.as_deref(), Some("dog"));
    assert_eq!(wrong(&dataset, &[(2, 0.8, GOOD), (1, 0.9, between)]), before);
    // An ignored label is one too, and so is what was seen without a label.
    dataset.images[3].objects[1].ignored = true;
    assert_eq!(wrong(&dataset, &[(2, 0.8, GOOD), (1, 0.9, between)]), before);
    let bare = ruined();
    let lying = |image_id: u64, epoch| match image_id {
        4 => vec![BackgroundEvidence { class: 0, score: 0.9, bbox: [55.0, 20.0, 115.0, 80.0] }],
        _ => beside(image_id, epoch),
    };
    let mut shown = also(4, &[(2, 0.8, GOOD), (1, 0.9, [40.0, 20.0, 100.0, 80.0])]);
    shown.detections.to_mut().remove(3);
    let summary = summarise(&evidence(&bare, truth, lying), &bare).with_sights(&shown, &bare);
    assert_eq!(suspect(4, &summary, &bare).unwrap().suggested_class.as_deref(), Some("dog"));
}

const BETTER: [f32; 4] = [102.0, 22.0, 152.0, 72.0];

#[test]
fn a_missing_box_gets_the_class_and_the_box_that_the_trained_network_sees() {
    let dataset = ruined();
    // While it learned it saw owls there.
    let [before] = &missing(&dataset, &[])[..] else { panic!() };
    assert_eq!((before.class.as_str(), before.class_certainty > Some(0.9)), ("owl", true), "{before:?}");
    let [after] = &missing(&dataset, &[(1, 0.8, BETTER), (3, 0.1, MISSED), (2, 0.9, GOOD)])[..] else { panic!() };
    assert_eq!((after.class.as_str(), after.bbox), ("cat", BETTER), "{after:?}");
    assert!(after.class_certainty > Some(0.9) && after.suspicion == before.suspicion, "{after:?}");
    // Of three that it sees as surely none is certain; what is beside it is about something else.
    let torn = [(1, 0.83, BETTER), (2, 0.82, MISSED), (3, 0.81, MISSED), (3, 0.9, [130.0, 20.0, 180.0, 70.0])];
    let [torn] = &missing(&dataset, &torn)[..] else { panic!() };
    assert_eq!(torn.class, "cat");
    assert!(torn.class_certainty < Some(0.5), "{torn:?}");
    // What it sees less surely than labels changes nothing.
    let [as_before] = &missing(&dataset, &[(1, 0.7, BETTER)])[..] else { panic!() };
    assert_eq!(as_before, before);
    // Nor does what it sees in a picture that it was not asked about, nor what one sees that sees little of the labels.
    let mut few = also(16, &[(1, 0.8, BETTER)]);
    few.image_ids.retain(|id| *id != 16);
    let mut blind = also(16, &[(1, 0.8, BETTER)]);
    blind.detections.to_mut().drain(15..30);
    for shown in [few, blind] {
        assert_eq!(learned(&dataset).with_sights(&shown, &dataset).unlabelled, learned(&dataset).unlabelled);
    }
}

#[test]
fn what_is_missing_is_not_taken_for_a_label_beside_it() {
    let mut dataset = ruined();
    let [before] = &missing(&dataset, &[])[..] else { panic!() };
    // A label of which a fifth lies upon the missing one, and a box between the two.
    dataset.images[15].objects.push(object(200, 0, [100.0, 50.0, 150.0, 100.0]));
    let between = [100.0, 36.0, 150.0, 86.0];
    let [torn] = &missing(&dataset, &[(1, 0.9, between)])[..] else { panic!() };
    assert_eq!((&torn.class, torn.bbox), (&before.class, before.bbox), "{torn:?}");
    let [own] = &missing(&dataset, &[(1, 0.9, between), (2, 0.85, BETTER)])[..] else { panic!() };
    assert_eq!((own.class.as_str(), own.bbox), ("dog", BETTER), "{own:?}");
}

#[test]
fn two_missing_boxes_do_not_become_one() {
    let dataset = dataset();
    let [first, second, between] = [[100.0, 20.0, 150.0, 70.0], [100.0, 40.0, 150.0, 90.0], [100.0, 30.0, 150.0, 80.0]];
    let two = |image_id: u64, _| match image_id {
        16 => [first, second].map(|bbox| BackgroundEvidence { class: 2, score: 0.9, bbox }).to_vec(),
        _ => Vec::new(),
    };
    let learned = summarise(&evidence(&dataset, |object| Some((object.class_index, GOOD)), two), &dataset);
    let asked = learned.with_sights(&also(16, &[(1, 0.9, between)]), &dataset);
    let [one, other] = &asked.unlabelled[..] else { panic!("{asked:?}") };
    // The detection is about one of them at most.
    assert!(one.bbox.iou(other.bbox) < 0.75, "{one:?} {other:?}");
}

#[test]
fn a_missing_box_that_is_a_part_of_a_label_after_all_is_none() {
    let mut dataset = ruined();
    // About the missing one, but of another class than was seen there.
    dataset.images[15].objects.push(object(200, 0, [60.0, 10.0, 170.0, 110.0]));
    assert_eq!(missing(&dataset, &[]).len(), 1);
    assert_eq!(missing(&dataset, &[(1, 0.8, MISSED)]), []);
}
