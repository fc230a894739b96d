//! The size of a picture from its header alone: JPEG and PNG, told apart by their first bytes.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use crate::error::DataError;

/// The picture formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureKind {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG.
    Png,
}

impl PictureKind {
    /// The format by the first bytes of a file, whatever its name ends in; `None` for everything that cannot be read.
    pub fn of(first_bytes: &[u8]) -> Option<Self> {
        if first_bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Some(Self::Jpeg)
        } else if first_bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else {
            None
        }
    }
}

/// Width and height in pixels of the upright picture, that is after the EXIF orientation of a JPEG.
///
/// Reads no more than the header, so it says nothing about whether the pixels are intact.
///
/// # Errors
///
/// [`DataError::Io`] when the file cannot be read; [`DataError::Picture`] when it is empty, of another format, cut off
/// within the header, or states a width or height of 0.
pub fn read_size(path: &Path) -> Result<(u32, u32), DataError> {
    read_upright(path).map(|upright| upright.size)
}

/// A picture's size, and whether it lies on its side until its EXIF orientation is heeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Upright {
    /// Width and height of the upright picture.
    pub size: (u32, u32),
    /// Whether width and height are the other way about as stored.
    pub turned: bool,
}

/// As [`read_size`].
pub(crate) fn read_upright(path: &Path) -> Result<Upright, DataError> {
    let file = File::open(path).map_err(DataError::io(path, "open the picture"))?;
    let mut header = Header { bytes: BufReader::new(file), path };
    let mut first = Vec::new();
    header.bytes.by_ref().take(8).read_to_end(&mut first).map_err(DataError::io(path, "read the picture"))?;
    let Upright { size: (width, height), turned } = match PictureKind::of(&first) {
        Some(PictureKind::Png) => Upright { size: header.png_size()?, turned: false },
        Some(PictureKind::Jpeg) => {
            let consumed = first.get(2..).unwrap_or_default();
            Header { bytes: consumed.chain(header.bytes), path }.jpeg_size()?
        }
        None if first.is_empty() => {
            return Err(DataError::picture(path, "the file is empty", "copy or download the picture again"));
        }
        None => {
            let reason = format!("it is no JPEG and no PNG but {}", describe(&first));
            return Err(DataError::picture(path, reason, "convert it to JPEG or PNG, or take it off the data set"));
        }
    };
    if width == 0 || height == 0 {
        let reason = format!("its header states {width}x{height} pixels");
        return Err(DataError::picture(path, reason, "save the picture again"));
    }
    Ok(Upright { size: (width, height), turned })
}

/// A picture file, read from the front.
struct Header<'a, R> {
    bytes: R,
    path: &'a Path,
}

impl<R: Read> Header<'_, R> {
    /// Width and height; the 8 bytes of the signature are consumed.
    fn png_size(&mut self) -> Result<(u32, u32), DataError> {
        let chunk: [u8; 16] = self.take()?;
        let [_, _, _, _, b'I', b'H', b'D', b'R', w0, w1, w2, w3, h0, h1, h2, h3] = chunk else {
            return Err(self.damaged("its first chunk is not IHDR"));
        };
        Ok((u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3])))
    }

    /// Upright width and height; the two bytes of the start-of-image marker are consumed.
    fn jpeg_size(&mut self) -> Result<Upright, DataError> {
        let mut turned = None;
        loop {
            let marker = self.marker()?;
            if matches!(marker, 0x01 | 0xd0..=0xd8) {
                continue;
            }
            if matches!(marker, 0xd9 | 0xda) {
                return Err(self.damaged("its pixels begin before any frame header"));
            }
            let length = usize::from(u16::from_be_bytes(self.take()?));
            let Some(length) = length.checked_sub(2) else {
                return Err(self.damaged("a segment states a length below 2"));
            };
            match marker {
                // Frame headers: every SOF but DHT (C4), JPG (C8) and DAC (CC).
                0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                    let [_, h0, h1, w0, w1] = self.take::<5>()?;
                    let (width, height) =
                        (u32::from(u16::from_be_bytes([w0, w1])), u32::from(u16::from_be_bytes([h0, h1])));
                    let turned = turned == Some(true);
                    return Ok(Upright { size: if turned { (height, width) } else { (width, height) }, turned });
                }
                0xe1 if turned.is_none() => {
                    let segment = self.segment(length)?;
                    turned = segment.strip_prefix(b"Exif\0\0").map(is_turned);
                }
                _ => self.skip(length)?,
            }
        }
    }

    /// The next marker's second byte, fill bytes skipped.
    fn marker(&mut self) -> Result<u8, DataError> {
        let [lead] = self.take::<1>()?;
        if lead != 0xff {
            return Err(self.damaged("its segments do not follow one another"));
        }
        loop {
            let [byte] = self.take::<1>()?;
            if byte != 0xff {
                return Ok(byte);
            }
        }
    }

    fn take<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], DataError> {
        let mut taken = [0; LENGTH];
        let outcome = self.bytes.read_exact(&mut taken);
        outcome.map_err(|error| self.read_error(error))?;
        Ok(taken)
    }

    fn segment(&mut self, length: usize) -> Result<Vec<u8>, DataError> {
        let mut segment = vec![0; length];
        let outcome = self.bytes.read_exact(&mut segment);
        outcome.map_err(|error| self.read_error(error))?;
        Ok(segment)
    }

    fn skip(&mut self, length: usize) -> Result<(), DataError> {
        self.segment(length).map(|_| ())
    }

    fn read_error(&self, error: std::io::Error) -> DataError {
        if error.kind() == ErrorKind::UnexpectedEof {
            self.damaged("it is cut off within its header")
        } else {
            DataError::io(self.path, "read the picture")(error)
        }
    }

    fn damaged(&self, reason: &str) -> DataError {
        DataError::picture(self.path, format!("damaged picture: {reason}"), "copy or download the picture again")
    }
}

/// Whether the EXIF orientation (5 to 8) swaps width and height; EXIF data that cannot be read say nothing.
fn is_turned(tiff: &[u8]) -> bool {
    let Ok(exif) = exif::Reader::new().read_raw(tiff.to_vec()) else { return false };
    let orientation = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY).and_then(|f| f.value.get_uint(0));
    matches!(orientation, Some(5..=8))
}

/// What a file that is neither JPEG nor PNG seems to be.
fn describe(first: &[u8]) -> &'static str {
    match first {
        [b'G', b'I', b'F', b'8', ..] => "a GIF",
        [b'B', b'M', ..] => "a BMP",
        [b'R', b'I', b'F', b'F', ..] => "a WebP or another RIFF file",
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => "a TIFF",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "a HEIC, an AVIF or a film",
        [b'%', b'P', b'D', b'F', ..] => "a PDF",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive",
        _ if first.iter().all(|&byte| byte == 0) => "a run of zero bytes",
        _ if first.iter().all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => "text",
        _ => "something unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("picture.jpg");
        std::fs::write(&path, bytes).expect("written");
        (folder, path)
    }

    fn size_of(bytes: &[u8]) -> Result<(u32, u32), DataError> {
        let (_folder, path) = written(bytes);
        read_size(&path)
    }

    fn refusal_of(bytes: &[u8]) -> String {
        size_of(bytes).expect_err("refused").to_string()
    }

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes
    }

    /// A JPEG header: optional EXIF with this orientation, a comment, fill bytes, a progressive frame header.
    fn jpeg(width: u16, height: u16, orientation: Option<u8>) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8];
        if let Some(value) = orientation {
            let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
            exif.extend([value, 0, 0, 0, 0, 0, 0]);
            bytes.extend([0xff, 0xe1, 0, u8::try_from(exif.len() + 2).expect("short")]);
            bytes.extend(exif);
        }
        bytes.extend([0xff, 0xfe, 0, 4, b'h', b'i', 0xff, 0xff, 0xc2, 0, 17, 8]);
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes
    }

    #[test]
    fn sizes_come_from_the_header_whatever_the_ending() {
        assert_eq!(size_of(&png(640, 480)).expect("png"), (640, 480));
        assert_eq!(size_of(&jpeg(640, 480, None)).expect("jpeg"), (640, 480));
    }

    #[test]
    fn exif_orientations_five_to_eight_swap_width_and_height() {
        for orientation in 0..=9 {
            let expected = if (5..=8).contains(&orientation) { (480, 640) } else { (640, 480) };
            assert_eq!(size_of(&jpeg(640, 480, Some(orientation))).expect("jpeg"), expected, "{orientation}");
        }
    }

    #[test]
    fn what_is_no_picture_is_named() {
        assert!(refusal_of(b"").contains("empty"));
        assert!(refusal_of(b"GIF89a....").contains("a GIF"));
        assert!(refusal_of(b"hello world").contains("text"));
        assert!(refusal_of(b"RIFF0000WEBP").contains("WebP"));
        assert!(refusal_of(&[0; 32]).contains("zero bytes"));
        assert!(refusal_of(&png(0, 480)).contains("0x480"));
        assert!(refusal_of(&jpeg(640, 0, None)).contains("640x0"));
        assert!(refusal_of(b"\xff\xd8\xff\xda\0\0").contains("before any frame header"));
    }

    #[test]
    fn a_header_cut_off_anywhere_is_refused() {
        for whole in [png(640, 480), jpeg(640, 480, Some(6))] {
            for length in 0..whole.len() {
                assert!(size_of(&whole[..length]).is_err(), "{length} bytes");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn garbage_never_panics(mut tail in proptest::collection::vec(any::<u8>(), 0..200), as_jpeg: bool) {
            let mut bytes = if as_jpeg { vec![0xff, 0xd8, 0xff, 0xe1] } else { b"\x89PNG\r\n\x1a\n".to_vec() };
            bytes.append(&mut tail);
            let _ = size_of(&bytes);
        }
    }
}
