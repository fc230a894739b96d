//! What can go wrong between a recipe and a trained detector.

use std::path::PathBuf;

use ghm_data::{DataError, PixelError};
use ghm_detector::DetectorError;
use ghm_eval::EvalError;
use thiserror::Error;

/// Why a training run cannot start, go on or be read.
#[derive(Debug, Error)]
pub enum TrainError {
    /// A recipe or an override is not valid.
    #[error("{origin}: {reason}")]
    Recipe {
        /// The file, or the override's text.
        origin: String,
        /// What is wrong and what to write.
        reason: String,
    },
    /// The data set cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A picture cannot be read.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// The data set does not fit the recipe.
    #[error("{}: {reason}", root.display())]
    Split {
        /// The data set.
        root: PathBuf,
        /// What is missing and what to do.
        reason: String,
    },
    /// The network or its weights.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// A loss option is out of range.
    #[error(transparent)]
    LossOption(#[from] ghm_burn::OptionError),
    /// A loss refused its input.
    #[error("loss: {0}")]
    Loss(#[from] ghm_burn::LossError),
    /// The evaluation refused its input.
    #[error(transparent)]
    Evaluation(#[from] EvalError),
    /// A file cannot be read or written.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A run directory is in the way.
    #[error("{}: exists already, and a run is never overwritten; give another --out (a run goes on with ghm train --resume DIR)", .0.display())]
    Exists(PathBuf),
    /// A run directory or checkpoint holds something else than it should.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The loss or the gradient is not finite.
    #[error(
        "step {step}: the {what} is {value}; pictures {image_ids:?}. {}; lower optimiser.learning_rate or set \
         optimiser.clip_norm",
        go_back(.checkpoint)
    )]
    NotFinite {
        /// Updates made before it.
        step: usize,
        /// Loss or gradient norm.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The pictures of the batch.
        image_ids: Vec<u64>,
        /// The last checkpoint, if there is one.
        checkpoint: Option<PathBuf>,
    },
    /// A device that is not known.
    #[error("unknown device `{0}`: give cpu, cuda, cuda:N or wgpu")]
    Device(String),
    /// A type of numbers that a device does not have.
    #[error("model.precision = \"{precision}\": this device does not have it; give \"f32\"")]
    Precision {
        /// The type.
        precision: &'static str,
    },
    /// Pictures without a single box.
    #[error("{}: no usable box in the split `{split}`: a detector cannot learn from background alone", root.display())]
    NoBoxes {
        /// The data set.
        root: PathBuf,
        /// The split.
        split: String,
    },
}

fn go_back(checkpoint: &Option<PathBuf>) -> String {
    match checkpoint {
        Some(path) => format!("The last good state is {}", path.display()),
        None => "No checkpoint had been written yet".to_owned(),
    }
}

/// Adds path and action to an input/output error.
pub(crate) fn io(path: impl Into<PathBuf>, doing: &'static str) -> impl FnOnce(std::io::Error) -> TrainError {
    let path = path.into();
    move |source| TrainError::Io { path, doing, source }
}
