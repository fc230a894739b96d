//! One list over all kinds of mistakes, the surest first.

use ghm_data::Dataset;
use serde::{Deserialize, Serialize};

use crate::calls::Calls;
use crate::summary::{LabelSummary, Summary};
use crate::suspicion::{Kind, Suspicion, Suspicions, certainty_of_class, certainty_of_other};

/// A label that is probably wrong, or an object that probably lacks one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// Its place in the list, counted from 1.
    pub rank: usize,
    /// What is wrong.
    pub kind: Kind,
    /// How much it looks so, 0 to 1.
    pub suspicion: f32,
    /// The picture.
    #[serde(deserialize_with = "id::read")]
    pub image_id: u64,
    /// Its name.
    pub file_name: String,
    /// The label; `None` for a missing one.
    #[serde(default, deserialize_with = "id::read_option")]
    pub annotation_id: Option<u64>,
    /// The label's class by name, or for a missing label the class that it should have.
    pub class: String,
    /// The label's box, or that of a missing label: `[x1, y1, x2, y2]` in pixels of the upright picture.
    pub bbox: [f32; 4],
    /// For a wrong class the class that was seen, in the end or else while it was learned.
    pub suggested_class: Option<String>,
    /// How sure that class is, or for a missing label its class, 0 to 1; `None` for the other kinds.
    #[serde(default)]
    pub class_certainty: Option<f32>,
    /// For a loose box the box that was seen.
    pub suggested_bbox: Option<[f32; 4]>,
    /// For a duplicate the label that stays.
    #[serde(default, deserialize_with = "id::read_option")]
    pub duplicate_of: Option<u64>,
    /// Why, in words.
    pub reason: String,
}

/// The list of everything that looks wrong by more than `least`: each label once, by what it looks most like, and each object without
/// one. Of equals the one that comes first in the data set is the first.
pub fn rank(summary: &Summary, suspicions: &Suspicions, dataset: &Dataset, least: f32) -> Vec<Suspect> {
    let labels = summary
        .labels
        .iter()
        .zip(&suspicions.labels)
        .map(|(label, suspicion)| of_label(label, suspicion, &suspicions.calls, dataset));
    let missing = summary.unlabelled.iter().zip(&suspicions.missing).map(|(seen, suspicion)| {
        let image = &dataset.images[seen.image];
        Suspect {
            rank: 0,
            kind: Kind::MissingBox,
            suspicion: *suspicion,
            image_id: image.id,
            file_name: image.file_name.clone(),
            annotation_id: None,
            class: dataset.categories[seen.class].name.clone(),
            bbox: seen.bbox.corners(),
            suggested_class: None,
            class_certainty: Some(certainty_of_class(seen, &suspicions.calls)),
            suggested_bbox: None,
            duplicate_of: None,
            reason: format!("seen with a mean score of {:.2}, and no label is there", seen.score),
        }
    });
    let mut all: Vec<Suspect> = labels.chain(missing).filter(|suspect| suspect.suspicion > least).collect();
    all.sort_by(|a, b| b.suspicion.total_cmp(&a.suspicion));
    for (rank, suspect) in (1..).zip(&mut all) {
        suspect.rank = rank;
    }
    all
}

fn of_label(label: &LabelSummary, suspicion: &Suspicion, calls: &Calls, dataset: &Dataset) -> Suspect {
    let image = &dataset.images[label.image];
    let object = &image.objects[label.object];
    let seen_box = label.seen_box(object.bbox_in_image);
    let name = |class: usize| dataset.categories[class].name.clone();
    let (kind, value) = most(suspicion);
    let (own, other, seen) = (label.own, label.other.1, name(label.other.0));
    let suggested = label.seen_class();
    let class = name(object.class_index);
    let reason = match kind {
        Kind::WrongClass => {
            let learning = format!("seen as `{seen}` with a mean score of {other:.2}, as `{class}` with {own:.2}");
            if suggested == label.other.0 {
                learning
            } else {
                learning + &format!("; in the end as `{}`", name(suggested))
            }
        }
        Kind::LooseBox => {
            let iou = seen_box.iou(object.bbox_in_image);
            format!("the box that is seen has an IoU of {iou:.2} with the label")
        }
        Kind::SpuriousBox => format!("little is seen of any object: mean score {:.2}", own.max(other)),
        _ => {
            format!("a second label of what another one labels: {}", image.objects[suspicion.duplicate.1].annotation_id)
        }
    };
    Suspect {
        rank: 0,
        kind,
        suspicion: value,
        image_id: image.id,
        file_name: image.file_name.clone(),
        annotation_id: Some(object.annotation_id),
        bbox: object.bbox_in_image.corners(),
        suggested_class: (kind == Kind::WrongClass).then(|| name(suggested)),
        class_certainty: (kind == Kind::WrongClass).then(|| certainty_of_other(label, calls)),
        suggested_bbox: (kind == Kind::LooseBox).then(|| seen_box.corners()),
        duplicate_of: (kind == Kind::Duplicate).then(|| image.objects[suspicion.duplicate.1].annotation_id),
        class,
        reason,
    }
}

/// What a label looks most like.
fn most(suspicion: &Suspicion) -> (Kind, f32) {
    let all = [
        (Kind::Duplicate, suspicion.duplicate.0),
        (Kind::WrongClass, suspicion.wrong_class),
        (Kind::LooseBox, suspicion.loose_box),
        (Kind::SpuriousBox, suspicion.spurious_box),
    ];
    all.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a }).unwrap_or((Kind::SpuriousBox, 0.0))
}

/// Numbers that are read as text too: what goes through a browser would lose those above 2^53.
mod id {
    use serde::de::{Deserialize, Deserializer, Error};

    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Id {
        Number(u64),
        Text(String),
    }

    impl Id {
        fn number<E: Error>(self) -> Result<u64, E> {
            match self {
                Self::Number(number) => Ok(number),
                Self::Text(text) => text.parse().map_err(|_| E::custom(format!("`{text}` is no number"))),
            }
        }
    }

    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        Id::deserialize(deserializer)?.number()
    }

    pub fn read_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        Option::<Id>::deserialize(deserializer)?.map(Id::number).transpose()
    }
}
