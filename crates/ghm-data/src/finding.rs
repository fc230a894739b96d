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
    /// Labels that state the size a picture has before its EXIF orientation turns it.
    ExifRotation,
    /// A picture whose pixels cannot be decoded to the end.
    DamagedPixels,
    /// A picture of another kind than its name ends in.
    WrongEnding,
    /// A box of COCO whose four numbers are corners, where width and height belong.
    CornersForSize,
    /// Boxes of COCO or VOC in shares of the picture, where pixels belong.
    NormalisedBoxes,
    /// COCO's `area` is larger than the box.
    AreaTooLarge,
    /// A box with a side of less than a few pixels.
    TinyBox,
    /// A box over almost all of its picture.
    HugeBox,
    /// A box many times as long as it is wide.
    ExtremeShape,
    /// A box that stands twice, of one class.
    DuplicateBox,
    /// Two boxes of one class about the same object.
    NearDuplicateBox,
    /// Two boxes of different classes about the same object.
    ConflictingClasses,
    /// A picture without any object.
    NoObjects,
    /// Many boxes for which the recipe has no anchor.
    UnreachedBoxes,
    /// Splits with other classes, or with the same in another order.
    DifferentClasses,
    /// A class without any object.
    UnusedClass,
    /// A class with objects in other splits and none in the training split.
    UntrainedClass,
    /// Two classes whose names differ by case, signs or a letter.
    SimilarName,
    /// A class name with signs that nobody sees, or spaces around it.
    StrayName,
    /// A class that stands for no object at all.
    BackgroundClass,
    /// One picture twice in a split.
    IdenticalPicture,
    /// Almost one picture twice in a split.
    SimilarPicture,
    /// A picture of one split that is in another too.
    Leak,
    /// A picture of one split that is almost one of another.
    SimilarLeak,
    /// One picture twice, with other labels.
    ConflictingCopy,
    /// A picture beside the others that no split lists.
    OrphanPicture,
    /// A label file beside the others that belongs to no picture.
    OrphanLabels,
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
            Self::ExifRotation => "EXIF rotation",
            Self::DamagedPixels => "damaged pixels",
            Self::WrongEnding => "wrong ending",
            Self::CornersForSize => "corners for size",
            Self::NormalisedBoxes => "normalised boxes",
            Self::AreaTooLarge => "area too large",
            Self::TinyBox => "tiny box",
            Self::HugeBox => "huge box",
            Self::ExtremeShape => "extreme shape",
            Self::DuplicateBox => "duplicate box",
            Self::NearDuplicateBox => "near-duplicate box",
            Self::ConflictingClasses => "conflicting classes",
            Self::NoObjects => "no objects",
            Self::UnreachedBoxes => "unreached boxes",
            Self::DifferentClasses => "different classes",
            Self::UnusedClass => "unused class",
            Self::UntrainedClass => "untrained class",
            Self::SimilarName => "similar name",
            Self::StrayName => "stray name",
            Self::BackgroundClass => "background class",
            Self::IdenticalPicture => "identical picture",
            Self::SimilarPicture => "similar picture",
            Self::Leak => "leak",
            Self::SimilarLeak => "similar leak",
            Self::ConflictingCopy => "conflicting copy",
            Self::OrphanPicture => "orphan picture",
            Self::OrphanLabels => "orphan labels",
        })
    }
}

/// One defect of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What sort of defect.
    pub kind: FindingKind,
    /// The file that holds the defect.
    pub file: PathBuf,
    /// The record in that file: "annotation 17", "object 2", "line 3".
    pub record: String,
    /// The box, where it is one that is wrong and its corners are numbers: `[x1, y1, x2, y2]` in pixels of the upright picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<[f64; 4]>,
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
    pub bbox: Option<[f64; 4]>,
    pub reason: String,
    pub remedy: String,
}

impl Defect {
    pub fn new(kind: FindingKind, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, bbox: None, reason: reason.into(), remedy: remedy.into() }
    }

    /// The same, of this box.
    pub fn of_box(self, corners: [f64; 4]) -> Self {
        Self { bbox: corners.iter().all(|corner| corner.is_finite()).then_some(corners), ..self }
    }

    /// The defect as a finding of `record` in `file`.
    pub fn at(self, file: &Path, record: impl Into<String>) -> Finding {
        Finding {
            kind: self.kind,
            file: file.to_path_buf(),
            record: record.into(),
            bbox: self.bbox,
            reason: self.reason,
            remedy: self.remedy,
        }
    }
}
