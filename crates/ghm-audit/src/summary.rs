//! What is known of every label after all, and of objects without one.

use std::collections::BTreeMap;

use ghm_boxes::Bbox;
use ghm_data::Dataset;

/// What is known of the labels of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// One for each object of the data set that is not ignored, picture by picture, in their order.
    pub labels: Vec<LabelSummary>,
    /// Objects that were seen where no label is, in no order.
    pub unlabelled: Vec<Seen>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a summary comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From a network that was learning these very labels, and so to see nothing where none is.
    Learning,
    /// From detections of a network that had nothing to do with them.
    Detections,
}

/// What was seen of a label at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// The epoch, from 1 on; of detections the number of the network, from 0 on. Looks are compared with others of the same one.
    pub epoch: u32,
    /// Score of its own class, 0 to 1.
    pub own: f32,
    /// Best score of its own class, 0 to 1.
    pub best: f32,
    /// Score of the other class that was seen most of, 0 to 1.
    pub other: f32,
    /// IoU with the box that was seen, 0 to 1.
    pub iou: f32,
}

/// What is known of one label.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelSummary {
    /// Its picture, as an index into the data set's.
    pub image: usize,
    /// Its object, as an index into the picture's.
    pub object: usize,
    /// Every look at it: one an epoch, or a single one for detections. Nothing else counts where there is none.
    pub looks: Vec<Look>,
    /// Mean score of its own class, 0 to 1; the mean gradient norm is 1 minus it.
    pub own: f32,
    /// Mean of the best score of its own class.
    pub best: f32,
    /// The other class that was seen most of, and its mean score.
    pub other: (usize, f32),
    /// Its share of what was seen of all other classes, 0 to 1.
    pub other_share: f32,
    /// Mean cross entropy of its own class, at least 0.
    pub cross_entropy: f32,
    /// Mean gradient norm of its box, 0 to 1; 0 where there is none.
    pub box_norm: f32,
    /// Mean IoU with the box that was seen, 0 to 1.
    pub iou: f32,
    /// The box that was seen, in pixels of the picture.
    pub bbox: Bbox,
    /// Whether it has been given the class that was seen beside its former one since.
    pub reclassed: bool,
    /// What the trained network sees of it, where it was asked.
    pub sight: Option<Sight>,
}

/// What a trained network sees of a label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sight {
    /// Its score, 0 to 1, whatever the class; 0 where nothing is seen.
    pub score: f32,
    /// Its box, in pixels of the picture; the label's own where nothing is seen.
    pub bbox: Bbox,
    /// The class but for the label's own that it sees most of at the label's box, and its share of what it sees there of all classes, 0
    /// to 1; `None` where it sees no other as surely as it usually sees labels.
    pub other: Option<(usize, f32)>,
}

/// An object that was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its picture, as an index into the data set's.
    pub image: usize,
    /// Its class.
    pub class: usize,
    /// The share of its class in what was seen there of all classes, 0 to 1.
    pub class_share: f32,
    /// Its mean score, 0 to 1, over all looks, those too in which it was not seen.
    pub score: f32,
    /// How often its picture was looked at.
    pub looks: usize,
    /// The sum of the numbers of the epochs in which it was; of detections of that of the network.
    pub epochs: u64,
    /// The looks in which it was seen, as [`Look::epoch`], and its score.
    pub scores: Vec<(u32, f32)>,
    /// Its box, in pixels of the picture.
    pub bbox: Bbox,
}

/// One less the IoU of a label with the box that is seen, from which on that is another box.
pub(crate) const MOVED: f32 = 0.15;

/// From this IoU with a label on, what was seen is that label's object.
const SAME: f32 = 0.3;

/// So much of a seen box inside a label of its class is a part of that label's object.
const PART: f32 = 0.8;

impl Look {
    /// How surely any object was seen there.
    pub fn objectness(&self) -> f32 {
        self.own.max(self.other)
    }
}

impl LabelSummary {
    /// Of a label that was never looked at: of an object of a picture, both as indices, with its class and box.
    pub fn unseen((image, object): (usize, usize), class: usize, bbox: Bbox) -> Self {
        let nothing = 0.0;
        Self {
            image,
            object,
            looks: Vec::new(),
            own: nothing,
            best: nothing,
            other: (class, nothing),
            other_share: nothing,
            cross_entropy: nothing,
            box_norm: nothing,
            iou: nothing,
            bbox,
            reclassed: false,
            sight: None,
        }
    }

    /// The box that its object has as far as is known, of a label with this box: as the trained network sees it, unless that has
    /// learned the label by heart, and else as it was seen while it learned.
    pub fn seen_box(&self, own: Bbox) -> Bbox {
        self.sight.filter(|sight| 1.0 - own.iou(sight.bbox) >= MOVED).map_or(self.bbox, |sight| sight.bbox)
    }

    /// The class that its object has, should its own be wrong: as the trained network sees it, and else the one that was seen most of
    /// while it learned.
    pub fn seen_class(&self) -> usize {
        self.sight.and_then(|sight| sight.other).map_or(self.other.0, |(class, _)| class)
    }

    /// How surely any object was seen there, after all.
    pub fn objectness(&self) -> f32 {
        self.own.max(self.other.1)
    }
}

impl Seen {
    /// Whether it is an object of some label, or a part of one.
    pub fn is_labelled(&self, dataset: &Dataset) -> bool {
        dataset.images[self.image].objects.iter().any(|object| {
            let label = object.bbox_in_image;
            let inside = self.bbox.intersection(label) / self.bbox.area().max(f32::MIN_POSITIVE);
            self.bbox.iou(label) >= SAME || ((object.class_index == self.class || object.ignored) && inside >= PART)
        })
    }
}

/// The class with the largest sum of scores, and its share of all; of equals the first class. `None` of nothing.
pub(crate) fn leading(sums: &BTreeMap<usize, f32>) -> Option<(usize, f32)> {
    let (class, sum) = sums.iter().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(a.0)))?;
    let all: f32 = sums.values().sum();
    Some((*class, if all > 0.0 { sum / all } else { 0.0 }))
}

/// The cross entropy of a positive with this score, that of 1e-6 at most.
pub(crate) fn cross_entropy(score: f32) -> f32 {
    -score.max(1e-6).ln()
}
