//! The checked slices of one call, handed out in blocks of fixed size.

use std::ops::Range;

use crate::block::{BLOCK, Block, BlockTargets, Room};
use crate::error::{LossError, expect_length};
use crate::examples::{Examples, Gate};
use crate::output::Output;
use crate::real::Real;
use crate::targets::{IGNORED, Targets};

/// Elements a task of the thread pool takes at a time, unless that made more than [`MOST_CHUNKS`].
const CHUNK: usize = 16 * 1024;

/// So many sums are kept at most, whatever the number of elements.
const MOST_CHUNKS: usize = 4096;

/// How many elements of `length` make a chunk: never a function of the number of threads. Sums are made a chunk at a time
/// and joined in the order of the chunks, so they come out bit-equal on any machine.
pub(crate) fn chunk_of(length: usize) -> usize {
    CHUNK.max(length.div_ceil(MOST_CHUNKS).next_multiple_of(BLOCK))
}

/// The elements of a chunk, block by block.
#[inline(always)]
pub(crate) fn ranges(chunk: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = chunk.end;
    chunk.step_by(BLOCK).map(move |start| start..(start + BLOCK).min(end))
}

/// The slices of one call whose examples are its elements, lengths and classes checked.
pub(crate) struct Inputs<'a, T> {
    examples: Examples<'a, T>,
    /// Weight of each class `[C]`, where rows have as many elements; the weights of the elements are multiplied by them.
    class_weights: Option<&'a [f32]>,
    /// Where targets may be.
    range: TargetRange,
}

/// Where targets may be.
#[derive(Clone, Copy, PartialEq)]
enum TargetRange {
    /// From 0 to 1.
    Unit,
    /// Anywhere.
    Any,
}

/// Which factors a block comes with.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Weighing {
    /// 1 for an element that takes part, 0 (or less) for one that does not.
    Gates,
    /// Its weight, times that of its class, for an element that takes part.
    Weights,
}

impl<'a, T: Real> Inputs<'a, T> {
    /// Logits and what they are compared with.
    pub fn of_logits(examples: &Examples<'a, T>) -> Result<Self, LossError> {
        Self::checked(examples, "logits", TargetRange::Unit)
    }

    /// Predictions of real numbers and what they are compared with.
    pub fn of_predictions(examples: &Examples<'a, T>) -> Result<Self, LossError> {
        Self::checked(examples, "predictions", TargetRange::Any)
    }

    fn checked(examples: &Examples<'a, T>, name: &'static str, range: TargetRange) -> Result<Self, LossError> {
        let length = examples.values.len();
        examples.gate.len().map_or(Ok(()), |gates| expect_length("gates", gates, name, length))?;
        examples.weights.map_or(Ok(()), |weights| expect_length("weights", weights.len(), name, length))?;
        examples.targets.check_length(name, length)?;
        Ok(Self { examples: *examples, class_weights: None, range })
    }

    /// The same with the weight of every element times that of its class; a row has as many logits as there are class
    /// weights.
    pub fn with_class_weights(self, class_weights: Option<&'a [f32]>) -> Result<Self, LossError> {
        if let Some(class_weights) = class_weights {
            check_class_weights(class_weights, self.examples.targets, self.len())?;
        }
        Ok(Self { class_weights, ..self })
    }

    /// Whether the results fit.
    pub fn check_output(&self, output: &Output<T>) -> Result<(), LossError> {
        let name = if self.range == TargetRange::Unit { "logits" } else { "predictions" };
        expect_length("gradient", output.gradient.len(), name, self.len())?;
        output.losses.as_ref().map_or(Ok(()), |losses| expect_length("losses", losses.len(), name, self.len()))
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.examples.values.len()
    }

    /// What the elements are compared with.
    pub fn targets(&self) -> Targets<'a> {
        self.examples.targets
    }

    /// Whether every element takes part.
    pub fn all_take_part(&self) -> bool {
        let ignored = match self.examples.targets {
            Targets::Dense(_) => false,
            Targets::ClassIndex { rows, .. } => rows.contains(&IGNORED),
        };
        matches!(self.examples.gate, Gate::Open) && !ignored
    }

    /// The elements `at`, one of the [`ranges`] of the call. Their targets want to be checked ([`Self::check_targets`]).
    #[inline(always)]
    pub fn block<'b>(&'b self, at: Range<usize>, weighing: Weighing, room: &'b mut Room) -> Block<'b> {
        let length = at.len();
        Block {
            start: at.start,
            values: T::widened(&self.examples.values[at.clone()], &mut room.values[..length]),
            targets: match self.examples.targets {
                Targets::Dense(targets) => BlockTargets::Dense(&targets[at.clone()]),
                Targets::ClassIndex { rows, classes } => BlockTargets::Ones(ones(rows, classes, &at, &mut room.ones)),
            },
            weights: self.weights(at, weighing, &mut room.weights[..length]),
            only_gates: weighing == Weighing::Gates || self.examples.weights.is_none() && self.class_weights.is_none(),
        }
    }

    /// Elements that take no part may have any target.
    ///
    /// # Errors
    /// [`LossError::Target`] where a target is out of range and its element takes part.
    #[inline(always)]
    pub fn check_targets(&self, block: &Block) -> Result<(), LossError> {
        let (TargetRange::Unit, BlockTargets::Dense(targets)) = (self.range, block.targets) else {
            return Ok(());
        };
        // Without a branch first: this reads every target of every step.
        let strange = targets.iter().fold(false, |any, target| any | !(0.0..=1.0).contains(target));
        if strange { first_strange(block, targets) } else { Ok(()) }
    }

    #[inline(always)]
    fn weights<'b>(&'b self, at: Range<usize>, weighing: Weighing, room: &'b mut [f32]) -> Option<&'b [f32]> {
        let (weights, class_weights) = match weighing {
            Weighing::Gates => (None, None),
            Weighing::Weights => (self.examples.weights, self.class_weights),
        };
        let ignores = match self.examples.targets {
            Targets::ClassIndex { rows, classes } => rows_of(&at, classes).any(|row| rows[row] == IGNORED),
            Targets::Dense(_) => false,
        };
        match (self.examples.gate, weights, class_weights, ignores) {
            (Gate::Open, None, None, false) => None,
            (Gate::AboveZero(gates), None, None, false) if weighing == Weighing::Gates => Some(&gates[at]),
            (Gate::Open, Some(weights), None, false) => Some(&weights[at]),
            _ => {
                self.multiply_weights(at, (weights, class_weights), room);
                Some(room)
            }
        }
    }

    /// The weights of a block into `room`, and 0 for those that take no part.
    fn multiply_weights(&self, at: Range<usize>, weights: (Option<&[f32]>, Option<&[f32]>), room: &mut [f32]) {
        match weights.0 {
            Some(weights) => room.copy_from_slice(&weights[at.clone()]),
            None => room.fill(1.0),
        }
        if let Some(class_weights) = weights.1 {
            for (weight, class) in room.iter_mut().zip(at.start..) {
                *weight *= class_weights[class % class_weights.len()];
            }
        }
        match self.examples.gate {
            Gate::Open => {}
            Gate::AboveZero(gates) => shut(room, gates[at.clone()].iter().map(|&gate| gate > 0.0)),
            Gate::Except(mask) => shut(room, mask[at.clone()].iter().map(|&masked| !masked)),
        }
        if let Targets::ClassIndex { rows, classes } = self.examples.targets {
            for row in rows_of(&at, classes).filter(|&row| rows[row] == IGNORED) {
                let end = ((row + 1) * classes).min(at.end) - at.start;
                room[(row * classes).max(at.start) - at.start..end].fill(0.0);
            }
        }
    }
}

/// The rows that the elements `at` belong to.
fn rows_of(at: &Range<usize>, classes: usize) -> Range<usize> {
    at.start / classes..at.end.div_ceil(classes)
}

/// Weight 0 where it is not open.
fn shut(weights: &mut [f32], open: impl Iterator<Item = bool>) {
    for (weight, open) in weights.iter_mut().zip(open) {
        *weight = if open { *weight } else { 0.0 };
    }
}

/// Where among the elements `at` the target is 1.
#[inline(always)]
fn ones<'b>(rows: &[i32], classes: usize, at: &Range<usize>, room: &'b mut [u16; BLOCK]) -> &'b [u16] {
    let mut count = 0;
    for row in rows_of(at, classes) {
        if let Ok(class) = usize::try_from(rows[row])
            && let Some(place) = (row * classes + class).checked_sub(at.start).filter(|&place| place < at.len())
        {
            room[count] = place as u16;
            count += 1;
        }
    }
    &room[..count]
}

#[cold]
fn first_strange(block: &Block, targets: &[f32]) -> Result<(), LossError> {
    let takes_part = |at: usize| block.weights.is_none_or(|weights| weights[at] > 0.0);
    let strange = targets.iter().enumerate().find(|&(at, target)| !(0.0..=1.0).contains(target) && takes_part(at));
    match strange {
        Some((at, &value)) => Err(LossError::Target { index: block.start + at, value }),
        None => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::BACKGROUND;

    /// Targets and weights as the blocks give them.
    fn expanded(inputs: &Inputs<f32>, weighing: Weighing) -> (Vec<f32>, Vec<f32>) {
        let (mut targets, mut weights) = (Vec::new(), Vec::new());
        let mut room = Room::new();
        for at in ranges(0..inputs.len()) {
            let block = inputs.block(at, weighing, &mut room);
            assert_eq!(block.start, targets.len());
            targets.extend((0..block.values.len()).map(|at| block.target(at)));
            weights.extend((0..block.values.len()).map(|at| block.weights.map_or(1.0, |weights| weights[at])));
        }
        (targets, weights)
    }

    #[test]
    fn rows_that_straddle_blocks_expand_to_one_hot_targets_and_closed_gates() {
        for classes in [1, 3, 80, BLOCK, BLOCK + 1, 3 * BLOCK + 700] {
            let count = (4 * BLOCK + 900).div_ceil(classes).max(6);
            let class_at = |row: usize| (row * 37 % classes) as i32;
            let entry_of = |row: usize| [class_at(row), BACKGROUND, class_at(row), IGNORED][row % 4];
            let rows: Vec<i32> = (0..count).map(entry_of).collect();
            let values = vec![0.0; count * classes];
            let gates: Vec<f32> = (0..values.len()).map(|index| (index % 3) as f32 - 1.0).collect();
            let mask: Vec<bool> = gates.iter().map(|&gate| gate <= 0.0).collect();
            let weights: Vec<f32> = (0..values.len()).map(|index| (index % 5) as f32).collect();
            let class_weights: Vec<f32> = (0..classes).map(|class| (class % 7) as f32).collect();
            let examples = Examples::new(&values, Targets::ClassIndex { rows: &rows, classes });
            for (given, examples) in
                [(false, examples), (true, examples.gated(&gates)), (true, examples.ignoring(&mask))]
            {
                let inputs = Inputs::of_logits(&examples.weighted(&weights)).unwrap();
                let inputs = inputs.with_class_weights(Some(&class_weights)).unwrap();
                let (targets, found_gates) = expanded(&inputs, Weighing::Gates);
                let (_, found_weights) = expanded(&inputs, Weighing::Weights);
                assert_eq!(targets.len(), values.len());
                for (index, &target) in targets.iter().enumerate() {
                    let (entry, class) = (rows[index / classes], index % classes);
                    let open = entry != IGNORED && (!given || gates[index] > 0.0);
                    let weight = if open { weights[index] * class_weights[class] } else { 0.0 };
                    assert_eq!(target, f32::from(entry == class as i32), "element {index} of {classes} classes");
                    assert_eq!(found_gates[index] > 0.0, open, "element {index} of {classes} classes");
                    assert_eq!(found_weights[index], weight, "element {index} of {classes} classes");
                }
            }
        }
    }

    #[test]
    fn class_weights_that_fit_no_row_or_are_no_weights_are_refused_with_their_class() {
        let values = [0.0; 6];
        let refused = |targets, class_weights: &[f32]| {
            let inputs = Inputs::of_logits(&Examples::new(&values, targets)).unwrap();
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

    #[test]
    fn a_dense_target_outside_the_unit_interval_counts_only_where_it_takes_part() {
        let (values, targets) = ([0.0; 3], [0.0, 1.5, f32::NAN]);
        let examples = Examples::new(&values, Targets::Dense(&targets));
        let visited =
            |inputs: Inputs<f32>| inputs.check_targets(&inputs.block(0..3, Weighing::Gates, &mut Room::new()));
        let error = visited(Inputs::of_logits(&examples).unwrap()).unwrap_err();
        assert_eq!(error, LossError::Target { index: 1, value: 1.5 });
        assert_eq!(visited(Inputs::of_logits(&examples.gated(&[1.0, 0.0, -1.0])).unwrap()), Ok(()));
        assert_eq!(visited(Inputs::of_predictions(&examples).unwrap()), Ok(()));
    }

    #[test]
    fn chunks_hold_whole_blocks_and_never_grow_in_number() {
        for length in [0, 1, CHUNK, MOST_CHUNKS * CHUNK, MOST_CHUNKS * CHUNK + 1, 10_000_000_000] {
            let chunk = chunk_of(length);
            assert!(chunk.is_multiple_of(BLOCK) && chunk >= CHUNK && length.div_ceil(chunk) <= MOST_CHUNKS, "{length}");
        }
    }
}
