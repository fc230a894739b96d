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
    /// The file that a network should start from cannot be read.
    #[error("model.weights = {}: {source}; give a .safetensors, .pth or .pkl file of a ResNet or a RetinaNet", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not one of weights, or of none that a detector could use.
    #[error("{}: no weights: {reason}; give a .safetensors, .pth or .pkl file of a ResNet or a RetinaNet", path.display())]
    NotWeights {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// The file's tensors do not fit the network.
    #[error("{}: does not fit this network:\n{}", path.display(), shown(.problems))]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Every missing, unexpected or mis-shaped tensor.
        problems: Vec<String>,
    },
}

/// Problems shown of a file that does not fit.
const SHOWN: usize = 20;

fn shown(problems: &[String]) -> String {
    let more = problems.len().saturating_sub(SHOWN);
    let mut text = problems[..problems.len() - more].join("\n");
    if more > 0 {
        text += &format!("\n  and {more} more");
    }
    text
}
