//! What makes a data set unusable: every error of this crate, with the file, the record, the reason and the remedy.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::finding::Finding;

/// How many problems or findings an error message lists before it only counts them.
pub(crate) const SHOWN: usize = 50;

/// Why a data set, or a file of it, cannot be used.
///
/// A defect of one box or one picture is no error but a [`Finding`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused to read or write.
    #[error("{}: cannot {action}: {source} ({})", .path.display(), io_remedy(.source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as in "read the file".
        action: &'static str,
        /// The system's own error.
        source: io::Error,
    },
    /// A file that is not what its place in the data set says.
    #[error("{}: {record}: {reason} ({remedy})", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in the file: "line 3 column 5", "names", "file".
        record: String,
        /// What is wrong there.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// Records of one file that have wrong types, missing keys or ambiguous ids: all of them at once.
    #[error("{}: {} unusable record(s)\n{}", .path.display(), .problems.len(), list(.problems))]
    Records {
        /// The file.
        path: PathBuf,
        /// The records in reading order.
        problems: Vec<Problem>,
    },
    /// A folder or file in which no known data set was recognised.
    #[error("{}: no data set found: {reason} ({remedy})", .root.display())]
    UnknownFormat {
        /// What was opened.
        root: PathBuf,
        /// What was looked for or what was found instead.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// A folder that holds data sets of two formats.
    #[error("{}: holds {first} and {second} (pass the one you mean: the COCO JSON file, the data.yaml or the Annotations folder itself)", .root.display())]
    AmbiguousFormat {
        /// The folder.
        root: PathBuf,
        /// The one format and where it was seen.
        first: String,
        /// The other format and where it was seen.
        second: String,
    },
    /// Two files of one folder that name the same split, or two descriptions of one data set.
    #[error("{}: both {} and {} describe {what} (pass the file you mean instead of the folder)", .root.display(), .first.display(), .second.display())]
    AmbiguousFiles {
        /// The folder.
        root: PathBuf,
        /// One of the two.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// What both describe: "split train".
        what: String,
    },
    /// A split that the data set does not have.
    #[error("{}: no split `{split}` (it has: {})", .root.display(), .known.join(", "))]
    UnknownSplit {
        /// The data set.
        root: PathBuf,
        /// The split asked for.
        split: String,
        /// The splits it has.
        known: Vec<String>,
    },
    /// A split in which no picture can be used.
    #[error("{}: split `{split}` has no usable picture: {reason}", .path.display())]
    EmptySplit {
        /// The file or folder that lists the split.
        path: PathBuf,
        /// Its name.
        split: String,
        /// Why: nothing is listed, or the first finding of those that were left out.
        reason: String,
        /// All of them.
        findings: Vec<Finding>,
    },
    /// A file that is not a readable picture.
    #[error("{}: {reason} ({remedy})", .path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// Findings, where the user asked to stop at any.
    #[error("{} finding(s)\n{}\n(mend them, or leave such records out with on_bad = \"drop\")", .findings.len(), list(.findings))]
    Findings {
        /// All of them, in reading order.
        findings: Vec<Finding>,
    },
}

/// One unusable record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The path of the value in the file, as in `images[3].width`.
    pub record: String,
    /// What was expected and what was found.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.record, self.reason)
    }
}

impl DataError {
    /// An [`DataError::Io`] for `map_err`.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, action, source }
    }

    /// A [`DataError::Malformed`].
    pub(crate) fn malformed(path: &Path, record: &str, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_path_buf(),
            record: record.to_owned(),
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }

    /// A [`DataError::Picture`].
    pub(crate) fn picture(path: &Path, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Picture { path: path.to_path_buf(), reason: reason.into(), remedy: remedy.into() }
    }
}

fn io_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "check the path, also its upper and lower case",
        io::ErrorKind::PermissionDenied => "ask for permission, for example with chmod",
        io::ErrorKind::IsADirectory => "a file is expected here, this is a folder",
        io::ErrorKind::NotADirectory => "a folder is expected here, this is a file",
        io::ErrorKind::AlreadyExists => "nothing is overwritten; give another name",
        io::ErrorKind::StorageFull => "make room on the disk",
        _ => "try again; if it stays, check the disk",
    }
}

/// The first [`SHOWN`] items, one a line, then the number of those left out.
fn list<T: fmt::Display>(items: &[T]) -> String {
    let mut lines: Vec<String> = items.iter().take(SHOWN).map(|item| format!("  {item}")).collect();
    if items.len() > SHOWN {
        lines.push(format!("  and {} more", items.len() - SHOWN));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_problems_is_shown_in_part_and_counted_in_full() {
        let problems =
            (0..60).map(|i| Problem { record: format!("images[{i}].id"), reason: "missing".into() }).collect();
        let message = DataError::Records { path: "a.json".into(), problems }.to_string();
        assert!(message.starts_with("a.json: 60 unusable record(s)"), "{message}");
        assert!(message.contains("images[49].id: missing") && !message.contains("images[50].id"), "{message}");
        assert!(message.ends_with("and 10 more"), "{message}");
    }
}
