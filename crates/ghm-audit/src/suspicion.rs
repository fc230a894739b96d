//! For every label how much it looks like each kind of mistake, 0 to 1.
//!
//! A label is compared with the other labels in the same epoch: a network that is sure of nothing has low scores for good labels too,
//! and an early epoch has lower ones than a late one. Of each epoch (of detections: of each network) and label there are the scores
//! `own` of its class and `other` of the class that is seen most beside it, its objectness `t = max(own, other)`, and the IoU `i` with
//! the box that is seen. Of labels of which something is seen (`t > 0`) `T` is the epoch's median of `t`, `T_s` that of labels of about
//! the same size, `I` and `I_75` are the median and the upper quartile of `i`, these at least 0.05 apart, and `B` is the median of the
//! best score of the own class, or of `t` where that is more; `r = (other + T / 10) / (own + T / 10)`, and `R` is its median over labels
//! of the same class, 1 for fewer than 10. With `u = min(1, t / T)` and means over epochs:
//!
//! | kind | evidence `x` | even odds at | width |
//! |---|---|---|---|
//! | wrong class | `ln sqrt(mean of u min(3, r / sqrt(R))^2)` | 0.43 | 0.18 |
//! | loose box | `mean of u d / mean of I_75 - I`, with `d = I - i`, 0 to `I - 0.4` | 1.2 | 0.2 |
//! | the same, of detections | `u d / (I - 0.4)` | 0.35 | 0.06 |
//! | spurious box | `(1 - l) * mean of 1 - min(1, t / T_s)`, with the suspicion `l` of a loose box, 0 of detections | 0.36 | 0.075 |
//! | missing box | `mean of e s / B` over the mean of `e`, of the epochs in which its picture was looked at, with its score `s` and the epoch's number `e` (1 of detections) | 0.95; 0.7 of detections | 0.15 |
//! | duplicate | IoU of two labels of one class, for the less sure one | 0.75 | 0.05 |
//! | the class of a wrong class | share of the suggested class in the sum of scores of all other classes that were seen | 0.68 | 0.08 |
//! | the class of a missing box | the same of all classes | 0.36 | 0.06 |
//! | either, where the trained network sees that class as surely as it usually sees labels | the same of its best score for each class, the label's own too | 0.36 | 0.06 |
//!
//! The suspicion, and for the last three the certainty of the class, is `1 / (1 + exp(-(x - even) / width))`. That of a loose box is
//! multiplied by `(1 - j) / 0.15` where the label's IoU `j` with the mean of the boxes that are seen is above 0.85.
//!
//! Where the trained network was asked, and sees something of more than half of the labels, the odds of a loose box are then multiplied by
//! `exp(2.5 min(1, q / Q) min(3, d / D) - 3)`: of the detection about the label `q` is the score and `d` one less its IoU with the label,
//! `Q` and `D` are their medians, `D` at least 0.05. Before that the log odds are clamped to 7 to either side. A label whose detection is
//! typical has 0.6 times its odds afterwards, one that fits exactly, or that there is no detection about, 0.05 times.
//!
//! The suspicion of a wrong class and the certainty of any class are multiplied by `min(1, w / 0.75)`: `w` is the share of labels of that
//! class among those that the network takes for it, after all, where they are 10 at least. What a network takes everything for says nothing.
//!
//! The suspicion of a loose box is multiplied by 1 minus that of a duplicate; `l` above is what comes of all that.
//!
//! The squares weigh the epochs in which the network saw another class more than those in which it has learned the wrong one by heart; no
//! single epoch is enough.
//! Even odds and widths are about those at which half of the labels were wrong, and how fast that grew, on synthetic scenes and on
//! photos of cards, with a fifth of all labels wrong in each of four ways (seed 0).

use std::collections::BTreeMap;

use ghm_boxes::Bbox;
use ghm_data::Dataset;
use serde::{Deserialize, Serialize};

use crate::afterwards::Typical;
use crate::calls::Calls;
use crate::summary::{LabelSummary, Look, MOVED, Origin, Seen, Summary};
use crate::usual::{Alike, Usual, alike, usual};

/// IoU at which a box is as loose as can be told: below it no anchor of the label sees its object any more.
const LOOSEST: f32 = 0.4;

/// Most that the ratio of one epoch counts.
const MOST_RATIO: f32 = 3.0;

/// How evidence becomes a suspicion.
struct Odds {
    even: f32,
    width: f32,
}

const WRONG_CLASS: Odds = Odds { even: 0.43, width: 0.18 };
const LOOSE_LEARNING: Odds = Odds { even: 1.2, width: 0.2 };
const LOOSE_DETECTED: Odds = Odds { even: 0.35, width: 0.06 };
const SPURIOUS_BOX: Odds = Odds { even: 0.36, width: 0.075 };
const MISSING_LEARNING: Odds = Odds { even: 0.95, width: 0.15 };
const MISSING_DETECTED: Odds = Odds { even: 0.7, width: 0.15 };
const DUPLICATE: Odds = Odds { even: 0.75, width: 0.05 };
const CLASS_BESIDE: Odds = Odds { even: 0.68, width: 0.08 };
const CLASS_ALONE: Odds = Odds { even: 0.36, width: 0.06 };

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
    /// By which the list says how certain a suggested class is.
    pub(crate) calls: Calls,
}

/// How much each label of a summary looks wrong, and each object without one like a missing box. Of labels that were never looked at
/// only duplicates are known.
pub fn suspicions(summary: &Summary, dataset: &Dataset) -> Suspicions {
    let alike = alike(summary, dataset);
    let usual = usual(summary, &alike);
    let duplicates = duplicates(summary, dataset);
    let typical = Typical::of(summary, dataset);
    let calls = Calls::of(summary, dataset);
    let of_label = |((label, duplicate), alike): ((&LabelSummary, (f32, usize)), &Alike)| {
        let own = dataset.images[label.image].objects[label.object].bbox_in_image;
        let neighbours = Neighbours { own, duplicate, alike: *alike, usual: &usual, typical: typical.as_ref() };
        let suspicion = of_label(label, neighbours, summary.origin);
        Suspicion { wrong_class: calls.worth(label.other.0) * suspicion.wrong_class, ..suspicion }
    };
    let missing = match summary.origin {
        Origin::Learning => MISSING_LEARNING,
        Origin::Detections => MISSING_DETECTED,
    };
    // What is background to the network at first may be an object later; what it sees as one at first may be anything.
    let of_seen = |seen: &Seen| {
        let (weight, all): (fn(u32) -> f32, f32) = match summary.origin {
            Origin::Learning => (|epoch| epoch as f32, seen.epochs as f32),
            Origin::Detections => (|_| 1.0, seen.looks as f32),
        };
        let share = |(epoch, score): &(u32, f32)| usual.get(epoch).map(|usual| weight(*epoch) * score / usual.best);
        missing.of(seen.scores.iter().filter_map(share).sum::<f32>() / all.max(1.0))
    };
    Suspicions {
        labels: summary.labels.iter().zip(duplicates).zip(&alike).map(of_label).collect(),
        missing: summary.unlabelled.iter().map(of_seen).collect(),
        calls,
    }
}

/// How sure it is that a label is of [`LabelSummary::seen_class`], should its own class be wrong, 0 to 1.
pub(crate) fn certainty_of_other(label: &LabelSummary, calls: &Calls) -> f32 {
    let seen = label.sight.and_then(|sight| sight.other).map(|(_, share)| CLASS_ALONE.of(share));
    calls.worth(label.seen_class()) * seen.unwrap_or_else(|| CLASS_BESIDE.of(label.other_share))
}

/// How sure the class is of what was seen without a label, 0 to 1.
pub(crate) fn certainty_of_class(seen: &Seen, calls: &Calls) -> f32 {
    calls.worth(seen.class) * CLASS_ALONE.of(seen.class_share)
}

/// What a label is compared with.
struct Neighbours<'a> {
    /// Its own box.
    own: Bbox,
    duplicate: (f32, usize),
    alike: Alike,
    usual: &'a BTreeMap<u32, Usual>,
    typical: Option<&'a Typical>,
}

fn of_label(
    label: &LabelSummary,
    Neighbours { own, duplicate, alike, usual, typical }: Neighbours,
    origin: Origin,
) -> Suspicion {
    if label.looks.is_empty() {
        return Suspicion { wrong_class: 0.0, loose_box: 0.0, spurious_box: 0.0, duplicate };
    }
    let mut sum = Sums::default();
    for look in &label.looks {
        if let Some(usual) = usual.get(&look.epoch) {
            sum.add(look, usual, alike);
        }
    }
    let loose_box = match origin {
        Origin::Learning => LOOSE_LEARNING.of(sum.distance / sum.spread.max(f32::MIN_POSITIVE)),
        Origin::Detections => LOOSE_DETECTED.of(sum.distance / sum.most_distance.max(f32::MIN_POSITIVE)),
    };
    // Where the label would hardly move, what is seen lies now on one side of it and now on another, as where objects overlap.
    let moved = ((1.0 - own.iou(label.bbox)) / MOVED).min(1.0);
    // A second label is no better for a better box.
    let single = 1.0 - duplicate.0;
    let loose_box = moved * loose_box;
    let loose_box = match label.sight.zip(typical) {
        Some((sight, typical)) => single * typical.loose(loose_box, own, &sight),
        None => single * loose_box,
    };
    // Anchors that answer for a loose box see little of its object. A detection is about a label or it is not.
    let there = match origin {
        Origin::Learning => 1.0 - loose_box,
        Origin::Detections => 1.0,
    };
    let looks = label.looks.len() as f32;
    // That the network has learned a former class says nothing against the one that it saw beside it.
    let ratio = if label.reclassed { 0.0 } else { sum.square_ratio / looks };
    Suspicion {
        wrong_class: WRONG_CLASS.of(0.5 * f32::ln(ratio.max(f32::MIN_POSITIVE))),
        loose_box,
        spurious_box: SPURIOUS_BOX.of(there * sum.absence / looks),
        duplicate,
    }
}

/// Sums over the looks at a label.
#[derive(Default)]
struct Sums {
    square_ratio: f32,
    distance: f32,
    spread: f32,
    most_distance: f32,
    absence: f32,
}

impl Sums {
    fn add(&mut self, look: &Look, usual: &Usual, alike: Alike) {
        let objectness = look.objectness();
        let there = (objectness / usual.objectness).min(1.0);
        let ratio = (usual.ratio(look) / usual.ratio_of_class(alike).sqrt()).min(MOST_RATIO);
        self.square_ratio += there * ratio * ratio;
        self.distance += there * (usual.iou - look.iou.max(LOOSEST)).max(0.0);
        self.spread += usual.spread;
        self.most_distance += (usual.iou - LOOSEST).max(0.0);
        self.absence += 1.0 - (objectness / usual.objectness_of_size(alike)).min(1.0);
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
