//! What is accepted becomes right, and nothing else changes.

use ghm_audit::{AuditError, Kind, Remedy, Suspect, apply};
use ghm_boxes::Bbox;
use ghm_data::{Dataset, Object};

use crate::list::{MISSED, list, ruined};
use crate::made_up::{GOOD, dataset};

fn close(a: Bbox, [x1, y1, x2, y2]: [f32; 4]) -> bool {
    a.iou(Bbox::new(x1, y1, x2, y2)) > 0.95
}

fn all(dataset: &Dataset, remedy: Remedy) -> Vec<(Suspect, Remedy)> {
    list(dataset).into_iter().map(|suspect| (suspect, remedy)).collect()
}

#[test]
fn what_is_ignored_stays_as_it_is_and_counts_for_nothing() {
    let ruined = ruined();
    let (ignoring, changes) = apply(&ruined, &all(&ruined, Remedy::Ignore)).unwrap();
    assert!(changes.len() == 5 && changes.iter().all(|((_, remedy), count)| *remedy == Remedy::Ignore && *count == 1));
    let suspected = [4, 7, 100, 101];
    for (image, before) in ignoring.images.iter().zip(&ruined.images) {
        for (object, before) in image.objects.iter().zip(&before.objects) {
            let ignored = suspected.contains(&object.annotation_id);
            assert_eq!(*object, Object { ignored, ..before.clone() });
        }
    }
    let added = &ignoring.images[15].objects[1..];
    assert!(matches!(added, [object] if object.ignored && close(object.bbox_in_image, MISSED)), "{added:?}");
}

#[test]
fn a_data_set_with_all_suspects_accepted_is_the_good_one() {
    let ruined = ruined();
    let (mended, changes) = apply(&ruined, &all(&ruined, Remedy::Mend)).unwrap();
    assert!(changes.len() == 5 && changes.iter().all(|((_, remedy), count)| *remedy == Remedy::Mend && *count == 1));
    for (image, good) in mended.images.iter().zip(&dataset().images) {
        let added = usize::from(image.id == 16);
        assert_eq!(image.objects.len(), 1 + added, "picture {}", image.id);
        let (object, good) = (&image.objects[0], &good.objects[0]);
        assert_eq!((object.annotation_id, object.class_index), (good.annotation_id, good.class_index));
        assert!(close(object.bbox_in_image, GOOD));
        assert_eq!(object.area, f64::from(object.bbox_in_image.area()));
    }
    let added = &mended.images[15].objects[1];
    // Labels 100 and 101 were there.
    assert_eq!((added.annotation_id, added.class_index), (102, 2));
    assert!(close(added.bbox_in_image, MISSED));
    assert_eq!(apply(&ruined, &[]).unwrap().0, ruined);
}

#[test]
fn suspects_of_another_data_set_are_refused_by_their_rank() {
    let ruined = ruined();
    let list = list(&ruined);
    let of = |kind: Kind| list.iter().find(|suspect| suspect.kind == kind).unwrap().clone();
    let cases: [(Suspect, &str); 8] = [
        (Suspect { image_id: 99, ..of(Kind::SpuriousBox) }, "no picture 99"),
        (Suspect { annotation_id: Some(999), ..of(Kind::SpuriousBox) }, "no label 999"),
        (Suspect { class: "dog".into(), ..of(Kind::SpuriousBox) }, "is another one now, a `cat`"),
        (Suspect { bbox: GOOD, ..of(Kind::SpuriousBox) }, "is another one now"),
        (Suspect { annotation_id: None, ..of(Kind::Duplicate) }, "names no label"),
        (Suspect { suggested_class: Some("cow".into()), ..of(Kind::WrongClass) }, "no class `cow`"),
        (Suspect { suggested_bbox: None, ..of(Kind::LooseBox) }, "suggests no box"),
        (Suspect { bbox: [500.0, 0.0, 600.0, 10.0], ..of(Kind::MissingBox) }, "its box is none"),
    ];
    for (suspect, expected) in cases {
        let rank = suspect.rank;
        let error = apply(&ruined, &[(suspect, Remedy::Mend)]).unwrap_err();
        assert!(matches!(error, AuditError::Unfit { rank: of, .. } if of == rank));
        assert!(error.to_string().contains(expected), "{error}");
    }
}
