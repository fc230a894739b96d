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
    /// Weight of each class `[C]`, where rows have as many elements; the weights of the elements are multiplied by them.
    class_weights: Option<&'a [f32]>,
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
        Ok(Self { values: logits, targets, weights, class_weights: None, start: 0 })
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
        Ok(Self { values: predictions, targets: Targets::Dense(targets), weights, class_weights: None, start: 0 })
    }

    /// The same with the weight of every element times that of its class; a row has as many logits as there are class
    /// weights.
    pub fn with_class_weights(self, class_weights: Option<&'a [f32]>) -> Result<Self, LossError> {
        if let Some(class_weights) = class_weights {
            check_class_weights(class_weights, self.targets, self.values.len())?;
        }
        Ok(Self { class_weights, ..self })
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The `index`-th chunk.
    pub fn chunk(&self, index: usize) -> Self {
        let start = index * CHUNK;
        let end = (start + CHUNK).min(self.values.len());
        Self { values: &self.values[start..end], start, ..*self }
    }

    /// Calls `visit` for each block in turn, with the part of `gradient` (as long as `values`) that belongs to it.
    pub fn for_each_block(&self, gradient: &mut [f32], mut visit: impl FnMut(Block, &mut [f32])) {
        let mut room = Room { targets: [0.0; BLOCK], weights: [0.0; BLOCK] };
        let mut products = [0.0; BLOCK];
        let blocks = self.values.chunks(BLOCK).zip(gradient.chunks_mut(BLOCK));
        for (index, (values, gradient)) in blocks.enumerate() {
            let start = self.start + index * BLOCK;
            let weights = self.weights.map(|weights| &weights[start..start + values.len()]);
            let block = match self.targets {
                Targets::Dense(targets) => Block { values, targets: &targets[start..start + values.len()], weights },
                Targets::ClassIndex { rows, classes } => room.expand(values, rows, classes, start, weights),
            };
            let block = match self.class_weights {
                None => block,
                Some(class_weights) => multiplied(block, class_weights, start, &mut products[..values.len()]),
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

/// The block with its weights, or 1, times those of the classes. It begins with element `start` of rows as long as
/// `class_weights`.
fn multiplied<'b>(block: Block<'b>, class_weights: &[f32], start: usize, products: &'b mut [f32]) -> Block<'b> {
    let mut class = start % class_weights.len();
    let mut rest = &mut *products;
    while !rest.is_empty() {
        let count = rest.len().min(class_weights.len() - class);
        let (row, after) = rest.split_at_mut(count);
        row.copy_from_slice(&class_weights[class..class + count]);
        (rest, class) = (after, 0);
    }
    if let Some(weights) = block.weights {
        products.iter_mut().zip(weights).for_each(|(product, weight)| *product *= weight);
    }
    Block { weights: Some(products), ..block }
}

fn check_class_weights(class_weights: &[f32], targets: Targets, logits: usize) -> Result<(), LossError> {
    let count = class_weights.len();
    match targets {
        Targets::ClassIndex { classes, .. } => {
            expect_length("class_weights", count, "the classes of the targets", classes)?;
        }
        Targets::Dense(_) if count > 0 && logits.is_multiple_of(count) => {}
        Targets::Dense(_) => return Err(LossError::ClassWeights { classes: count, logits }),
    }
    match class_weights.iter().position(|weight| !(0.0..f32::INFINITY).contains(weight)) {
        Some(class) => Err(LossError::ClassWeight { class, value: class_weights[class] }),
        None => Ok(()),
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

    #[test]
    fn class_weights_multiply_the_weights_of_their_columns_in_every_block_and_chunk() {
        for classes in [1, 3, 80, BLOCK, BLOCK + 1, CHUNK + 700] {
            let rows = vec![BACKGROUND; (2 * CHUNK + 900).div_ceil(classes)];
            let values = vec![0.0; rows.len() * classes];
            let weights: Vec<f32> = (0..values.len()).map(|index| (index % 3) as f32 - 1.0).collect();
            let class_weights: Vec<f32> = (0..classes).map(|class| (class % 5) as f32).collect();
            for given in [None, Some(weights.as_slice())] {
                let mut found = values.clone();
                let inputs = Inputs::of_logits(&values, Targets::ClassIndex { rows: &rows, classes }, given, &found)
                    .and_then(|inputs| inputs.with_class_weights(Some(&class_weights)))
                    .unwrap();
                for (index, found) in found.chunks_mut(CHUNK).enumerate() {
                    inputs.chunk(index).for_each_block(found, |block, found| {
                        found.copy_from_slice(block.weights.unwrap());
                    });
                }
                for (index, &found) in found.iter().enumerate() {
                    let weight = given.map_or(1.0, |weights| weights[index]);
                    assert_eq!(found, weight * class_weights[index % classes], "element {index} of {classes} classes");
                }
            }
        }
    }

    #[test]
    fn class_weights_that_fit_no_row_or_are_no_weights_are_refused_with_their_class() {
        let values = [0.0; 6];
        let refused = |targets, class_weights: &[f32]| {
            let inputs = Inputs::of_logits(&values, targets, None, &values).unwrap();
            inputs.with_class_weights(Some(class_weights)).map(|_| ()).unwrap_err().to_string()
        };
        let (dense, rows) = (Targets::Dense(&values), Targets::ClassIndex { rows: &[0, 1], classes: 3 });
        assert_eq!(refused(rows, &[1.0; 2]), "class_weights and the classes of the targets differ in length: 2 and 3");
        assert_eq!(
            refused(dense, &[1.0; 4]),
            "class_weights has 4 entries, but 6 logits are no whole number of rows of 4"
        );
        assert_eq!(refused(dense, &[]), "class_weights has 0 entries, but 6 logits are no whole number of rows of 0");
        for (value, text) in [(-1.0, "-1"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
            let expected = format!("class_weights[1] is {text}: expected a finite number of at least 0");
            assert_eq!(refused(dense, &[0.0, value, 1.0]), expected);
            assert_eq!(refused(rows, &[0.0, value, 1.0]), expected);
        }
    }
}
