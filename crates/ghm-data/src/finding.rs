//! A defect of a data set that leaves the rest usable: which file and record, why, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The kind of a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FindingKind {
    /// A box without width or height. The box is left out.
    ZeroSize,
    /// A box with a negative width or height, or with swapped corners. The box is left out.
    NegativeSize,
    /// A box with no part inside the picture. The box is left out.
    OutsidePicture,
    /// A box that sticks out of the picture by more than a pixel. The box is clipped to the picture.
    PartlyOutside,
    /// A coordinate that is NaN or infinite. The box is left out.
    NotFinite,
    /// COCO's `area` is negative or not finite. The box's own area is used.
    BadArea,
    /// An object of a class that the data set does not list. The box is left out.
    UnknownClass,
    /// An annotation of a picture that the data set does not list. The annotation is left out.
    UnknownImage,
    /// An id, or a picture of a list, that occurs a second time. The first is kept.
    DuplicateId,
    /// Two classes of one name. Both are kept, told apart by their ids.
    DuplicateName,
    /// A record of a label file that cannot be read: a missing element, a word where a number belongs. It is left out.
    Malformed,
    /// A label file that cannot be read at all. Its picture is left out.
    UnreadableLabels,
    /// A listed picture without annotations where the format demands them, or a split without any. The picture is left
    /// out in the first case.
    MissingLabels,
    /// A listed picture that is not on disk. It is left out.
    MissingPicture,
    /// A picture whose header cannot be read. It is left out.
    UnreadablePicture,
    /// A picture whose size is not the one its labels state.
    SizeMismatch,
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroSize => "zero size",
            Self::NegativeSize => "negative size",
            Self::OutsidePicture => "outside picture",
            Self::PartlyOutside => "partly outside",
            Self::NotFinite => "not finite",
            Self::BadArea => "bad area",
            Self::UnknownClass => "unknown class",
            Self::UnknownImage => "unknown image",
            Self::DuplicateId => "duplicate id",
            Self::DuplicateName => "duplicate name",
            Self::Malformed => "malformed record",
            Self::UnreadableLabels => "unreadable labels",
            Self::MissingLabels => "missing labels",
            Self::MissingPicture => "missing picture",
            Self::UnreadablePicture => "unreadable picture",
            Self::SizeMismatch => "size mismatch",
        })
    }
}

/// One defect of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What sort of defect.
    pub kind: FindingKind,
    /// The file that holds the defect.
    pub file: PathBuf,
    /// The record in that file: "annotation 17", "object 2", "line 3".
    pub record: String,
    /// What is wrong, with the values.
    pub reason: String,
    /// What was done about it or what the user can do.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {} ({})", self.file.display(), self.record, self.reason, self.remedy)
    }
}

/// A defect before it is known where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Defect {
    pub kind: FindingKind,
    pub reason: String,
    pub remedy: String,
}

impl Defect {
    pub fn new(kind: FindingKind, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), remedy: remedy.into() }
    }

    /// The defect as a finding of `record` in `file`.
    pub fn at(self, file: &Path, record: impl Into<String>) -> Finding {
        Finding {
            kind: self.kind,
            file: file.to_path_buf(),
            record: record.into(),
            reason: self.reason,
            remedy: self.remedy,
        }
    }
}
