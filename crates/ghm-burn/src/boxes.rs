//! What offsets say of boxes: how good they are, and losses of the boxes they make.
//!
//! IoU and GIoU stay the same when both boxes are moved and scaled along each axis. So the boxes of an offset and of its target can be
//! made of any anchor: here of a square of side 1.

use burn::tensor::Tensor;
use ghm_boxes::{Bbox, DeltaCoder};
use ghm_loss::{Examples, IGNORED, LossConfig, LossError, Output, Reduction, Targets};

use crate::attach::attach;
use crate::criterion::BatchTargets;
use crate::host::Floats;
use crate::levels::{Goal, rows_of};

const ANCHOR: Bbox = Bbox { x1: -0.5, y1: -0.5, x2: 0.5, y2: 0.5 };

/// What a loss of qualities compares logits of `classes` classes with: the class that a row is of has the quality of its box as target,
/// all others 0.
pub(crate) fn quality_goal(
    targets: &BatchTargets,
    classes: usize,
    deltas: &[Tensor<3>],
    coder: &DeltaCoder,
) -> Result<Goal<'static>, LossError> {
    let qualities = qualities(deltas, targets.deltas, targets.delta_weights, coder);
    let mut dense = vec![0.0; qualities.len() * classes];
    for (row, (&value, quality)) in targets.classes.iter().zip(qualities).enumerate() {
        let Ok(class) = usize::try_from(value) else { continue };
        if class >= classes {
            return Err(LossError::ClassIndex { row, value, classes });
        }
        dense[row * classes + class] = quality;
    }
    let gate = |class: &i32| std::iter::repeat_n(if *class == IGNORED { 0.0 } else { 1.0 }, classes);
    let gates: Vec<f32> = targets.classes.iter().flat_map(gate).collect();
    Ok(Goal::Dense { targets: dense.into(), gates: gates.into(), width: classes })
}

/// The IoU of each row's box with its target, `[rows]`; 0 where a row has none.
fn qualities(deltas: &[Tensor<3>], targets: &[f32], gates: &[f32], coder: &DeltaCoder) -> Vec<f32> {
    let mut qualities = vec![0.0; targets.len() / 4];
    for (tensor, rows) in deltas.iter().zip(rows_of(deltas)) {
        let values = Floats::of(tensor);
        for (row, delta) in rows.clone().zip(fours(values.as_slice())) {
            if is_positive(gates, row) {
                let [predicted, target] = [*delta, four(targets, row)].map(|d| coder.box_from_delta(ANCHOR, d));
                qualities[row] = predicted.iou(target).max(0.0); // of a NaN 0: that it is one the box's own loss says
            }
        }
    }
    qualities
}

/// The sum of a loss of boxes, times `scale`, and the tensors that carry its gradient.
pub(crate) fn run(
    loss: &LossConfig,
    deltas: &[Tensor<3>],
    (targets, gates): (&[f32], &[f32]),
    coder: &DeltaCoder,
    scale: f32,
) -> Result<(Vec<Tensor<1>>, f64), LossError> {
    let (mut parts, mut sum) = (Vec::with_capacity(deltas.len()), 0.0);
    for (tensor, rows) in deltas.iter().zip(rows_of(deltas)) {
        let values = Floats::of(tensor);
        let positives: Vec<(usize, [f32; 4])> = rows
            .clone()
            .zip(fours(values.as_slice()))
            .filter(|(row, _)| is_positive(gates, *row))
            .map(|(row, delta)| (row, *delta))
            .collect();
        let corners = |delta| {
            let Bbox { x1, y1, x2, y2 } = coder.box_from_delta(ANCHOR, delta);
            [x1, y1, x2, y2]
        };
        let predicted: Vec<f32> = positives.iter().flat_map(|(_, delta)| corners(*delta)).collect();
        let wanted: Vec<f32> = positives.iter().flat_map(|(row, _)| corners(four(targets, *row))).collect();
        let mut slopes = vec![0.0; predicted.len()];
        let examples = Examples::new(&predicted[..], Targets::Dense(&wanted));
        let value = loss.forward(&examples, None, Output::to(&mut slopes).reduced(Reduction::Sum).scaled(scale))?;
        let mut gradient = vec![0.0; values.as_slice().len()];
        for ((row, delta), slope) in positives.iter().zip(fours(&slopes)) {
            let place = 4 * (row - rows.start);
            gradient[place..place + 4].copy_from_slice(&coder.slope_from_corners(ANCHOR, *delta, *slope));
        }
        parts.push(attach(tensor.clone().cast(burn::tensor::FloatDType::F32), &[value], gradient));
        sum += value;
    }
    Ok((parts, sum))
}

fn fours(values: &[f32]) -> impl Iterator<Item = &[f32; 4]> {
    values.as_chunks().0.iter()
}

fn four(values: &[f32], row: usize) -> [f32; 4] {
    std::array::from_fn(|i| values[4 * row + i])
}

fn is_positive(gates: &[f32], row: usize) -> bool {
    gates[4 * row] > 0.0
}
