//! What each anchor of a batch is trained on.

use ghm_boxes::{Bbox, Label, match_anchors};
use ghm_loss::{BACKGROUND, IGNORED};
use rayon::prelude::*;

use crate::config::ModelConfig;

/// The labelled objects of one picture of a batch, in input pixels.
#[derive(Clone, Copy, Debug)]
pub struct ImageTruth<'a> {
    /// `[G]`, proper boxes.
    pub bboxes_in_input: &'a [Bbox],
    /// `[G]`, `0..C`.
    pub class_indices: &'a [usize],
    /// Crowd and difficult boxes.
    pub ignored_in_input: &'a [Bbox],
    /// Width and height of the picture before padding.
    pub content_size: (usize, usize),
}

/// Targets of a batch: rows run over levels, in a level over pictures, in a picture over anchors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// A row's class index, [`BACKGROUND`] or [`IGNORED`], as [`ghm_loss::Targets::ClassIndex`] has them.
    pub classes: Vec<i32>,
    /// `[rows, 4]`: the offsets of a positive row, zeros elsewhere.
    pub deltas: Vec<f32>,
    /// `[rows, 4]`: 1 in positive rows, 0 elsewhere.
    pub delta_weights: Vec<f32>,
    /// Rows of each level.
    pub level_rows: Vec<usize>,
    /// The positive rows, level by level.
    pub positives: Vec<Positive>,
}

/// A row and the object that it answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positive {
    /// The row.
    pub row: usize,
    /// The picture of the batch.
    pub picture: usize,
    /// Its object, `0..G`.
    pub object: usize,
}

/// Assigns every anchor of a batch whose levels have `maps` rows and columns.
///
/// Background anchors of cells beyond a picture's own content are left out: they look at padding.
pub fn assign(config: &ModelConfig, maps: &[[usize; 2]], truths: &[ImageTruth]) -> Targets {
    let anchors = all_anchors(config, maps);
    let pictures: Vec<Picture> = truths.par_iter().map(|truth| label(config, maps, &anchors, truth)).collect();
    let mut targets = Targets::default();
    let mut start = 0;
    for [rows, columns] in maps {
        let rows = start..start + rows * columns * config.anchors.per_cell();
        for (index, picture) in pictures.iter().enumerate() {
            let first = targets.classes.len();
            let of_level = picture.matches.iter().filter(|(row, _)| rows.contains(row));
            let positive =
                |&(row, object): &(usize, usize)| Positive { row: first + row - rows.start, picture: index, object };
            targets.positives.extend(of_level.map(positive));
            targets.classes.extend_from_slice(&picture.classes[rows.clone()]);
            targets.deltas.extend(picture.deltas[rows.clone()].iter().flatten());
            let weight = |class: &i32| [if *class >= 0 { 1.0 } else { 0.0 }; 4];
            targets.delta_weights.extend(picture.classes[rows.clone()].iter().flat_map(weight));
        }
        targets.level_rows.push(rows.len() * truths.len());
        start = rows.end;
    }
    targets
}

/// The anchors that answer for each labelled object of a picture, `[G]` lists, in input pixels; those of an object that no
/// anchor reaches are none.
pub fn answering(config: &ModelConfig, maps: &[[usize; 2]], truth: &ImageTruth) -> Vec<Vec<Bbox>> {
    let anchors = all_anchors(config, maps);
    let labels = match_anchors(&anchors, truth.bboxes_in_input, truth.ignored_in_input, &config.matching);
    let mut answering = vec![Vec::new(); truth.bboxes_in_input.len()];
    for (label, anchor) in labels.into_iter().zip(anchors) {
        if let Label::Positive(object) = label {
            answering[object].push(anchor);
        }
    }
    answering
}

fn all_anchors(config: &ModelConfig, maps: &[[usize; 2]]) -> Vec<Bbox> {
    (0..maps.len()).flat_map(|level| config.anchors.level_anchors(level, maps)).collect()
}

struct Picture {
    classes: Vec<i32>,
    deltas: Vec<[f32; 4]>,
    /// Positive anchors and their objects.
    matches: Vec<(usize, usize)>,
}

fn label(config: &ModelConfig, maps: &[[usize; 2]], anchors: &[Bbox], truth: &ImageTruth) -> Picture {
    let labels = match_anchors(anchors, truth.bboxes_in_input, truth.ignored_in_input, &config.matching);
    let inside = cells_inside(config, maps, truth.content_size);
    let (classes, deltas) = (Vec::with_capacity(anchors.len()), Vec::with_capacity(anchors.len()));
    let mut picture = Picture { classes, deltas, matches: Vec::new() };
    for ((label, anchor), inside) in labels.into_iter().zip(anchors).zip(inside) {
        let (class, delta) = match label {
            Label::Positive(g) => {
                picture.matches.push((picture.classes.len(), g));
                let delta = config.coder.delta_from_box(*anchor, truth.bboxes_in_input[g]);
                (truth.class_indices[g] as i32, delta)
            }
            Label::Background if inside => (BACKGROUND, [0.0; 4]),
            _ => (IGNORED, [0.0; 4]),
        };
        picture.classes.push(class);
        picture.deltas.push(delta);
    }
    picture
}

/// For every anchor whether its cell looks at the picture rather than at padding.
fn cells_inside(config: &ModelConfig, maps: &[[usize; 2]], content: (usize, usize)) -> Vec<bool> {
    let per_cell = config.anchors.per_cell();
    let mut inside = Vec::new();
    for (level, [rows, columns]) in maps.iter().enumerate() {
        let stride = ghm_boxes::AnchorConfig::stride(level);
        let (valid_columns, valid_rows) = (content.0.div_ceil(stride), content.1.div_ceil(stride));
        for row in 0..*rows {
            for column in 0..*columns {
                let valid = row < valid_rows && column < valid_columns;
                inside.extend(std::iter::repeat_n(valid, per_cell));
            }
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghm_boxes::AnchorConfig;

    fn config() -> ModelConfig {
        let anchors = AnchorConfig { base_size: 16.0, scales: vec![1.0], ratios: vec![1.0], ..AnchorConfig::default() };
        ModelConfig { anchors, ..ModelConfig::default() }
    }

    const MAPS: [[usize; 2]; 2] = [[4, 4], [2, 2]];

    fn truth<'a>(bboxes: &'a [Bbox], classes: &'a [usize], crowds: &'a [Bbox]) -> ImageTruth<'a> {
        ImageTruth { bboxes_in_input: bboxes, class_indices: classes, ignored_in_input: crowds, content_size: (32, 32) }
    }

    #[test]
    fn the_anchor_on_an_object_learns_its_class_and_a_zero_offset() {
        let object = [Bbox::from_center(8.0, 16.0, 16.0, 16.0)];
        let targets = assign(&config(), &MAPS, &[truth(&object, &[2], &[])]);
        let row = 2 * 4 + 1; // cell (row 2, column 1) of P3
        assert_eq!(targets.classes[row], 2);
        assert_eq!(targets.deltas[row * 4..][..4], [0.0; 4]);
        assert_eq!(targets.delta_weights[row * 4..][..4], [1.0; 4]);
        assert_eq!(targets.positives.len(), targets.classes.iter().filter(|c| **c == 2).count());
    }

    #[test]
    fn rows_run_over_levels_then_pictures() {
        let object = [Bbox::from_center(16.0, 16.0, 32.0, 32.0)];
        let targets = assign(&config(), &MAPS, &[truth(&[], &[], &[]), truth(&object, &[1], &[])]);
        assert_eq!(targets.level_rows, [32, 8]);
        let p4_of_second = 32 + 4 + 3; // cell (1, 1) of P4 in the second picture
        assert_eq!(targets.classes[p4_of_second], 1);
        assert!(targets.classes[32..36].iter().all(|c| *c == BACKGROUND));
    }

    #[test]
    fn anchors_over_padding_and_crowds_are_left_out() {
        let crowd = [Bbox::new(0.0, 0.0, 12.0, 12.0)];
        let narrow = ImageTruth { content_size: (16, 32), ..truth(&[], &[], &crowd) };
        let targets = assign(&config(), &MAPS, &[narrow]);
        assert_eq!(targets.classes[4 + 1], IGNORED); // 144 of its 256 px inside the crowd
        assert_eq!(targets.classes[3], IGNORED); // column 3 starts at 24 px, beyond 16
        assert_eq!(targets.classes[4 * 3 + 1], BACKGROUND);
    }
}
