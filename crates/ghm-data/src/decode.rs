//! From the bytes of a JPEG or PNG file to an upright RGB picture.

use std::{io::Cursor, path::Path};

use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use crate::{
    picture::{Orientation, Picture},
    pixel_error::PixelError,
    shield::shielded,
};

/// Longest side of a picture, in pixels; a header that claims more is an error and nothing is allocated for it.
pub const MAX_SIDE: usize = 16384;

const JPEG: &str = "JPEG";
const PNG: &str = "PNG";

/// Reads and decodes a picture; see [`decode_bytes`].
///
/// # Errors
///
/// [`PixelError::Read`] when the file cannot be read, and those of [`decode_bytes`].
pub fn decode(path: &Path) -> Result<Picture, PixelError> {
    let mut bytes = Vec::new();
    read_file(path, &mut bytes)?;
    decode_bytes(&bytes, path)
}

/// Decodes a JPEG (grey, YCbCr, RGB, CMYK, YCCK; baseline or progressive) or a PNG (any colour type and depth).
///
/// The format is found by the first bytes, never by the ending. A JPEG is turned upright by its EXIF orientation; EXIF
/// that cannot be read counts as none. Four-component JPEGs are taken as inverted, as Adobe writes them and as browsers
/// and the common imaging libraries read them. Of a PNG, alpha is dropped and 16 bits are cut to the upper 8. `path` is
/// only for messages.
///
/// # Errors
///
/// [`PixelError::Empty`], [`PixelError::UnknownFormat`], [`PixelError::TooLarge`], and [`PixelError::Damaged`] for
/// a picture that is cut short: it is never filled up with grey. Of a JPEG that goes by the mark at its end; one with a
/// hole before that mark may pass.
pub fn decode_bytes(bytes: &[u8], path: &Path) -> Result<Picture, PixelError> {
    decode_into(bytes, path, Vec::new())
}

/// A file's bytes, in place of what `bytes` held.
pub(crate) fn read_file(path: &Path, bytes: &mut Vec<u8>) -> Result<(), PixelError> {
    let read_error = |source| PixelError::Read { path: path.to_path_buf(), source };
    bytes.clear();
    let mut file = std::fs::File::open(path).map_err(read_error)?;
    std::io::Read::read_to_end(&mut file, bytes).map_err(read_error)?;
    Ok(())
}

/// Decodes a file's bytes; the path is for messages, the last buffer becomes the pixels.
type Decoder = fn(&[u8], &Path, Vec<u8>) -> Result<Picture, PixelError>;

/// [`decode_bytes`] with a buffer that becomes the pixels.
pub(crate) fn decode_into(bytes: &[u8], path: &Path, pixels: Vec<u8>) -> Result<Picture, PixelError> {
    let (format, decoder): (_, Decoder) = match bytes {
        [] => return Err(PixelError::Empty { path: path.to_path_buf() }),
        [0xff, 0xd8, ..] => (JPEG, decode_jpeg),
        [0x89, b'P', b'N', b'G', ..] => (PNG, decode_png),
        _ => return Err(PixelError::UnknownFormat { path: path.to_path_buf(), found: describe(bytes) }),
    };
    // The decoders are other people's code fed with other people's bytes: a panic in one is a damaged picture.
    shielded(|| decoder(bytes, path, pixels)).unwrap_or_else(|_| Err(damaged(path, format, "the decoder gave up")))
}

fn decode_jpeg(bytes: &[u8], path: &Path, mut pixels: Vec<u8>) -> Result<Picture, PixelError> {
    let options = DecoderOptions::new_fast()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|reason| damaged(path, JPEG, reason))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged(path, JPEG, "no size in its header"))?;
    check_size(path, (width, height))?;
    // The decoder looks for missing data at the start of a block row only, so it lets the last row pass.
    if !ends_after_scan(bytes) {
        return Err(damaged(path, JPEG, "no end of image"));
    }
    pixels.resize(width * height * 3, 0);
    decoder.decode_into(&mut pixels).map_err(|reason| damaged(path, JPEG, reason))?;
    let orientation = decoder.exif().map_or(Orientation::Upright, |exif| exif_orientation(exif));
    Ok(Picture { width, height, pixels }.upright(orientation))
}

/// Whether an end-of-image marker follows the start of the first scan.
pub(crate) fn ends_after_scan(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        if marker == 0xff {
            at += 1;
            continue;
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
        if marker == 0xda {
            break;
        }
    }
    bytes.get(at..).is_some_and(|scan| scan.windows(2).rev().any(|pair| pair == [0xff, 0xd9]))
}

pub(crate) fn exif_orientation(tiff: &[u8]) -> Orientation {
    let exif = exif::Reader::new().read_raw(tiff.to_vec()).ok();
    let tag = exif
        .as_ref()
        .and_then(|exif| exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY))
        .and_then(|field| field.value.get_uint(0));
    Orientation::from_tag(tag.unwrap_or(1))
}

fn decode_png(bytes: &[u8], path: &Path, pixels: Vec<u8>) -> Result<Picture, PixelError> {
    let damage = |reason: png::DecodingError| damaged(path, PNG, reason);
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    decoder.set_ignore_text_chunk(true);
    let header = decoder.read_header_info().map_err(damage)?;
    let (width, height) = (header.width as usize, header.height as usize);
    check_size(path, (width, height))?;
    let mut reader = decoder.read_info().map_err(damage)?;
    let size = reader.output_buffer_size().ok_or_else(|| damaged(path, PNG, "absurd size"))?;
    let mut samples = pixels;
    samples.resize(size, 0);
    let frame = reader.next_frame(&mut samples).map_err(damage)?;
    reader.finish().map_err(damage)?;
    if (frame.width as usize, frame.height as usize) != (width, height) {
        return Err(damaged(path, PNG, "its first frame does not fill it"));
    }
    let pixels = match frame.color_type {
        png::ColorType::Rgb => samples,
        png::ColorType::Rgba => samples.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
        png::ColorType::Grayscale => samples.iter().flat_map(|&grey| [grey; 3]).collect(),
        png::ColorType::GrayscaleAlpha => samples.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
        png::ColorType::Indexed => return Err(damaged(path, PNG, "a palette that cannot be expanded")),
    };
    Ok(Picture { width, height, pixels })
}

pub(crate) fn check_size(path: &Path, (width, height): (usize, usize)) -> Result<(), PixelError> {
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(PixelError::TooLarge { path: path.to_path_buf(), width, height, limit: MAX_SIDE });
    }
    Ok(())
}

pub(crate) fn damaged(path: &Path, format: &'static str, reason: impl std::fmt::Display) -> PixelError {
    PixelError::Damaged { path: path.to_path_buf(), format, reason: reason.to_string() }
}

/// What a file that is no JPEG and no PNG seems to be.
fn describe(bytes: &[u8]) -> String {
    let known: [(&[u8], &str); 6] = [
        (b"GIF8", "a GIF picture"),
        (b"BM", "a BMP picture"),
        (b"II*\0", "a TIFF picture"),
        (b"MM\0*", "a TIFF picture"),
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive"),
    ];
    if let Some((_, name)) = known.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return (*name).to_owned();
    }
    match bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "a WebP picture".to_owned(),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "an HEIC, AVIF or video file".to_owned(),
        _ => {
            let start = &bytes[..bytes.len().min(64)];
            let is_text = std::str::from_utf8(start).is_ok_and(|text| !text.contains('\0'));
            if is_text { "text".to_owned() } else { format!("unknown bytes {:02x?}", &start[..start.len().min(4)]) }
        }
    }
}
