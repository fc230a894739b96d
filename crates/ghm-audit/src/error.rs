//! What can go wrong with an audit.

use std::path::PathBuf;

use thiserror::Error;

/// Why labels cannot be judged.
#[derive(Debug, Error)]
pub enum AuditError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of evidence that is none.
    #[error("{}: line {line}: {reason} (it is no evidence of a run; train again with audit.evidence=true)", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// An accepted suspicion that does not fit the data set.
    #[error("suspect {rank}: {reason}; was the list made of this data set?")]
    Unfit {
        /// Its place in the list.
        rank: usize,
        /// What does not fit.
        reason: String,
    },
    /// No line speaks of a picture of the data set.
    #[error("{}: nothing is said of any label of the data set; was the run trained on it?", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
    },
}
