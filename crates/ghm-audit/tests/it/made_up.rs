//! A data set with mistakes, and what a network that learned would say of it.

use std::path::PathBuf;

use ghm_boxes::Bbox;
use ghm_data::{Category, Dataset, ImageRecord, Object};
use ghm_eval::{BackgroundEvidence, Evidence, LabelEvidence};

pub const EPOCHS: usize = 6;

/// Epochs in which wrong labels are not known by heart yet.
pub const LEARNING: usize = 3;

/// 30 pictures of 200 by 200 with one good label each, of three classes in turn, numbered from 1.
pub fn dataset() -> Dataset {
    let image = |id: u64| ImageRecord {
        id,
        file_name: format!("{id}.jpg"),
        path: PathBuf::new(),
        labels: PathBuf::new(),
        width: 200,
        height: 200,
        objects: vec![object(id, (id % 3) as usize, GOOD)],
    };
    let categories = (1..).zip(["cat", "dog", "owl"]).map(|(id, name)| Category { id, name: name.to_owned() });
    Dataset { categories: categories.collect(), images: (1..=30).map(image).collect() }
}

pub const GOOD: [f32; 4] = [20.0, 20.0, 80.0, 80.0];

pub fn object(id: u64, class_index: usize, corners: [f32; 4]) -> Object {
    let bbox_in_image = Bbox::from_corners(corners);
    Object {
        annotation_id: id,
        record: id,
        class_index,
        bbox_in_image,
        ignored: false,
        area: f64::from(bbox_in_image.area()),
    }
}

/// What is said of a label whose truth is known: of its class and box, and how the score grows with the epochs.
pub fn said(label: &Object, truth: Option<(usize, [f32; 4])>, epoch: usize) -> LabelEvidence {
    let sure = 0.9 * epoch as f32 / EPOCHS as f32;
    // In the end the network knows wrong labels by heart, and says no more of them than of good ones.
    let by_heart = epoch > LEARNING;
    let own_box = label.bbox_in_image;
    let nothing = |class: usize| (usize::from(class == 0), 0.05);
    let (own, other, seen) = match truth {
        Some((class, bbox)) if class == label.class_index && !by_heart => {
            (sure, nothing(class), Bbox::from_corners(bbox))
        }
        Some((class, bbox)) if !by_heart => (0.02, (class, sure), Bbox::from_corners(bbox)),
        None if !by_heart => (0.02, nothing(label.class_index), own_box),
        _ => (sure, nothing(label.class_index), own_box),
    };
    LabelEvidence {
        annotation_id: label.annotation_id,
        anchors: 4,
        class_norm: 1.0 - own,
        box_norm: 0.3,
        score: own,
        other_class: other.0,
        other_score: other.1,
        iou: 0.95 * seen.iou(own_box),
        bbox: seen.corners(),
    }
}

/// The evidence of all epochs, the truth of each label and what is seen beside the labels of a picture being given.
pub fn evidence(
    dataset: &Dataset,
    truth: impl Fn(&Object) -> Option<(usize, [f32; 4])>,
    beside: impl Fn(u64, usize) -> Vec<BackgroundEvidence>,
) -> Vec<Evidence> {
    let of = |epoch: usize| dataset.images.iter().map(move |image| (image, epoch));
    (1..=EPOCHS)
        .flat_map(of)
        .map(|(image, epoch)| Evidence {
            epoch,
            step: epoch,
            image_id: image.id,
            objects: image.objects.iter().map(|object| said(object, truth(object), epoch)).collect(),
            background: beside(image.id, epoch),
        })
        .collect()
}
