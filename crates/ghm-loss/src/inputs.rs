//! Checked slices of one call, handed out in chunks and blocks of fixed size.

use crate::error::{LossError, expect_length};
use crate::targets::{IGNORED, Targets};

/// Elements a task of the thread pool takes at a time. Fixed, and never a function of the number of threads: sums
/// are made a chunk at a time and joined in the order of the chunks, so they come out bit-equal on any machine.
pub(crate) const CHUNK: usize = 16 * 1024;

/// Elements that go through a kernel together: their terms (a few KiB) stay in the first-level cache.
pub(crate) const BLOCK: usize = 512;

/// The slices of one call, lengths and targets checked.
pub(crate) struct Inputs<'a> {
    values: &'a [f32],
    targets: Targets<'a>,
    weights: Option<&'a [f32]>,
    /// Where in the whole call `values` begins; `targets` and `weights` are always whole.
    start: usize,
}

/// Up to [`BLOCK`] elements. An element takes part when `weights` is absent or its weight is above 0.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    pub values: &'a [f32],
    pub targets: &'a [f32],
    pub weights: Option<&'a [f32]>,
}

/// Room for the targets and weights of a block that stand in no slice.
struct Room {
    targets: [f32; BLOCK],
    weights: [f32; BLOCK],
}

impl<'a> Inputs<'a> {
    /// Logits and what they are compared with.
    pub fn of_logits(
        logits: &'a [f32],
        targets: Targets<'a>,
        weights: Option<&'a [f32]>,
        gradient: &[f32],
    ) -> Result<Self, LossError> {
        check_others("logits", logits.len(), weights, gradient)?;
        targets.check(logits.len(), weights)?;
        Ok(Self { values: logits, targets, weights, start: 0 })
    }

    /// Predictions of real numbers and what they are compared with.
    pub fn of_predictions(
        predictions: &'a [f32],
        targets: &'a [f32],
        weights: Option<&'a [f32]>,
        gradient: &[f32],
    ) -> Result<Self, LossError> {
        check_others("predictions", predictions.len(), weights, gradient)?;
        expect_length("targets", targets.len(), "predictions", predictions.len())?;
        Ok(Self { values: predictions, targets: Targets::Dense(targets), weights, start: 0 })
    }

    /// The `index`-th chunk.
    pub fn chunk(&self, index: usize) -> Self {
        let start = index * CHUNK;
        let end = (start + CHUNK).min(self.values.len());
        Self { values: &self.values[start..end], targets: self.targets, weights: self.weights, start }
    }

    /// Calls `visit` for each block in turn, with the part of `gradient` (as long as `values`) that belongs to it.
    pub fn for_each_block(&self, gradient: &mut [f32], mut visit: impl FnMut(Block, &mut [f32])) {
        let mut room = Room { targets: [0.0; BLOCK], weights: [0.0; BLOCK] };
        let blocks = self.values.chunks(BLOCK).zip(gradient.chunks_mut(BLOCK));
        for (index, (values, gradient)) in blocks.enumerate() {
            let start = self.start + index * BLOCK;
            let weights = self.weights.map(|weights| &weights[start..start + values.len()]);
            let block = match self.targets {
                Targets::Dense(targets) => Block { values, targets: &targets[start..start + values.len()], weights },
                Targets::ClassIndex { rows, classes } => room.expand(values, rows, classes, start, weights),
            };
            visit(block, gradient);
        }
    }
}

impl Room {
    /// The one-hot targets of the elements from `start`, and weight 0 where their row is ignored.
    fn expand<'b>(
        &'b mut self,
        values: &'b [f32],
        rows: &[i32],
        classes: usize,
        start: usize,
        weights: Option<&'b [f32]>,
    ) -> Block<'b> {
        let end = start + values.len();
        let targets = &mut self.targets[..values.len()];
        targets.fill(0.0);
        let (first, last) = (start / classes, (end - 1) / classes);
        let mut any_ignored = false;
        for (row, &entry) in (first..=last).zip(&rows[first..=last]) {
            any_ignored |= entry == IGNORED;
            if let Ok(class) = usize::try_from(entry)
                && let Some(target) = (row * classes + class).checked_sub(start).and_then(|at| targets.get_mut(at))
            {
                *target = 1.0;
            }
        }
        if !any_ignored {
            return Block { values, targets, weights };
        }
        let gate = &mut self.weights[..values.len()];
        match weights {
            Some(weights) => gate.copy_from_slice(weights),
            None => gate.fill(1.0),
        }
        for row in (first..=last).filter(|&row| rows[row] == IGNORED) {
            let from = (row * classes).max(start) - start;
            let to = ((row + 1) * classes).min(end) - start;
            gate[from..to].fill(0.0);
        }
        Block { values, targets, weights: Some(gate) }
    }
}

fn check_others(name: &'static str, length: usize, weights: Option<&[f32]>, gradient: &[f32]) -> Result<(), LossError> {
    expect_length("gradient", gradient.len(), name, length)?;
    weights.map_or(Ok(()), |weights| expect_length("weights", weights.len(), name, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::BACKGROUND;

    /// Targets and weights as the blocks of all chunks give them.
    fn expanded(rows: &[i32], classes: usize, weights: Option<&[f32]>) -> (Vec<f32>, Vec<f32>) {
        let values = vec![0.0; rows.len() * classes];
        let mut gradient = values.clone();
        let inputs = Inputs::of_logits(&values, Targets::ClassIndex { rows, classes }, weights, &gradient).unwrap();
        let (mut targets, mut gates) = (Vec::new(), Vec::new());
        for (index, gradient) in gradient.chunks_mut(CHUNK).enumerate() {
            inputs.chunk(index).for_each_block(gradient, |block, _| {
                targets.extend_from_slice(block.targets);
                gates.extend((0..block.values.len()).map(|at| block.weights.map_or(1.0, |weights| weights[at])));
            });
        }
        (targets, gates)
    }

    #[test]
    fn rows_that_straddle_blocks_and_chunks_expand_to_one_hot_targets_and_closed_gates() {
        for classes in [1, 3, 80, BLOCK, BLOCK + 1, CHUNK - 1, CHUNK + 700] {
            let count = (2 * CHUNK + 900).div_ceil(classes).max(6);
            let class_at = |row: usize| (row * 37 % classes) as i32;
            let entry_of = |row: usize| [class_at(row), BACKGROUND, class_at(row), IGNORED][row % 4];
            let rows: Vec<i32> = (0..count).map(entry_of).collect();
            let weights: Vec<f32> = (0..count * classes).map(|index| (index % 3) as f32).collect();
            for given in [None, Some(weights.as_slice())] {
                let (targets, gates) = expanded(&rows, classes, given);
                for (index, (&target, &gate)) in targets.iter().zip(&gates).enumerate() {
                    let (entry, class) = (rows[index / classes], (index % classes) as i32);
                    let weight = given.map_or(1.0, |weights| weights[index]);
                    assert_eq!(target, if entry == class { 1.0 } else { 0.0 }, "element {index} of {classes} classes");
                    assert_eq!(
                        gate,
                        if entry == IGNORED { 0.0 } else { weight },
                        "element {index} of {classes} classes"
                    );
                }
                assert_eq!(targets.len(), rows.len() * classes);
            }
        }
    }
}
