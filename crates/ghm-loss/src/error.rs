//! What can be wrong with the input of a loss.

use thiserror::Error;

/// Why a loss was not computed. Nothing has been counted when one of these comes back. Nothing has been written either,
/// but for [`LossError::Target`]: then the gradient holds nothing of use.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LossError {
    /// Two slices that describe the same elements differ in length.
    #[error("{name} and {other} differ in length: {length} and {other_length}")]
    Length {
        /// The slice that does not fit.
        name: &'static str,
        /// Its length.
        length: usize,
        /// What it has to be as long as.
        other: &'static str,
        /// The length of that.
        other_length: usize,
    },
    /// The rows of [`Targets::ClassIndex`](crate::Targets::ClassIndex) times its classes are not the number of logits.
    #[error("targets describe {rows} rows of {classes} classes, but there are {logits} logits")]
    Rows {
        /// Number of rows.
        rows: usize,
        /// Logits a row.
        classes: usize,
        /// Number of logits.
        logits: usize,
    },
    /// A class index that is neither a class nor [`BACKGROUND`](crate::BACKGROUND) nor [`IGNORED`](crate::IGNORED).
    #[error("targets[{row}] is {value}: expected 0..{classes}, -1 (background) or -2 (ignored)")]
    ClassIndex {
        /// Row of the entry.
        row: usize,
        /// The entry.
        value: i32,
        /// Number of classes.
        classes: usize,
    },
    /// A dense classification target outside `[0, 1]`, or not a number.
    #[error("targets[{index}] is {value}: a classification target lies in [0, 1]; give ignored elements weight 0")]
    Target {
        /// Position of the entry.
        index: usize,
        /// The entry.
        value: f32,
    },
    /// Boxes whose numbers are not four each.
    #[error("{name} are {length} numbers: expected four a box, x1, y1, x2, y2")]
    Corners {
        /// The slice.
        name: &'static str,
        /// Its length.
        length: usize,
    },
    /// What needs a gradient density was asked of a loss that has none.
    #[error("{loss} has no gradient density here")]
    NoDensity {
        /// The loss.
        loss: &'static str,
    },
    /// A device on which a loss was to run, or from which its density was to be read, failed.
    #[error("the device failed: {reason}")]
    Device {
        /// What it says.
        reason: String,
    },
    /// A loss of boxes was given classes to compare them with.
    #[error("the targets are classes: expected the four corners of a box for each predicted one")]
    NoBoxes,
    /// A loss of one class out of several was given dense targets.
    #[error("the targets are dense: softmax needs one class a row (Targets::ClassIndex)")]
    NoClasses,
    /// A row of softmax logits that is background.
    #[error("targets[{row}] is -1 (background): softmax needs a class for it; -2 leaves a row out")]
    SoftmaxBackground {
        /// The row.
        row: usize,
    },
    /// A target box that is not finite or has no size.
    #[error("targets[{index}] is {corners:?}: expected finite x1 < x2 and y1 < y2; give ignored boxes weight 0")]
    TargetBox {
        /// Which box.
        index: usize,
        /// Its corners `x1, y1, x2, y2`.
        corners: [f32; 4],
    },
    /// Class weights for dense targets whose rows cannot be as long as there are weights.
    #[error("class_weights has {classes} entries, but {logits} logits are no whole number of rows of {classes}")]
    ClassWeights {
        /// Number of class weights.
        classes: usize,
        /// Number of logits.
        logits: usize,
    },
    /// A density for each class, and elements that are no whole number of rows of so many.
    #[error("the density has {classes} classes, but {elements} elements are no whole number of rows of {classes}")]
    Columns {
        /// Number of classes.
        classes: usize,
        /// Number of elements.
        elements: usize,
    },
    /// A class weight that is not finite or below 0.
    #[error("class_weights[{class}] is {value}: expected a finite number of at least 0")]
    ClassWeight {
        /// The class.
        class: usize,
        /// Its weight.
        value: f32,
    },
    /// A setting outside its range.
    #[error("{name} is {value}: expected {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The range, in words.
        expected: &'static str,
    },
    /// An entry of a saved density that no sequence of steps could have produced.
    #[error("counts[{bin}] of the saved density is {value}: expected a finite number of at least 0")]
    SavedCount {
        /// The bin.
        bin: usize,
        /// Its value.
        value: f64,
    },
}

/// A [`LossError::Length`] unless `length == other_length`.
pub(crate) fn expect_length(
    name: &'static str,
    length: usize,
    other: &'static str,
    other_length: usize,
) -> Result<(), LossError> {
    if length == other_length { Ok(()) } else { Err(LossError::Length { name, length, other, other_length }) }
}

/// A [`LossError::Setting`] unless `value` is `valid`.
pub(crate) fn expect_setting(
    name: &'static str,
    value: f64,
    expected: &'static str,
    valid: impl Fn(f64) -> bool,
) -> Result<(), LossError> {
    if valid(value) { Ok(()) } else { Err(LossError::Setting { name, value, expected }) }
}
