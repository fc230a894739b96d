//! What a classification loss is compared with: one number an element, or one class a row.

use crate::error::{LossError, expect_length};

/// Row of [`Targets::ClassIndex`] that belongs to no class: all its targets are 0.
pub const BACKGROUND: i32 = -1;

/// Row of [`Targets::ClassIndex`] that takes no part: it is not counted, adds nothing and its gradient is 0.
pub const IGNORED: i32 = -2;

/// Targets of `rows x classes` logits, laid out row after row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Targets<'a> {
    /// One target an element, in `[0, 1]`, as many as logits.
    Dense(&'a [f32]),
    /// One class a row; far smaller than the one-hot matrix it stands for, and bit for bit equal in its results.
    ClassIndex {
        /// For each row a class in `0..classes`, [`BACKGROUND`] or [`IGNORED`].
        rows: &'a [i32],
        /// Logits a row, at least 1.
        classes: usize,
    },
}

impl Targets<'_> {
    /// Whether the targets describe `logits` elements and every one of them has a meaning.
    pub(crate) fn check(&self, logits: usize, weights: Option<&[f32]>) -> Result<(), LossError> {
        match *self {
            Self::Dense(targets) => {
                expect_length("targets", targets.len(), "logits", logits)?;
                check_dense(targets, weights)
            }
            Self::ClassIndex { rows, classes } => check_rows(rows, classes, logits),
        }
    }
}

/// Elements without weight may hold anything.
fn check_dense(targets: &[f32], weights: Option<&[f32]>) -> Result<(), LossError> {
    // Without a branch first: this reads every target of every step.
    let strange = targets.iter().fold(false, |any, target| any | !(0.0..=1.0).contains(target));
    if !strange {
        return Ok(());
    }
    let takes_part = |index: usize| weights.is_none_or(|weights| weights[index] > 0.0);
    let found = targets.iter().enumerate().find(|&(index, target)| !(0.0..=1.0).contains(target) && takes_part(index));
    match found {
        Some((index, &value)) => Err(LossError::Target { index, value }),
        None => Ok(()),
    }
}

fn check_rows(rows: &[i32], classes: usize, logits: usize) -> Result<(), LossError> {
    if classes == 0 || rows.len().checked_mul(classes) != Some(logits) {
        return Err(LossError::Rows { rows: rows.len(), classes, logits });
    }
    let known =
        |entry: i32| entry == BACKGROUND || entry == IGNORED || usize::try_from(entry).is_ok_and(|c| c < classes);
    match rows.iter().position(|&entry| !known(entry)) {
        Some(row) => Err(LossError::ClassIndex { row, value: rows[row], classes }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_index_out_of_range_is_named_with_its_row() {
        let rows = [0, IGNORED, BACKGROUND, 3];
        let error = Targets::ClassIndex { rows: &rows, classes: 3 }.check(12, None).unwrap_err();
        assert_eq!(error, LossError::ClassIndex { row: 3, value: 3, classes: 3 });
        let rows = [0, -3];
        let error = Targets::ClassIndex { rows: &rows, classes: 3 }.check(6, None).unwrap_err();
        assert_eq!(error, LossError::ClassIndex { row: 1, value: -3, classes: 3 });
    }

    #[test]
    fn rows_times_classes_must_be_the_number_of_logits_and_cannot_overflow() {
        for (classes, logits) in [(0, 0), (3, 5), (usize::MAX, 2)] {
            let error = Targets::ClassIndex { rows: &[0, 0], classes }.check(logits, None).unwrap_err();
            assert_eq!(error, LossError::Rows { rows: 2, classes, logits });
        }
    }

    #[test]
    fn a_dense_target_outside_the_unit_interval_counts_only_where_it_has_weight() {
        let targets = [0.0, 1.5, f32::NAN];
        let error = Targets::Dense(&targets).check(3, None).unwrap_err();
        assert_eq!(error, LossError::Target { index: 1, value: 1.5 });
        assert_eq!(Targets::Dense(&targets).check(3, Some(&[1.0, 0.0, -1.0])), Ok(()));
    }
}
