//! What is wrong in truth, where it was made wrong on purpose.

use std::collections::{HashMap, HashSet};

use ghm_boxes::Bbox;
use ghm_data::{Change, Dataset, ImageRecord, Object};

use crate::measure::Judged;
use crate::ranking::Suspect;
use crate::rival::{Proposal, Scores};
use crate::suspicion::Kind;

/// From this IoU on a proposal is the box that was dropped.
const FOUND: f32 = 0.5;

/// What is wrong with which label, and which boxes are missing.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    wrong: HashMap<u64, HashSet<Kind>>,
    /// By picture.
    dropped: HashMap<u64, Vec<Bbox>>,
}

impl Truth {
    /// By the changes that made it so.
    pub fn new(changes: &[Change]) -> Self {
        let mut truth = Self::default();
        for change in changes {
            let (annotation_id, kind) = match change {
                Change::Flip { annotation_id, .. } => (*annotation_id, Kind::WrongClass),
                Change::Shift { annotation_id, .. } => (*annotation_id, Kind::LooseBox),
                Change::Spawn { annotation_id, .. } => (*annotation_id, Kind::SpuriousBox),
                Change::Drop { image_id, bbox, .. } => {
                    let bbox = Bbox::from_xywh(bbox.map(|number| number as f32));
                    truth.dropped.entry(*image_id).or_default().push(bbox);
                    continue;
                }
            };
            truth.wrong.entry(annotation_id).or_default().insert(kind);
        }
        truth
    }

    /// Whether changes were made to a data set: whether its labels are what they made of them.
    pub fn fits(changes: &[Change], dataset: &Dataset) -> bool {
        let images: HashMap<u64, &ImageRecord> = dataset.images.iter().map(|image| (image.id, image)).collect();
        let label =
            |image_id: &u64, id: u64| images.get(image_id)?.objects.iter().find(|label| label.annotation_id == id);
        let class = |label: &Object| dataset.categories[label.class_index].name.as_str();
        let boxes = |label: &Object, bbox: &[f64; 4]| {
            let made = label.bbox_in_image.to_xywh();
            made.iter().zip(bbox).all(|(a, b)| (f64::from(*a) - b).abs() < 0.01)
        };
        changes.iter().all(|change| match change {
            Change::Drop { image_id, annotation_id, .. } => {
                images.contains_key(image_id) && label(image_id, *annotation_id).is_none()
            }
            Change::Flip { image_id, annotation_id, class: made, .. } => {
                label(image_id, *annotation_id).is_some_and(|label| class(label) == made)
            }
            Change::Shift { image_id, annotation_id, bbox, .. } => {
                label(image_id, *annotation_id).is_some_and(|label| boxes(label, bbox))
            }
            Change::Spawn { image_id, annotation_id, class: made, bbox } => {
                label(image_id, *annotation_id).is_some_and(|label| class(label) == made && boxes(label, bbox))
            }
        })
    }

    /// Labels and missing ones that are wrong.
    pub fn count(&self) -> usize {
        self.wrong.len() + self.dropped.values().map(Vec::len).sum::<usize>()
    }

    /// How well scores find the mistakes of one kind: of labels of a data set, or of proposals for missing ones.
    pub fn judge(&self, kind: Kind, scores: &Scores, dataset: &Dataset) -> Judged {
        if kind == Kind::MissingBox {
            return self.judge_missing(&scores.missing);
        }
        let labels = dataset.images.iter().flat_map(|image| &image.objects).filter(|object| !object.ignored);
        let of_kind = |annotation_id: &u64| self.wrong.get(annotation_id).is_some_and(|kinds| kinds.contains(&kind));
        Judged::new(labels.zip(scores.of(kind)).map(|(label, score)| (*score, of_kind(&label.annotation_id))), 0)
    }

    fn judge_missing(&self, proposals: &[Proposal]) -> Judged {
        let mut sorted: Vec<&Proposal> = proposals.iter().collect();
        sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut left = self.dropped.clone();
        let judged: Vec<(f32, bool)> =
            sorted.iter().map(|proposal| (proposal.score, take(&mut left, proposal.image_id, proposal.bbox))).collect();
        Judged::new(judged, left.values().map(Vec::len).sum())
    }

    /// How much of a list is wrong indeed: a label in any way, a missing box that was dropped, each once.
    pub fn judge_list(&self, list: &[Suspect]) -> Judged {
        let (mut left, mut labels) = (self.dropped.clone(), self.wrong.clone());
        let is_wrong = |suspect: &Suspect| match suspect.annotation_id {
            Some(id) => labels.remove(&id).is_some(),
            None => take(&mut left, suspect.image_id, Bbox::from_corners(suspect.bbox)),
        };
        // Scores that keep the order of the list.
        let places = (0..list.len()).map(|place| -(place as f32));
        let judged: Vec<(f32, bool)> = places.zip(list.iter().map(is_wrong)).collect();
        Judged::new(judged, labels.len() + left.values().map(Vec::len).sum::<usize>())
    }
}

/// Whether a dropped box is where a proposal is; it is found once.
fn take(left: &mut HashMap<u64, Vec<Bbox>>, image_id: u64, bbox: Bbox) -> bool {
    let Some(boxes) = left.get_mut(&image_id) else { return false };
    let best = boxes.iter().enumerate().max_by(|a, b| a.1.iou(bbox).total_cmp(&b.1.iou(bbox)));
    let found = best.filter(|(_, other)| other.iou(bbox) >= FOUND).map(|(index, _)| index);
    found.map(|index| boxes.swap_remove(index)).is_some()
}
