//! Other ways to rank labels, to be compared with.
//!
//! All of them judge labels by detections in the same pictures, but for the losses, which a run gives.

use ghm_boxes::Bbox;
use ghm_data::Dataset;

use crate::summary::Summary;
use crate::suspicion::{Kind, Suspicions};
pub use objectlab::ObjectLab;

mod objectlab;

/// Scores of every label for each kind of mistake, higher for what looks more wrong, and proposals for missing ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// One for each label that is not ignored, in the data set's order.
    pub wrong_class: Vec<f32>,
    /// The same.
    pub loose_box: Vec<f32>,
    /// The same.
    pub spurious_box: Vec<f32>,
    /// In no order.
    pub missing: Vec<Proposal>,
}

/// A box that a label may be missing for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// The picture.
    pub image_id: u64,
    /// The box.
    pub bbox: Bbox,
    /// How much it looks so.
    pub score: f32,
}

impl Scores {
    /// Those of labels for one kind; none for missing boxes and duplicates.
    pub fn of(&self, kind: Kind) -> &[f32] {
        match kind {
            Kind::WrongClass => &self.wrong_class,
            Kind::LooseBox => &self.loose_box,
            Kind::SpuriousBox => &self.spurious_box,
            Kind::MissingBox | Kind::Duplicate => &[],
        }
    }

    /// Our own.
    pub fn ours(summary: &Summary, suspicions: &Suspicions, dataset: &Dataset) -> Self {
        let of = |score: fn(&crate::Suspicion) -> f32| suspicions.labels.iter().map(score).collect();
        Self {
            wrong_class: of(|suspicion| suspicion.wrong_class),
            loose_box: of(|suspicion| suspicion.loose_box),
            spurious_box: of(|suspicion| suspicion.spurious_box),
            missing: proposals(summary, &suspicions.missing, dataset),
        }
    }

    /// By the score that detections give a label: the lower, the more wrong in every way; and for missing boxes by the score of
    /// what is about no label.
    pub fn by_score(detected: &Summary, dataset: &Dataset) -> Self {
        let labels: Vec<f32> = detected.labels.iter().map(|label| 1.0 - label.own).collect();
        let missing: Vec<f32> = detected.unlabelled.iter().map(|seen| seen.score).collect();
        Self {
            wrong_class: labels.clone(),
            loose_box: labels.clone(),
            spurious_box: labels,
            missing: proposals(detected, &missing, dataset),
        }
    }

    /// By the mean losses of a run: cross entropy for classes and labels of nothing, the norm of the box's gradient for boxes,
    /// the cross entropy of background for missing ones.
    pub fn by_loss(observed: &Summary, dataset: &Dataset) -> Self {
        let classes: Vec<f32> = observed.labels.iter().map(|label| label.cross_entropy).collect();
        let missing: Vec<f32> = observed.unlabelled.iter().map(|seen| -(1.0 - seen.score).max(1e-6).ln()).collect();
        Self {
            wrong_class: classes.clone(),
            loose_box: observed.labels.iter().map(|label| label.box_norm).collect(),
            spurious_box: classes,
            missing: proposals(observed, &missing, dataset),
        }
    }

    /// By hotcoco's rules (1.3, `image_diagnostics`): a detection of at least `least` that overlaps an undetected label of
    /// another class by an IoU of 0.5 accuses that label's class, one that overlaps no label by 0.1 misses a label, each by its
    /// score. It knows neither loose nor spurious boxes.
    pub fn by_hotcoco(detected: &Summary, dataset: &Dataset, least: f32) -> Self {
        let wrong_class = detected.labels.iter().map(|label| {
            let detected = label.own >= least;
            if !detected && label.other.1 >= least && label.iou >= 0.5 { label.other.1 } else { 0.0 }
        });
        let far = |seen: &&crate::Seen| {
            let labels = &dataset.images[seen.image].objects;
            seen.score >= least && labels.iter().all(|object| object.bbox_in_image.iou(seen.bbox) < 0.1)
        };
        let missing = detected.unlabelled.iter().filter(far).map(|seen| Proposal {
            image_id: dataset.images[seen.image].id,
            bbox: seen.bbox,
            score: seen.score,
        });
        Self {
            wrong_class: wrong_class.collect(),
            loose_box: vec![0.0; detected.labels.len()],
            spurious_box: vec![0.0; detected.labels.len()],
            missing: missing.collect(),
        }
    }
}

fn proposals(summary: &Summary, scores: &[f32], dataset: &Dataset) -> Vec<Proposal> {
    let proposal = |(seen, score): (&crate::Seen, &f32)| Proposal {
        image_id: dataset.images[seen.image].id,
        bbox: seen.bbox,
        score: *score,
    };
    summary.unlabelled.iter().zip(scores).map(proposal).collect()
}
