//! Reading a text file of a data set, with a clear word on everything that is no text.

use std::path::Path;

use crate::error::DataError;
use crate::header::PictureKind;

/// The text of a file, without its byte order mark.
///
/// # Errors
///
/// [`DataError::Io`] when it cannot be read, [`DataError::Malformed`] when it is not UTF-8.
pub(crate) fn read_possibly_empty(path: &Path) -> Result<String, DataError> {
    let bytes = std::fs::read(path).map_err(DataError::io(path, "read the file"))?;
    if PictureKind::of(&bytes).is_some() {
        return Err(DataError::malformed(path, "file", "it is a picture, not text", "give the label file"));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(DataError::malformed(path, "file", "it is UTF-16 text", "save it as UTF-8"));
    }
    if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
        let reason = format!("it is binary: byte {at} is zero");
        return Err(DataError::malformed(path, "file", reason, "give a text file, or copy it again"));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes().iter().take(at).filter(|&&byte| byte == b'\n').count();
        let reason = format!("byte {at} is not UTF-8");
        DataError::malformed(path, &format!("line {line}"), reason, "save the file as UTF-8, or copy it again")
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// As [`read_possibly_empty`], and a file without any text is an error as well.
pub(crate) fn read(path: &Path) -> Result<String, DataError> {
    let text = read_possibly_empty(path)?;
    if text.trim().is_empty() {
        return Err(DataError::malformed(path, "file", "it is empty", "write or copy the file again"));
    }
    Ok(text)
}
