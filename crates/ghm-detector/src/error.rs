//! What can go wrong with a detector, apart from its input.

use std::path::PathBuf;

use ghm_boxes::{AnchorError, MatchError};
use thiserror::Error;

/// Why a network cannot be built, or its weights not be read or written.
#[derive(Debug, Error)]
pub enum DetectorError {
    /// A number of the configuration is out of its range.
    #[error("model.{key} = {value}: {reason}")]
    Config {
        /// The key.
        key: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        reason: &'static str,
    },
    /// The anchors' shapes are not usable.
    #[error("model.anchors: {0}")]
    Anchors(#[from] AnchorError),
    /// The thresholds of the assignment are not usable.
    #[error("model.matching: {0}")]
    Matching(#[from] MatchError),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not a safetensors file.
    #[error("{}: not a safetensors file ({reason}); convert the checkpoint to safetensors first", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// The file's tensors do not fit the network.
    #[error("{}: does not fit this network:\n{}", path.display(), .problems.join("\n"))]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Every missing, unexpected or mis-shaped tensor.
        problems: Vec<String>,
    },
}
