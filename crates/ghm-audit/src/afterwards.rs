//! What the trained network sees where its labels are.
//!
//! Of a label that was seen to lie beside its object while the network learned, the box that the trained network finds there is nearer
//! to the object than the mean of what it saw on the way: on labels that were moved to an IoU of 0.3 to 0.7 with the right box by
//! 0.06 (blood cells) and 0.10 (scenes), in IoU.

use std::collections::HashMap;

use ghm_boxes::Bbox;
use ghm_data::{Dataset, Object};

use crate::detected::{Found, Shown, by_image};
use crate::summary::{LabelSummary, Sight, Summary};

/// From this IoU with the box that was seen while the network learned, a detection is of the same object.
const SAME: f32 = 0.3;

/// A typical distance below which no network is trusted.
const LEAST_DISTANCE: f32 = 0.05;

/// Distances beyond so many typical ones say no more.
const MOST_DISTANCE: f32 = 3.0;

/// What a typical distance adds to the logarithm of the odds, and what every label has to make up for.
const WEIGHT: f32 = 2.5;
const HANDICAP: f32 = 3.0;

/// Odds of evidence count this far, as their logarithm.
const MOST_ODDS: f32 = 7.0;

impl Summary {
    /// The same, and of each label in the pictures that the trained network was shown the surest detection that is about it: near
    /// the box that was seen while it learned, and no nearer to another label of the picture.
    pub fn with_sights(mut self, shown: &Shown, dataset: &Dataset) -> Self {
        let mut found = by_image(&shown.detections, dataset);
        let of_image: HashMap<u64, Vec<Found>> =
            shown.image_ids.iter().map(|id| (*id, found.remove(id).unwrap_or_default())).collect();
        for label in &mut self.labels {
            let image = &dataset.images[label.image];
            label.sight = of_image.get(&image.id).map(|found| sight(label, &image.objects, found));
        }
        self
    }
}

fn sight(label: &LabelSummary, objects: &[Object], found: &[Found]) -> Sight {
    let own = objects[label.object].bbox_in_image;
    let others = || objects.iter().enumerate().filter(|(index, _)| *index != label.object);
    let is_about = |found: &&Found| {
        let iou = own.iou(found.bbox);
        found.bbox.iou(label.bbox) >= SAME && others().all(|(_, other)| other.bbox_in_image.iou(found.bbox) <= iou)
    };
    let surest = found.iter().filter(is_about).max_by(|a, b| a.score.total_cmp(&b.score));
    surest.map_or(Sight { score: 0.0, bbox: own }, |found| Sight { score: found.score, bbox: found.bbox })
}

/// What is typical of the labels that the trained network sees something of: medians.
pub(crate) struct Typical {
    score: f32,
    /// One less the IoU of a label with the detection about it.
    distance: f32,
}

impl Typical {
    pub fn of(summary: &Summary, dataset: &Dataset) -> Self {
        let median = |value: &dyn Fn(&LabelSummary, &Sight) -> f32| {
            let seen = summary.labels.iter().filter_map(|label| {
                label.sight.as_ref().filter(|sight| sight.score > 0.0).map(|sight| value(label, sight))
            });
            let mut values: Vec<f32> = seen.collect();
            values.sort_unstable_by(f32::total_cmp);
            values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
        };
        let own = |label: &LabelSummary| dataset.images[label.image].objects[label.object].bbox_in_image;
        Self {
            score: median(&|_, sight| sight.score).max(f32::MIN_POSITIVE),
            distance: median(&|label, sight| 1.0 - own(label).iou(sight.bbox)).max(LEAST_DISTANCE),
        }
    }

    /// How loose a label's box looks after all, of how it looked while the network learned.
    pub fn loose(&self, while_learning: f32, own: Bbox, sight: &Sight) -> f32 {
        let distance = ((1.0 - own.iou(sight.bbox)) / self.distance).min(MOST_DISTANCE);
        let there = (sight.score / self.score).min(1.0);
        let odds = (while_learning / (1.0 - while_learning)).ln().clamp(-MOST_ODDS, MOST_ODDS);
        1.0 / (1.0 + (HANDICAP - WEIGHT * there * distance - odds).exp())
    }
}
