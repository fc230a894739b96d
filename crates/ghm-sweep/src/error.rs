//! What can go wrong with a sweep.

use std::path::PathBuf;

use thiserror::Error;

/// Why there is no sweep.
#[derive(Debug, Error)]
pub enum SweepError {
    /// The file of a sweep that cannot be read.
    #[error("{}: cannot be read: {source} (check the path; a sweep is a TOML file, beginning with `recipe = \"FILE\"`)", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file of a sweep that is none.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
