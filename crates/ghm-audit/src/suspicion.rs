//! For every label how much it looks like each kind of mistake, 0 to 1.
//!
//! All is relative to the other labels at the same time: a network that is sure of nothing has low scores for good labels too, and
//! an early epoch has lower ones than a late one. Of each epoch (detections are one) and label there are the scores `own` of its
//! class and `other` of the class that is seen most beside it, its objectness `t = max(own, other)`, and the IoU `i` with the box
//! that is seen. `T` is the epoch's median of `t`, `T_s` that of labels of about the same size, `I` and `I_75` are the median and the
//! upper quartile of `i`. With `u = min(1, t / T)`, means over epochs:
//!
//! | kind | evidence `x` | even odds at | width |
//! |---|---|---|---|
//! | wrong class | `ln sqrt(mean of r^2)`, with `r = (other + T / 10) / (own + T / 10)` | 0.6 | 0.2 |
//! | loose box | `mean of u (I - i) / mean of I_75 - I`, where `I - i` is at least 0 and at most `I - 0.4` | 1.2 | 0.2 |
//! | spurious box | `(1 - l) * mean of 1 - min(1, t / T_s)`, with the suspicion `l` of a loose box, 0 of detections | 0.36 | 0.075 |
//! | missing box | `score / B` of what was seen, `B` the median of the labels' mean best score | 1.05; 0.7 of detections | 0.15 |
//! | duplicate | IoU of two labels of one class, for the less sure one | 0.75 | 0.05 |
//!
//! The suspicion is `1 / (1 + exp(-(x - even) / width))`, for a loose box times 1 minus that of a duplicate. The squares weigh the
//! epochs in which the network saw another class more than those in which it has learned the wrong one by heart.
//! Even odds and widths are about those at which half of the labels were wrong, and how fast that grew, on synthetic scenes and on
//! photos of cards, with a fifth of all labels wrong in each of four ways (seed 0).

use std::collections::BTreeMap;

use ghm_boxes::Bbox;
use ghm_data::Dataset;
use serde::{Deserialize, Serialize};

use crate::summary::{LabelSummary, Look, Origin, Seen, Summary};

/// IoU at which a box is as loose as can be told: below it no anchor of the label sees its object any more.
const LOOSEST: f32 = 0.4;

/// A score that is this share of the usual counts as nothing.
const LITTLE: f32 = 0.1;

/// A spread of IoUs below which no network is trusted.
const LEAST_SPREAD: f32 = 0.02;

/// Labels of about one size, at least, and into how many sizes they are sorted, at most.
const OF_ONE_SIZE: usize = 20;
const SIZES: usize = 10;

/// How evidence becomes a suspicion.
struct Odds {
    even: f32,
    width: f32,
}

const WRONG_CLASS: Odds = Odds { even: 0.6, width: 0.2 };
const LOOSE_BOX: Odds = Odds { even: 1.2, width: 0.2 };
const SPURIOUS_BOX: Odds = Odds { even: 0.36, width: 0.075 };
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
    let sizes = sizes(summary, dataset);
    let usual = usual(summary, &sizes);
    let duplicates = duplicates(summary, dataset);
    let of_label = |((label, duplicate), size): ((&LabelSummary, (f32, usize)), &usize)| {
        if label.looks.is_empty() {
            return Suspicion { wrong_class: 0.0, loose_box: 0.0, spurious_box: 0.0, duplicate };
        }
        let [wrong_class, loose_box, spurious_box] = evidence(label, *size, &usual);
        // A second label is no better for a better box.
        let loose_box = (1.0 - duplicate.0) * LOOSE_BOX.of(loose_box);
        // Anchors that answer for a loose box see little of its object. A detection is about a label or it is not.
        let spurious_box = match summary.origin {
            Origin::Learning => (1.0 - loose_box) * spurious_box,
            Origin::Detections => spurious_box,
        };
        Suspicion {
            wrong_class: WRONG_CLASS.of(wrong_class),
            loose_box,
            spurious_box: SPURIOUS_BOX.of(spurious_box),
            duplicate,
        }
    };
    let missing = match summary.origin {
        Origin::Learning => MISSING_LEARNING,
        Origin::Detections => MISSING_DETECTED,
    };
    let spoken = summary.labels.iter().filter(|label| !label.looks.is_empty() && label.objectness() > 0.0);
    let best = quantile(spoken.map(|label| label.best.max(label.objectness())).collect(), 0.5).max(f32::MIN_POSITIVE);
    Suspicions {
        labels: summary.labels.iter().zip(duplicates).zip(&sizes).map(of_label).collect(),
        missing: summary.unlabelled.iter().map(|seen: &Seen| missing.of(seen.score / best)).collect(),
    }
}

/// What is usual in an epoch.
struct Usual {
    objectness: f32,
    /// Of each size.
    of_size: Vec<f32>,
    iou: f32,
    /// How far the upper quartile of IoUs is above their median.
    spread: f32,
}

/// What is usual in each epoch, among labels that something speaks of; `sizes` are those of the labels.
fn usual(summary: &Summary, sizes: &[usize]) -> BTreeMap<usize, Usual> {
    let mut looks: BTreeMap<usize, Vec<(usize, Look)>> = BTreeMap::new();
    for (label, size) in summary.labels.iter().zip(sizes) {
        for look in label.looks.iter().filter(|look| look.objectness() > 0.0) {
            looks.entry(look.epoch).or_default().push((*size, *look));
        }
    }
    let count = sizes.iter().max().map_or(0, |most| most + 1);
    let of_epoch = |(epoch, looks): (usize, Vec<(usize, Look)>)| {
        let middle = |wanted: &dyn Fn(usize) -> bool| {
            let wanted = looks.iter().filter(|(size, _)| wanted(*size));
            quantile(wanted.map(|(_, look)| look.objectness()).collect(), 0.5).max(f32::MIN_POSITIVE)
        };
        let ious: Vec<f32> = looks.iter().map(|(_, look)| look.iou).collect();
        let iou = quantile(ious.clone(), 0.5);
        let usual = Usual {
            objectness: middle(&|_| true),
            of_size: (0..count).map(|wanted| middle(&|size| size == wanted)).collect(),
            iou,
            spread: (quantile(ious, 0.75) - iou).max(LEAST_SPREAD),
        };
        (epoch, usual)
    };
    looks.into_iter().map(of_epoch).collect()
}

/// What speaks for a wrong class, a loose and a spurious box.
fn evidence(label: &LabelSummary, size: usize, usual: &BTreeMap<usize, Usual>) -> [f32; 3] {
    let (mut ratio, mut loose, mut spread, mut absent, mut looks) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for look in &label.looks {
        let Some(usual) = usual.get(&look.epoch) else { continue };
        let t = look.objectness();
        looks += 1.0;
        let little = LITTLE * usual.objectness;
        ratio += ((look.other + little) / (look.own + little)).powi(2);
        loose += (t / usual.objectness).min(1.0) * (usual.iou - look.iou.max(LOOSEST)).max(0.0);
        spread += usual.spread;
        absent += 1.0 - (t / usual.of_size[size]).min(1.0);
    }
    if looks == 0.0 {
        // Nothing was seen of any label.
        return [0.0, 0.0, 1.0];
    }
    [0.5 * f32::ln(ratio / looks), loose / spread, absent / looks]
}

/// Into which of several sizes each label falls.
fn sizes(summary: &Summary, dataset: &Dataset) -> Vec<usize> {
    let area = |index: &usize| {
        let label = &summary.labels[*index];
        dataset.images[label.image].objects[label.object].bbox_in_image.area()
    };
    let mut by_size: Vec<usize> =
        (0..summary.labels.len()).filter(|index| !summary.labels[*index].looks.is_empty()).collect();
    by_size.sort_by(|a, b| area(a).total_cmp(&area(b)));
    let count = (by_size.len() / OF_ONE_SIZE).clamp(1, SIZES);
    let mut sizes = vec![0; summary.labels.len()];
    for (size, labels) in by_size.chunks(by_size.len().div_ceil(count).max(1)).enumerate() {
        labels.iter().for_each(|index| sizes[*index] = size);
    }
    sizes
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

/// The value below which this share of the values lies; 0 of nothing.
fn quantile(mut values: Vec<f32>, share: f32) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let place = share * values.len().saturating_sub(1) as f32;
    values.get(place as usize).copied().unwrap_or(0.0)
}
