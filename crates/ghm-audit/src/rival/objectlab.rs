//! ObjectLab (Tkachenko, Thyagarajan and Mueller 2023), by its published formulas, label by label.
//!
//! The similarity of two boxes is `0.9 IoU + 0.1 exp(-0.1 d)`, with the distance `d` of their centres in pixels. A label is
//! *badly located* as far as the most similar detection of its class, of at least the low score, is unlike it; *swapped* as far as a
//! detection of another class, of at least the high score, is like it; a detection of at least the high score is *overlooked* as far
//! as no label of its class is like it. Its quality scores are 1 minus ours; it joins them into one for a picture, which is left out.

use ghm_boxes::Bbox;
use ghm_data::{Dataset, ImageRecord};
use ghm_eval::Detection;

use super::{Proposal, Scores};
use crate::detected::{Found, by_image};

/// Share of the IoU in a similarity, and how fast the rest falls with the distance.
const IOU_SHARE: f32 = 0.9;
const FALL: f32 = 0.1;

/// Its thresholds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectLab {
    /// Least score of a detection that locates a label.
    pub low: f32,
    /// Least score of a detection that contradicts the labels.
    pub high: f32,
}

impl Default for ObjectLab {
    /// Its own: 0.5 and 0.95.
    fn default() -> Self {
        Self { low: 0.5, high: 0.95 }
    }
}

impl ObjectLab {
    /// Thresholds for a network that is never as sure as that, by the scores of the best detections of labels: a quarter of them is
    /// below the low one, half below the high one.
    pub fn freed(detected: &crate::Summary) -> Self {
        let mut scores: Vec<f32> = detected.labels.iter().map(|label| label.own.max(label.other.1)).collect();
        scores.sort_unstable_by(f32::total_cmp);
        let at = |share: f32| scores.get((share * scores.len() as f32) as usize).copied().unwrap_or(0.0);
        Self { low: at(0.25), high: at(0.5) }
    }

    /// The scores of a data set's labels; spurious boxes are those that are badly located, since it knows no such kind.
    pub fn scores(&self, detections: &[Detection], dataset: &Dataset) -> Scores {
        let of_image = by_image(detections, dataset);
        let mut scores = Scores::default();
        for image in &dataset.images {
            self.picture(image, of_image.get(&image.id).map_or(&[], Vec::as_slice), &mut scores);
        }
        scores.spurious_box.clone_from(&scores.loose_box);
        scores
    }

    fn picture(&self, image: &ImageRecord, found: &[Found], scores: &mut Scores) {
        let labels = || image.objects.iter().filter(|object| !object.ignored);
        for label in labels() {
            let like = |wanted: &dyn Fn(usize, f32) -> bool| {
                let alike = found.iter().filter(|one| wanted(one.class, one.score));
                alike.map(|one| similarity(one.bbox, label.bbox_in_image)).reduce(f32::max)
            };
            let own = like(&|class, score| class == label.class_index && score >= self.low);
            let other = like(&|class, score| class != label.class_index && score >= self.high);
            // Where no detection speaks of a label, it says nothing.
            scores.loose_box.push(own.map_or(0.0, |similarity| 1.0 - similarity));
            scores.wrong_class.push(other.unwrap_or(0.0));
        }
        for Found { class, bbox, .. } in found.iter().filter(|one| one.score >= self.high) {
            let same = labels().filter(|label| label.class_index == *class);
            let like = same.map(|label| similarity(*bbox, label.bbox_in_image)).fold(0.0, f32::max);
            scores.missing.push(Proposal { image_id: image.id, bbox: *bbox, score: 1.0 - like });
        }
    }
}

fn similarity(a: Bbox, b: Bbox) -> f32 {
    let ((ax, ay), (bx, by)) = (a.center(), b.center());
    IOU_SHARE * a.iou(b) + (1.0 - IOU_SHARE) * (-FALL * (ax - bx).hypot(ay - by)).exp()
}
