//! For every label how much it looks like each kind of mistake, 0 to 1.
//!
//! All is relative to the data set at hand: a network that is sure of nothing has low scores for good labels too. With `own` and
//! `other` the mean scores of a label's class and of the class seen instead, a label's objectness is `t = max(own, other)`; `T` is
//! its median over all labels, `T_s` over labels of about the same size, `I` the median IoU of label and seen box, and `B` the median
//! of the labels' mean best score:
//!
//! | kind | evidence `x` | even odds at | width |
//! |---|---|---|---|
//! | wrong class | `min(1, t / T) * other / (own + other)` | 0.62 | 0.05 |
//! | spurious box | `1 - min(1, t / T_s)` | 0.42 | 0.07 |
//! | loose box | `min(1, t / T) * (I - IoU) / (I - 0.4)`, at most 1, at least 0 | 0.35 | 0.06 |
//! | missing box | `score / B` of what was seen | 1.05; 0.7 of detections | 0.15 |
//! | duplicate | IoU of two labels of one class, for the less sure one | 0.75 | 0.05 |
//!
//! The suspicion is `1 / (1 + exp(-(x - even) / width))`. Even odds and widths of all but duplicates are those at which half of the labels
//! were wrong, and how fast that grew, on synthetic scenes with a fifth of all labels wrong in each of four ways (seed 0).

use ghm_boxes::Bbox;
use ghm_data::Dataset;
use serde::{Deserialize, Serialize};

use crate::summary::{LabelSummary, Origin, Seen, Summary};

/// IoU at which a box is as loose as can be told: below it no anchor of the label sees its object any more.
const LOOSEST: f32 = 0.4;

/// Labels of about one size, at least, and into how many sizes they are sorted, at most.
const OF_ONE_SIZE: usize = 20;
const SIZES: usize = 10;

/// How evidence becomes a suspicion.
struct Odds {
    even: f32,
    width: f32,
}

const WRONG_CLASS: Odds = Odds { even: 0.62, width: 0.05 };
const SPURIOUS_BOX: Odds = Odds { even: 0.42, width: 0.07 };
const LOOSE_BOX: Odds = Odds { even: 0.35, width: 0.06 };
const MISSING_LEARNING: Odds = Odds { even: 1.05, width: 0.15 };
const MISSING_DETECTED: Odds = Odds { even: 0.7, width: 0.15 };
const DUPLICATE: Odds = Odds { even: 0.75, width: 0.05 };

impl Odds {
    fn of(&self, evidence: f32) -> f32 {
        1.0 / (1.0 + (-(evidence - self.even) / self.width).exp())
    }
}

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

/// How much each label of a summary looks wrong, and each object without one like a missing box. Of labels that were never looked at
/// only duplicates are known.
pub fn suspicions(summary: &Summary, dataset: &Dataset) -> Suspicions {
    // Labels that nothing speaks of say nothing of the others.
    let looked = || summary.labels.iter().filter(|label| label.looks > 0 && label.objectness() > 0.0);
    let objectness = median(looked().map(LabelSummary::objectness)).max(f32::MIN_POSITIVE);
    let iou = median(looked().map(|label| label.iou));
    let best = median(looked().map(|label| label.best.max(label.objectness()))).max(f32::MIN_POSITIVE);
    let duplicates = duplicates(summary, dataset);
    let of_size = of_size(summary, dataset);
    let of_label = |((label, duplicate), of_size): ((&LabelSummary, (f32, usize)), f32)| {
        if label.looks == 0 {
            return Suspicion { wrong_class: 0.0, loose_box: 0.0, spurious_box: 0.0, duplicate };
        }
        let u = (label.objectness() / objectness).min(1.0);
        let both = (label.own + label.other.1).max(f32::MIN_POSITIVE);
        let loose = (iou - label.iou) / (iou - LOOSEST).max(f32::MIN_POSITIVE);
        Suspicion {
            wrong_class: WRONG_CLASS.of(u * label.other.1 / both),
            loose_box: LOOSE_BOX.of(u * loose.clamp(0.0, 1.0)),
            spurious_box: SPURIOUS_BOX.of(1.0 - (label.objectness() / of_size).min(1.0)),
            duplicate,
        }
    };
    let missing = match summary.origin {
        Origin::Learning => MISSING_LEARNING,
        Origin::Detections => MISSING_DETECTED,
    };
    Suspicions {
        labels: summary.labels.iter().zip(duplicates).zip(of_size).map(of_label).collect(),
        missing: summary.unlabelled.iter().map(|seen: &Seen| missing.of(seen.score / best)).collect(),
    }
}

/// Of each label the median objectness of labels of about its size, which small ones have less of.
fn of_size(summary: &Summary, dataset: &Dataset) -> Vec<f32> {
    let area = |index: &usize| {
        let label = &summary.labels[*index];
        dataset.images[label.image].objects[label.object].bbox_in_image.area()
    };
    let speaks = |index: &usize| summary.labels[*index].looks > 0 && summary.labels[*index].objectness() > 0.0;
    let mut by_size: Vec<usize> = (0..summary.labels.len()).filter(speaks).collect();
    by_size.sort_by(|a, b| area(a).total_cmp(&area(b)));
    let sizes = (by_size.len() / OF_ONE_SIZE).clamp(1, SIZES);
    let mut of_size = vec![f32::MIN_POSITIVE; summary.labels.len()];
    for of_one_size in by_size.chunks(by_size.len().div_ceil(sizes).max(1)) {
        let median = median(of_one_size.iter().map(|index| summary.labels[*index].objectness()));
        of_one_size.iter().for_each(|index| of_size[*index] = median.max(f32::MIN_POSITIVE));
    }
    of_size
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
                let iou = a.iou(b);
                if iou <= 0.0 || object(first).class_index != object(second).class_index {
                    continue;
                }
                // The less sure one is too many; of equals the later.
                let (good, bad) = if first.own < second.own { (later, earlier) } else { (earlier, later) };
                let suspicion = DUPLICATE.of(iou);
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
