//! For every label how much it looks like each kind of mistake, 0 to 1.
//!
//! All is relative to the data set at hand: a network that is sure of nothing has low scores for good labels too. With `own` and
//! `other` the mean scores of a label's class and of the class seen instead, the objectness `t = max(own, other)` and its
//! median `T` over all labels, the relative objectness is `u = min(1, t / T)`; with the mean IoU of label and seen box and its median
//! `I`:
//!
//! | kind | suspicion |
//! |---|---|
//! | wrong class | `u * other / (own + other)` |
//! | spurious box | `1 - u` |
//! | loose box | `u * (I - IoU) / (I - 0.4)`, at most 1, at least 0 |
//! | missing box | `score / T`, at most 1 |
//! | duplicate | `(IoU - 0.6) / 0.3`, at most 1, for the less sure one of two labels of one class |

use ghm_boxes::Bbox;
use ghm_data::Dataset;
use serde::{Deserialize, Serialize};

use crate::summary::{LabelSummary, Seen, Summary};

/// IoU at which a box is as loose as can be told: below it no anchor of the label sees its object any more.
const LOOSEST: f32 = 0.4;

/// IoU from which two labels of one class look like one object, and at which they surely do.
const ALIKE: f32 = 0.6;
const ONE: f32 = 0.9;

/// What can be wrong with a label, or with its absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An object of another class.
    WrongClass,
    /// A box that is not the object's.
    LooseBox,
    /// An object without a label.
    MissingBox,
    /// A label without an object.
    SpuriousBox,
    /// A second label of one object.
    Duplicate,
}

/// How much a label looks like each kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspicion {
    /// Of another class.
    pub wrong_class: f32,
    /// A loose box.
    pub loose_box: f32,
    /// About nothing.
    pub spurious_box: f32,
    /// A second label, and of which (an index into the picture's objects).
    pub duplicate: (f32, usize),
}

/// The suspicions of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspicions {
    /// One for each of [`Summary::labels`].
    pub labels: Vec<Suspicion>,
    /// One for each of [`Summary::unlabelled`]: a missing box.
    pub missing: Vec<f32>,
}

/// How much each label of a summary looks wrong, and each object without one like a missing box.
pub fn suspicions(summary: &Summary, dataset: &Dataset) -> Suspicions {
    let looked: Vec<&LabelSummary> = summary.labels.iter().filter(|label| label.looks > 0).collect();
    let objectness = median(looked.iter().map(|label| label.objectness())).max(f32::MIN_POSITIVE);
    let iou = median(looked.iter().map(|label| label.iou));
    let duplicates = duplicates(summary, dataset);
    let of_label = |(label, duplicate): (&LabelSummary, (f32, usize))| {
        let u = (label.objectness() / objectness).min(1.0);
        let both = (label.own + label.other.1).max(f32::MIN_POSITIVE);
        let loose = (iou - label.iou) / (iou - LOOSEST).max(f32::MIN_POSITIVE);
        if label.looks == 0 {
            return Suspicion { wrong_class: 0.0, loose_box: 0.0, spurious_box: 0.0, duplicate };
        }
        Suspicion {
            wrong_class: u * label.other.1 / both,
            loose_box: u * loose.clamp(0.0, 1.0),
            spurious_box: 1.0 - u,
            duplicate,
        }
    };
    Suspicions {
        labels: summary.labels.iter().zip(duplicates).map(of_label).collect(),
        missing: summary.unlabelled.iter().map(|seen: &Seen| (seen.score / objectness).min(1.0)).collect(),
    }
}

/// Of each label how much it looks like a second label of an object, and which is the first.
fn duplicates(summary: &Summary, dataset: &Dataset) -> Vec<(f32, usize)> {
    let mut found: Vec<(f32, usize)> = summary.labels.iter().map(|label| (0.0, label.object)).collect();
    let object = |label: &LabelSummary| &dataset.images[label.image].objects[label.object];
    let mut start = 0;
    for of_picture in summary.labels.chunk_by(|a, b| a.image == b.image) {
        for (later, second) in of_picture.iter().enumerate() {
            for (earlier, first) in of_picture[..later].iter().enumerate() {
                let (a, b): (Bbox, Bbox) = (object(first).bbox_in_image, object(second).bbox_in_image);
                let suspicion = ((a.iou(b) - ALIKE) / (ONE - ALIKE)).clamp(0.0, 1.0);
                if suspicion == 0.0 || object(first).class_index != object(second).class_index {
                    continue;
                }
                // The less sure one is too many; of equals the later.
                let (good, bad) = if first.own < second.own { (later, earlier) } else { (earlier, later) };
                if suspicion > found[start + bad].0 {
                    found[start + bad] = (suspicion, of_picture[good].object);
                }
            }
        }
        start += of_picture.len();
    }
    found
}

/// The lower median; 0 of nothing.
fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_unstable_by(f32::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or(0.0)
}
