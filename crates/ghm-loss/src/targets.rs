//! What a classification loss is compared with: one number an element, or one class a row.

use crate::error::{LossError, expect_length};

/// Row of [`Targets::ClassIndex`] that belongs to no class: all its targets are 0.
pub const BACKGROUND: i32 = -1;

/// Row of [`Targets::ClassIndex`] that takes no part: it is not counted, adds nothing and its gradient is 0. Nothing lies
/// between it, [`BACKGROUND`] and the classes.
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
    /// Whether the targets describe `length` elements of `name`, and every class there is one.
    pub(crate) fn check_length(&self, name: &'static str, length: usize) -> Result<(), LossError> {
        match *self {
            Self::Dense(targets) => expect_length("targets", targets.len(), name, length),
            Self::ClassIndex { rows, classes } => check_rows(rows, classes, length),
        }
    }
}

fn check_rows(rows: &[i32], classes: usize, logits: usize) -> Result<(), LossError> {
    if classes == 0 || rows.len().checked_mul(classes) != Some(logits) {
        return Err(LossError::Rows { rows: rows.len(), classes, logits });
    }
    let most = i32::try_from(classes - 1).unwrap_or(i32::MAX);
    // Without a branch first: this reads every row of every step.
    let unknown = rows.iter().fold(false, |any, &entry| any | (entry < IGNORED) | (entry > most));
    match rows.iter().position(|entry| unknown && !(IGNORED..=most).contains(entry)) {
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
        let error = Targets::ClassIndex { rows: &rows, classes: 3 }.check_length("logits", 12).unwrap_err();
        assert_eq!(error, LossError::ClassIndex { row: 3, value: 3, classes: 3 });
        let rows = [0, -3];
        let error = Targets::ClassIndex { rows: &rows, classes: 3 }.check_length("logits", 6).unwrap_err();
        assert_eq!(error, LossError::ClassIndex { row: 1, value: -3, classes: 3 });
    }

    #[test]
    fn rows_times_classes_must_be_the_number_of_logits_and_cannot_overflow() {
        for (classes, logits) in [(0, 0), (3, 5), (usize::MAX, 2)] {
            let error = Targets::ClassIndex { rows: &[0, 0], classes }.check_length("logits", logits).unwrap_err();
            assert_eq!(error, LossError::Rows { rows: 2, classes, logits });
        }
    }
}
