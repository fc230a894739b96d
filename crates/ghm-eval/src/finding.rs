//! One defect of the input: which record, which field, what is wrong and the way out.

use std::fmt;

/// How many findings an error message shows; the rest are counted.
pub const SHOWN_FINDINGS: usize = 20;

/// The list a record stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `images` of a ground truth.
    Images,
    /// `annotations` of a ground truth.
    Annotations,
    /// `categories` of a ground truth.
    Categories,
    /// The list of detections.
    Detections,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "images",
            Self::Annotations => "annotations",
            Self::Categories => "categories",
            Self::Detections => "detections",
        })
    }
}

/// How many ids a ground truth has, and the least and greatest of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// Number of ids.
    pub count: usize,
    /// The least, 0 when there are none.
    pub least: u64,
    /// The greatest, 0 when there are none.
    pub greatest: u64,
}

impl IdRange {
    pub(crate) fn of(ids: impl Iterator<Item = u64>) -> Self {
        let empty = Self { count: 0, least: 0, greatest: 0 };
        ids.fold(empty, |range, id| Self {
            count: range.count + 1,
            least: if range.count == 0 { id } else { range.least.min(id) },
            greatest: range.greatest.max(id),
        })
    }
}

impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            0 => f.write_str("no ids"),
            1 => write!(f, "1 id, {}", self.least),
            count => write!(f, "{count} ids in {}..={}", self.least, self.greatest),
        }
    }
}

/// What is wrong with a record or a field of it. `Display` gives the reason, [`Problem::remedy`] the way out.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// The record is no JSON object.
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// The field is absent or null.
    Missing,
    /// The field is of another JSON type.
    WrongType {
        /// What the field takes.
        expected: &'static str,
        /// What stands there, shortened.
        found: String,
    },
    /// A list of another length than four.
    WrongLength {
        /// Its length.
        found: usize,
    },
    /// NaN or an infinity.
    NotFinite {
        /// As written.
        value: String,
    },
    /// A score outside `[0, 1]`.
    ScoreOutOfRange {
        /// The score.
        score: f64,
    },
    /// A detected box without a positive width and height.
    EmptyBox {
        /// Width in pixels.
        width: f64,
        /// Height in pixels.
        height: f64,
    },
    /// A ground-truth box of negative width or height.
    NegativeSize {
        /// Width in pixels.
        width: f64,
        /// Height in pixels.
        height: f64,
    },
    /// A negative `area`.
    NegativeArea {
        /// The area in square pixels.
        area: f64,
    },
    /// An image id that the ground truth does not list.
    UnknownImage {
        /// The id.
        image_id: u64,
        /// The ids there are.
        known: IdRange,
    },
    /// A category id that the ground truth does not list.
    UnknownCategory {
        /// The id.
        category_id: u64,
        /// The ids there are.
        known: IdRange,
    },
    /// The id of an earlier record of the same list.
    DuplicateId {
        /// The id.
        id: u64,
        /// Index of the record that had it first.
        first_index: usize,
    },
    /// The boxes look like corners `[x1, y1, x2, y2]`; stands at the first that leaves its picture.
    Corners {
        /// How many boxes, read as `[x, y, width, height]`, leave their picture by more than a tenth and fit as corners.
        leaving: usize,
        /// How many boxes were looked at.
        total: usize,
    },
}

impl Problem {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotAnObject { .. } => "every record is an object such as {\"image_id\": 42, ...}",
            Self::Missing => "add the field, or drop the record",
            Self::WrongType { .. } => "write the field as that type, without quotes around numbers",
            Self::WrongLength { .. } => "a box is [x, y, width, height]",
            Self::NotFinite { .. } => "find out where it arises (a diverged training?), or drop the record",
            Self::ScoreOutOfRange { .. } => {
                "a score is a probability: apply the sigmoid to logits, divide percentages by 100"
            }
            Self::EmptyBox { .. } => "boxes are [x, y, width, height] in pixels: drop empty ones before evaluating",
            Self::NegativeSize { .. } => "boxes are [x, y, width, height]: swap the corners or drop the annotation",
            Self::NegativeArea { .. } => "give the area in square pixels, or leave it out to use width x height",
            Self::UnknownImage { .. } => "is this the ground truth of the same split?",
            Self::UnknownCategory { .. } => "use the file's category ids, not class indices counted from 0",
            Self::DuplicateId { .. } => "number the records anew",
            Self::Corners { .. } => "write boxes as [x, y, width, height]: width = x2 - x1, height = y2 - y1",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject { found } => write!(f, "is {found}, expected an object"),
            Self::Missing => f.write_str("is missing or null"),
            Self::WrongType { expected, found } => write!(f, "is {found}, expected {expected}"),
            Self::WrongLength { found } => write!(f, "has {found} numbers, expected 4"),
            Self::NotFinite { value } => write!(f, "is {value}, not a finite number"),
            Self::ScoreOutOfRange { score } => write!(f, "is {score}, outside 0 to 1"),
            Self::EmptyBox { width, height } => write!(f, "is {width} wide and {height} high, both must be above 0"),
            Self::NegativeSize { width, height } => {
                write!(f, "is {width} wide and {height} high, neither may be below 0")
            }
            Self::NegativeArea { area } => write!(f, "is {area}, must not be below 0"),
            Self::UnknownImage { image_id, known } => {
                write!(f, "{image_id} is no image of the ground truth, which has {known}")
            }
            Self::UnknownCategory { category_id, known } => {
                write!(f, "{category_id} is no category of the ground truth, which has {known}")
            }
            Self::DuplicateId { id, first_index } => write!(f, "{id} is already that of record {first_index}"),
            Self::Corners { leaving, total } => write!(
                f,
                "{leaving} of {total} boxes leave their picture by more than a tenth as [x, y, width, height] and fit \
                 it as corners [x1, y1, x2, y2]"
            ),
        }
    }
}

/// One defect of the input, with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The list the record stands in.
    pub list: List,
    /// The record's index in it, from 0; `None` when the list as a whole is wrong.
    pub index: Option<usize>,
    /// The picture the record belongs to, when it says so.
    pub image_id: Option<u64>,
    /// The picture's file name, when it is known.
    pub file_name: Option<String>,
    /// Path of the field within the record (`bbox[2]`); empty when the record as a whole is wrong.
    pub field: &'static str,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.list)?;
        if let Some(index) = self.index {
            write!(f, "[{index}]")?;
        }
        match (self.image_id, &self.file_name) {
            (Some(id), Some(name)) => write!(f, " (image {id}, {name})")?,
            (Some(id), None) => write!(f, " (image {id})")?,
            (None, Some(name)) => write!(f, " (image {name})")?,
            (None, None) => {}
        }
        if !self.field.is_empty() {
            write!(f, " {}", self.field)?;
        }
        write!(f, ": {}; {}", self.problem, self.problem.remedy())
    }
}

/// The message of [`crate::EvalError::Findings`]: a count, the first [`SHOWN_FINDINGS`], the number left out.
pub(crate) fn list_findings(origin: &str, findings: &[Finding]) -> String {
    let noun = if findings.len() == 1 { "defect" } else { "defects" };
    let mut text = format!("{} {noun} in {origin}", findings.len());
    for finding in findings.iter().take(SHOWN_FINDINGS) {
        text.push_str(&format!("\n  {finding}"));
    }
    if findings.len() > SHOWN_FINDINGS {
        text.push_str(&format!("\n  ... and {} more", findings.len() - SHOWN_FINDINGS));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing_score(index: usize) -> Finding {
        Finding {
            list: List::Detections,
            index: Some(index),
            image_id: Some(42),
            file_name: Some("a.jpg".into()),
            field: "score",
            problem: Problem::Missing,
        }
    }

    #[test]
    fn a_finding_reads_as_place_field_reason_and_remedy() {
        let text = missing_score(3).to_string();
        assert_eq!(
            text,
            "detections[3] (image 42, a.jpg) score: is missing or null; add the field, or drop the record"
        );
    }

    #[test]
    fn a_long_list_shows_twenty_and_counts_the_rest() {
        let findings: Vec<Finding> = (0..25).map(missing_score).collect();
        let text = list_findings("dt.json", &findings);
        assert!(text.starts_with("25 defects in dt.json\n"), "{text}");
        assert!(text.contains("detections[19]") && !text.contains("detections[20]"), "{text}");
        assert!(text.ends_with("... and 5 more"), "{text}");
    }

    #[test]
    fn an_id_range_starts_at_the_least_id() {
        assert_eq!(IdRange::of([7, 3, 9].into_iter()).to_string(), "3 ids in 3..=9");
        assert_eq!(IdRange::of([].into_iter()).to_string(), "no ids");
    }
}
