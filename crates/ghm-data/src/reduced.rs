//! Large JPEGs that are wanted small: decoded at a half, a quarter or an eighth of their size.
//!
//! A block of 8x8 pixels holds its smaller versions in its lowest frequencies, which cost less to decode and leave less to
//! scale. A picture of 12 million pixels takes 0.8 to 0.95 of the time and a fraction of the memory; below 2 million the
//! decoder of whole pictures, which is the faster one, wins.

use std::path::Path;

use crate::{
    decode::{check_size, damaged, decode_into, ends_after_scan, exif_orientation},
    picture::{Orientation, Picture},
    pipeline::Placement,
    pixel_error::PixelError,
    shield::shielded,
};

/// Pixels from which it pays.
const LEAST: usize = 2_000_000;

/// How often a picture is halved, 0 to 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Halvings(u8);

/// A picture as large as it is stored, or halved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decoded {
    /// Upright.
    pub(crate) picture: Picture,
    /// Width and height as stored, upright.
    pub(crate) full: (usize, usize),
    /// How much smaller `picture` is.
    pub(crate) halvings: Halvings,
}

impl Halvings {
    /// As many as leave no fewer pixels than are wanted of a picture of `size`; none for a small picture.
    pub(crate) fn for_placement(size: (usize, usize), placement: &Placement) -> Self {
        if size.0 * size.1 < LEAST {
            return Self(0);
        }
        let (source, content) = (placement.source, placement.scaled_size());
        let shrinks = (source.width / content.0 as f64).min(source.height / content.1 as f64);
        Self((0..3).take_while(|halvings| shrinks >= f64::from(2 << halvings)).count() as u8)
    }

    /// A length in the full picture to one in the halved.
    pub(crate) fn shrink(self, length: f64) -> f64 {
        length / f64::from(1 << self.0)
    }

    /// The pixels of a side that is stored as `side`: those of a block that is cut stay.
    fn side(self, side: usize) -> usize {
        side.div_ceil(1 << self.0)
    }
}

impl From<Picture> for Decoded {
    fn from(picture: Picture) -> Self {
        let full = (picture.width, picture.height);
        Self { picture, full, halvings: Halvings(0) }
    }
}

/// Decodes a file's bytes, halved where the file is one that can be; a buffer may become the pixels.
///
/// # Errors
///
/// As [`decode_bytes`](crate::decode_bytes).
pub(crate) fn decode_halved(
    bytes: &[u8],
    path: &Path,
    pixels: Vec<u8>,
    halvings: Halvings,
) -> Result<Decoded, PixelError> {
    if halvings != Halvings(0) && bytes.starts_with(&[0xff, 0xd8]) {
        // Other people's code and bytes, as in `decode`. What it refuses is for the other decoder to judge.
        if let Ok(Ok(Some(decoded))) = shielded(|| halved(bytes, path, halvings)) {
            return Ok(decoded);
        }
    }
    decode_into(bytes, path, pixels).map(Decoded::from)
}

/// `None` for a JPEG that the other decoder has to read whole: one of four components, one that says that its three are
/// red, green and blue, and one to be turned that ends within a block (of which the end would come first).
fn halved(bytes: &[u8], path: &Path, halvings: Halvings) -> Result<Option<Decoded>, PixelError> {
    let damage = |reason: jpeg_decoder::Error| damaged(path, "JPEG", reason);
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.read_info().map_err(damage)?;
    let Some(info) = decoder.info() else { return Ok(None) };
    let full = (usize::from(info.width), usize::from(info.height));
    check_size(path, full)?;
    if says_rgb(bytes) {
        return Ok(None);
    }
    if !ends_after_scan(bytes) {
        return Err(damaged(path, "JPEG", "no end of image"));
    }
    let (width, height) = (halvings.side(full.0), halvings.side(full.1));
    let scaled = decoder.scale(width as u16, height as u16).map_err(damage)?;
    if (usize::from(scaled.0), usize::from(scaled.1)) != (width, height) {
        return Ok(None);
    }
    let decoded = decoder.decode().map_err(damage)?;
    let pixels = match info.pixel_format {
        jpeg_decoder::PixelFormat::RGB24 => decoded,
        jpeg_decoder::PixelFormat::L8 => decoded.into_iter().flat_map(|grey| [grey; 3]).collect(),
        jpeg_decoder::PixelFormat::L16 | jpeg_decoder::PixelFormat::CMYK32 => return Ok(None),
    };
    let orientation = decoder.exif_data().map_or(Orientation::Upright, exif_orientation);
    let whole = full.0.is_multiple_of(1 << halvings.0) && full.1.is_multiple_of(1 << halvings.0);
    if orientation != Orientation::Upright && !whole {
        return Ok(None);
    }
    let picture = Picture { width, height, pixels }.upright(orientation);
    let full = if orientation.swaps_sides() { (full.1, full.0) } else { full };
    Ok(Some(Decoded { picture, full, halvings }))
}

/// Whether an Adobe segment says that components are not transformed: `Adobe`, seven bytes, and 0.
fn says_rgb(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let segment = bytes.get(at + 4..at + 2 + length).unwrap_or_default();
        if marker == 0xee && segment.starts_with(b"Adobe") {
            return segment.get(11) == Some(&0);
        }
        if marker == 0xda || length < 2 {
            return false;
        }
        at += 2 + length;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Draw;
    use crate::pipeline::{ResizeConfig, ResizeMode};

    fn halvings(size: (usize, usize), (width, height): (usize, usize)) -> u8 {
        let config = ResizeConfig { width, height, mode: ResizeMode::Fit, swap_portrait: false };
        Halvings::for_placement(size, &config.place(size, &Draw::NONE)).0
    }

    #[test]
    fn a_large_picture_is_halved_while_it_stays_at_least_as_large_as_wanted() {
        let phone = (4000, 3000);
        for (target, expected) in [
            ((4000, 3000), 0),
            ((2001, 1501), 0),
            ((2000, 1500), 1),
            ((1001, 751), 1),
            ((1000, 750), 2),
            ((501, 376), 2),
            ((500, 375), 3),
            ((20, 20), 3),
        ] {
            assert_eq!(halvings(phone, target), expected, "{target:?}");
        }
        assert_eq!(halvings((1000, 1000), (20, 20)), 0, "a small one");
        assert_eq!(halvings((200, 20_000), (100, 100)), 3, "the longer side decides");
    }
}
