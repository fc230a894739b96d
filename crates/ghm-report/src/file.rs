//! Writing a picture, whole or not at all, and why something could not be shown.

use std::fs::{self, File};
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use image::{ImageFormat, RgbImage};

/// Why a picture could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The picture could not be turned into PNG, as one without pixels.
    #[error("cannot encode a picture of {width}x{height} pixels as {}: {source}", path.display())]
    Encode {
        /// The file asked for.
        path: PathBuf,
        /// Width of the picture in pixels.
        width: u32,
        /// Height of the picture in pixels.
        height: u32,
        /// The encoder's reason.
        source: image::ImageError,
    },
    /// The file could not be written; what stood at the path before is still there.
    #[error("cannot write {}: {source} (does its folder exist, and may it be written to?)", path.display())]
    Write {
        /// The file asked for.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The chart cannot be drawn.
    #[error("chart `{title}`: {reason}")]
    Chart {
        /// Its title.
        title: String,
        /// Why.
        reason: String,
    },
}

/// Writes a picture as PNG, over whatever file is there: beside it first, then renamed, so that a reader finds the
/// old picture or the new one and never a part.
///
/// # Errors
///
/// When the picture has no pixels, or the file's folder does not exist or cannot be written to.
pub fn write_png(picture: &RgbImage, path: &Path) -> Result<(), ReportError> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(|source| ReportError::Encode {
        path: path.to_path_buf(),
        width: picture.width(),
        height: picture.height(),
        source,
    })?;
    let beside = path_beside(path);
    let written = write_synced(&beside, bytes.get_ref()).and_then(|()| fs::rename(&beside, path));
    written.map_err(|source| {
        // Nothing more can be done when the leftover cannot be removed either: the first error is the one to tell.
        let _ = fs::remove_file(&beside);
        ReportError::Write { path: path.to_path_buf(), source }
    })
}

/// A name in the same folder that no other process uses.
fn path_beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
