//! What a network says of each label of a batch, and where it sees objects that have none.
//!
//! Of a label speak the anchors that answer for it. The gradient norm of an output is what GHM counts: `|p - p*|` of a
//! logit, `|d| / sqrt(d^2 + mu^2)` of an offset's error `d` (Li et al. 2019, section 3).

use ghm_boxes::{Bbox, Candidate, suppress};
use ghm_loss::BACKGROUND;
use rayon::prelude::*;

use crate::config::ModelConfig;
use crate::decode::{Level, Limits, levels};
use crate::retinanet::Output;
use crate::targets::{ImageTruth, Positive, Targets};

/// Least score of a background anchor that counts as seeing something.
const LEAST_SCORE: f32 = 0.05;

/// Anchors of a level and picture that are looked at, best first, and boxes kept of a picture.
const CANDIDATES: usize = 200;
const MOST: usize = 20;

/// Background boxes of one class above this IoU are one.
const ONE: f32 = 0.5;

/// What is said of one picture, in input pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageEvidence {
    /// `[G]`: of each label.
    pub objects: Vec<ObjectEvidence>,
    /// Boxes seen by background anchors, best first; their scores are the norms of their gradients.
    pub background: Vec<Candidate>,
}

/// What is said of one label by the anchors that answer for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectEvidence {
    /// How many those are; all else is 0 or the label's own where there is none.
    pub anchors: usize,
    /// Mean gradient norm of the label's class, 0 to 1: 1 minus the mean score.
    pub class_norm: f32,
    /// Mean gradient norm of the four offsets, 0 to 1.
    pub box_norm: f32,
    /// Best score of the label's class.
    pub score: f32,
    /// The other class with the highest mean score, and that score; the label's own with 0 where there is no other.
    pub other: (usize, f32),
    /// The mean of their boxes, weighted by the square of their best score.
    pub bbox_in_input: Bbox,
    /// IoU of the label with the box of the anchor that is surest.
    pub iou: f32,
}

/// Gathers what is said of a batch whose rows have `targets`; `mu` is that of the authentic smooth L1.
///
/// # Shapes
/// `truths [N]`, as they were given to [`crate::targets::assign`]. Result: `[N]`.
pub fn gather(
    config: &ModelConfig,
    mu: f32,
    output: &Output,
    targets: &Targets,
    truths: &[ImageTruth],
) -> Vec<ImageEvidence> {
    let levels = levels(config, output);
    let mut sums: Vec<Vec<Sum>> =
        truths.iter().map(|truth| truth.bboxes_in_input.iter().map(|_| Sum::new(&levels)).collect()).collect();
    let first_rows: Vec<usize> =
        targets.level_rows.iter().scan(0, |first, rows| Some(std::mem::replace(first, *first + rows))).collect();
    for positive in &targets.positives {
        let place = place(&first_rows, &levels, positive);
        let row = Row { config, level: &levels[place.level], place };
        let truth = (
            truths[positive.picture].bboxes_in_input[positive.object],
            truths[positive.picture].class_indices[positive.object],
        );
        sums[positive.picture][positive.object].add(&row, truth, mu);
    }
    let of_picture = |(picture, (truth, sums)): (usize, (&ImageTruth, Vec<Sum>))| ImageEvidence {
        objects: sums
            .into_iter()
            .zip(truth.bboxes_in_input.iter().zip(truth.class_indices))
            .map(|(sum, (bbox, class))| sum.evidence(*bbox, *class))
            .collect(),
        background: background(config, &levels, &first_rows, targets, picture, truth),
    };
    truths.par_iter().zip(sums).enumerate().map(of_picture).collect()
}

/// Where a row lies.
#[derive(Clone, Copy)]
struct Place {
    level: usize,
    picture: usize,
    /// In its level and picture.
    anchor: usize,
}

fn place(first_rows: &[usize], levels: &[Level], positive: &Positive) -> Place {
    let level = first_rows.partition_point(|first| *first <= positive.row) - 1;
    let in_level = positive.row - first_rows[level];
    Place { level, picture: positive.picture, anchor: in_level % levels[level].count }
}

/// What one anchor says.
struct Row<'a> {
    config: &'a ModelConfig,
    level: &'a Level,
    place: Place,
}

impl Row<'_> {
    fn index(&self) -> usize {
        self.place.picture * self.level.count + self.place.anchor
    }

    fn scores(&self) -> impl Iterator<Item = f32> {
        let classes = self.level.classes;
        self.level.logits[self.index() * classes..][..classes].iter().map(|logit| score(*logit))
    }

    fn deltas(&self) -> [f32; 4] {
        std::array::from_fn(|i| self.level.deltas[self.index() * 4 + i])
    }
}

fn score(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// What the anchors of one label said so far.
#[derive(Clone)]
struct Sum {
    anchors: usize,
    /// Sum of the scores of each class.
    scores: Vec<f32>,
    box_norm: f32,
    score: f32,
    /// The best score of any class, and the box of whose anchor it is.
    surest: (f32, Bbox),
    weight: f32,
    corners: [f32; 4],
}

impl Sum {
    fn new(levels: &[Level]) -> Self {
        let classes = levels.first().map_or(0, |level| level.classes);
        Self {
            anchors: 0,
            scores: vec![0.0; classes],
            box_norm: 0.0,
            score: 0.0,
            surest: (-1.0, Bbox::new(0.0, 0.0, 0.0, 0.0)),
            weight: 0.0,
            corners: [0.0; 4],
        }
    }

    fn add(&mut self, row: &Row, (bbox, class): (Bbox, usize), mu: f32) {
        let mut best = 0.0f32;
        for (index, score) in row.scores().enumerate() {
            self.scores[index] += score;
            best = best.max(score);
            if index == class {
                self.score = self.score.max(score);
            }
        }
        let (anchor, deltas) = (row.level.anchors.at(row.place.anchor), row.deltas());
        let wanted = row.config.coder.delta_from_box(anchor, bbox);
        let norm = |d: f32| d.abs() / d.hypot(mu).max(f32::MIN_POSITIVE);
        self.box_norm += deltas.iter().zip(wanted).map(|(delta, wanted)| norm(delta - wanted)).sum::<f32>() / 4.0;
        let seen = row.config.coder.box_from_delta(anchor, deltas);
        if best > self.surest.0 {
            self.surest = (best, seen);
        }
        let weight = best * best;
        self.weight += weight;
        for (sum, corner) in self.corners.iter_mut().zip(seen.corners()) {
            *sum += weight * corner;
        }
        self.anchors += 1;
    }

    fn evidence(self, bbox: Bbox, class: usize) -> ObjectEvidence {
        if self.anchors == 0 {
            return ObjectEvidence {
                anchors: 0,
                class_norm: 0.0,
                box_norm: 0.0,
                score: 0.0,
                other: (class, 0.0),
                bbox_in_input: bbox,
                iou: 0.0,
            };
        }
        let count = self.anchors as f32;
        let others = self.scores.iter().enumerate().filter(|(index, _)| *index != class);
        let other = others.max_by(|a, b| a.1.total_cmp(b.1)).map_or((class, 0.0), |(index, sum)| (index, sum / count));
        let corners = self.corners.map(|sum| sum / self.weight.max(f32::MIN_POSITIVE));
        ObjectEvidence {
            anchors: self.anchors,
            class_norm: 1.0 - self.scores[class] / count,
            box_norm: self.box_norm / count,
            score: self.score,
            other,
            bbox_in_input: Bbox::from_corners(corners),
            iou: self.surest.1.iou(bbox),
        }
    }
}

/// Boxes that background anchors of a picture see.
fn background(
    config: &ModelConfig,
    levels: &[Level],
    first_rows: &[usize],
    targets: &Targets,
    picture: usize,
    truth: &ImageTruth,
) -> Vec<Candidate> {
    let of_level = |(level, first): (&Level, &usize)| {
        let rows = &targets.classes[first + picture * level.count..][..level.count];
        let limits = Limits { content: truth.content_size, score: LEAST_SCORE, most: CANDIDATES };
        level.candidates(config, picture, limits, |anchor| rows[anchor] == BACKGROUND)
    };
    let candidates: Vec<Vec<Candidate>> = levels.iter().zip(first_rows).map(of_level).collect();
    suppress(candidates.concat(), ONE, MOST)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};
    use ghm_boxes::AnchorConfig;

    use super::*;
    use crate::targets::assign;

    const MAPS: [[usize; 2]; 2] = [[4, 4], [2, 2]];
    const CLASSES: usize = 3;
    const PICTURES: usize = 2;

    fn config() -> ModelConfig {
        let anchors = AnchorConfig { base_size: 16.0, scales: vec![1.0], ratios: vec![1.0], ..AnchorConfig::default() };
        ModelConfig { anchors, ..ModelConfig::default() }
    }

    /// Logits of one class of one anchor of one level and picture, -4 elsewhere; and offsets.
    struct Says {
        logits: Vec<Vec<f32>>,
        deltas: Vec<Vec<f32>>,
    }

    impl Says {
        fn nothing() -> Self {
            let of =
                |width: usize, value: f32| MAPS.iter().map(|[r, c]| vec![value; PICTURES * r * c * width]).collect();
            Self { logits: of(CLASSES, -4.0), deltas: of(4, 0.0) }
        }

        fn set(&mut self, (level, picture, anchor): (usize, usize, usize), class: usize, logit: f32) {
            let count = MAPS[level][0] * MAPS[level][1];
            self.logits[level][(picture * count + anchor) * CLASSES + class] = logit;
        }

        fn output(&self) -> Output {
            let device = Device::flex();
            let tensor = |level: usize, values: &[f32], width: usize| {
                let count = MAPS[level][0] * MAPS[level][1];
                Tensor::from_data(TensorData::new(values.to_vec(), [PICTURES, count, width]), &device)
            };
            let all = |values: &[Vec<f32>], width: usize| {
                values.iter().enumerate().map(|(l, v)| tensor(l, v, width)).collect()
            };
            Output { logits: all(&self.logits, CLASSES), deltas: all(&self.deltas, 4), maps: MAPS.to_vec() }
        }
    }

    /// The second picture has an object on anchor 5 of the first level, and one on anchor 3 of the second.
    fn objects() -> [Bbox; 2] {
        [(0, 5), (1, 3)].map(|(level, index)| config().anchors.level(level, &MAPS).at(index))
    }

    fn said(says: &Says) -> Vec<ImageEvidence> {
        let objects = objects();
        let truth = |objects| ImageTruth {
            bboxes_in_input: objects,
            class_indices: &[2, 0][..],
            ignored_in_input: &[],
            content_size: (32, 32),
        };
        let truths = [ImageTruth { class_indices: &[], ..truth(&[][..]) }, truth(&objects[..])];
        let targets = assign(&config(), &MAPS, &truths);
        gather(&config(), 0.02, &says.output(), &targets, &truths)
    }

    #[test]
    fn a_label_is_spoken_of_by_the_anchors_that_answer_for_it() {
        let mut says = Says::nothing();
        says.set((0, 1, 5), 2, 3.0);
        says.set((0, 1, 5), 1, 1.0);
        says.set((1, 1, 3), 1, 2.0);
        // The same anchor of the other picture, and another one, have nothing to do with it.
        says.set((0, 0, 5), 0, 5.0);
        says.set((0, 1, 6), 0, 5.0);
        let said = said(&says);
        let [first, second] = said[1].objects[..] else { panic!("{said:?}") };
        assert_eq!((first.anchors, second.anchors), (1, 1));
        let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} {b}");
        close(first.class_norm, 1.0 - score(3.0));
        close(first.score, score(3.0));
        assert_eq!(first.other, (1, score(1.0)));
        assert_eq!((first.iou, first.box_norm, first.bbox_in_input), (1.0, 0.0, objects()[0]));
        close(second.class_norm, 1.0 - score(-4.0));
        assert_eq!(second.other, (1, score(2.0)));
        assert!(said[0].objects.is_empty());
    }

    #[test]
    fn a_box_that_the_network_puts_elsewhere_is_told_of() {
        let mut says = Says::nothing();
        says.set((0, 1, 5), 2, 3.0);
        // A quarter of the width to the right.
        says.deltas[0][(16 + 5) * 4] = 0.25 / config().coder.std[0];
        let object = said(&says)[1].objects[0];
        assert!(object.bbox_in_input.iou(objects()[0].shift(4.0, 0.0)) > 0.999_99, "{:?}", object.bbox_in_input);
        assert!((object.iou - 0.6).abs() < 1e-6, "{}", object.iou);
        // One of four offsets is far beyond mu.
        assert!((object.box_norm - 0.25).abs() < 1e-2, "{}", object.box_norm);
    }

    #[test]
    fn background_that_sees_something_is_kept_best_first_and_labels_are_no_background() {
        let mut says = Says::nothing();
        says.set((0, 1, 5), 2, 6.0);
        says.set((0, 1, 15), 1, 2.0);
        says.set((0, 1, 12), 0, 3.0);
        says.set((1, 0, 0), 0, -3.5);
        let said = said(&says);
        let seen: Vec<(usize, Bbox)> = said[1].background.iter().map(|seen| (seen.class_index, seen.bbox)).collect();
        let anchor = |index: usize| config().anchors.level(0, &MAPS).at(index).clip(32.0, 32.0);
        assert_eq!(seen, [(0, anchor(12)), (1, anchor(15))]);
        // 0.03 is too little to see anything.
        assert!(said[0].background.is_empty());
    }
}
