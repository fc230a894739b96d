//! What can go wrong between a picture file and a batch, with its path, its reason and what to do about it.

use std::path::PathBuf;

use thiserror::Error;

/// Why a picture could not be read or made ready, or why a pixel setting makes no sense.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PixelError {
    /// The file could not be opened or read.
    #[error("{}: cannot be read: {source} (check that the file exists and may be read)", path.display())]
    Read {
        /// The picture.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds zero bytes.
    #[error("{}: the file is empty, 0 bytes (copy it again or take it out of the data set)", path.display())]
    Empty {
        /// The picture.
        path: PathBuf,
    },
    /// The first bytes are neither those of a JPEG nor of a PNG, whatever the ending says.
    #[error("{}: not a JPEG or PNG picture but {found} (convert it, or take it out of the data set)", path.display())]
    UnknownFormat {
        /// The picture.
        path: PathBuf,
        /// What the first bytes look like.
        found: String,
    },
    /// The bytes are cut short or damaged.
    #[error("{}: the {format} data are cut short or damaged: {reason} (copy it again or take it out of the data set)",
        path.display())]
    Damaged {
        /// The picture.
        path: PathBuf,
        /// `JPEG` or `PNG`.
        format: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// A side is longer than [`MAX_SIDE`](crate::MAX_SIDE).
    #[error("{}: {width} x {height} pixels, more than {limit} a side (scale it down, with its boxes)", path.display())]
    TooLarge {
        /// The picture.
        path: PathBuf,
        /// Its width in pixels.
        width: usize,
        /// Its height in pixels.
        height: usize,
        /// The largest allowed side in pixels.
        limit: usize,
    },
    /// The decoded size is not the one that the data set states, so its boxes cannot be trusted.
    #[error("{}: {} x {} pixels, but the data set says {} x {} (correct the size or restore the picture that was labelled)",
        path.display(), found.0, found.1, expected.0, expected.1)]
    SizeMismatch {
        /// The picture.
        path: PathBuf,
        /// Decoded width and height, after EXIF orientation.
        found: (usize, usize),
        /// Width and height by the data set.
        expected: (u32, u32),
    },
    /// The picture could not be scaled.
    #[error("{}: cannot be scaled to {} x {}: {reason}", path.display(), size.0, size.1)]
    Resize {
        /// The picture.
        path: PathBuf,
        /// Width and height asked for.
        size: (usize, usize),
        /// What the scaler said.
        reason: String,
    },
    /// A setting is out of its range.
    #[error("{key} = {value}: {reason}")]
    Setting {
        /// The key as in a recipe, such as `augment.scale`.
        key: &'static str,
        /// The value given.
        value: String,
        /// What it must be.
        reason: &'static str,
    },
}

impl PixelError {
    /// The error for a setting out of its range.
    pub(crate) fn setting(key: &'static str, value: impl std::fmt::Debug, reason: &'static str) -> Self {
        Self::Setting { key, value: format!("{value:?}"), reason }
    }
}
