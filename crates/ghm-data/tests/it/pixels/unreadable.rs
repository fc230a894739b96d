//! Files that are no pictures, or damaged ones: errors with path and reason, never a panic.

use std::path::Path;

use ghm_data::{PixelError, decode, decode_bytes};
use jpeg_encoder::ColorType;
use proptest::prelude::*;

use super::{exif_of, jpeg, jpeg_of, png_bytes, png_of, smooth};

fn refused(bytes: &[u8]) -> String {
    let error = decode_bytes(bytes, Path::new("photos/picture.jpg")).expect_err("a bad picture");
    let message = error.to_string();
    assert!(message.starts_with("photos/picture.jpg: "), "{message}");
    message
}

#[test]
fn what_is_no_picture_is_named_with_a_remedy() {
    for (bytes, words) in [
        (&b""[..], "0 bytes"),
        (b"<html>404 not found</html>", "text"),
        (b"GIF89a......", "GIF"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
        (b"\0\0\0\x18ftypheic....", "HEIC"),
        (b"\0\x01\x02\x03\x04", "unknown bytes"),
    ] {
        let message = refused(bytes);
        assert!(message.contains(words) && message.contains("take it out of the data set"), "{message}");
    }
}

#[test]
fn a_missing_file_is_an_error_with_its_path() {
    let error = decode(Path::new("no/such/picture.png")).expect_err("missing");
    assert!(matches!(error, PixelError::Read { .. }) && error.to_string().starts_with("no/such/picture.png: "));
}

#[test]
fn pictures_cut_short_anywhere_are_errors() {
    let picture = smooth(64, 48);
    let size = (64, 48);
    for (name, bytes) in [
        ("jpeg", jpeg_of(&picture)),
        ("progressive jpeg", jpeg(&picture.pixels, size, ColorType::Rgb, |encoder| encoder.set_progressive(true))),
        ("png", png_of(&picture)),
    ] {
        for length in (1..bytes.len()).step_by(7).chain([bytes.len() - 2, bytes.len() - 1]) {
            let outcome = decode_bytes(&bytes[..length], Path::new("cut.jpg"));
            assert!(outcome.is_err(), "{name} cut to {length} of {} bytes was read", bytes.len());
        }
    }
}

#[test]
fn a_header_that_claims_an_absurd_size_is_an_error_with_both_numbers() {
    let mut bytes = jpeg_of(&smooth(16, 16));
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header");
    bytes[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xf0, 0xff, 0xf1]);
    let message = refused(&bytes);
    assert!(message.contains("65521 x 65520") && message.contains("16384"), "{message}");
    assert!(refused(&png_bytes(&[0; 20000], (20000, 1), |_| ())).contains("20000 x 1"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn garbage_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0..3) {
        let magic: &[u8] = match kind {
            0 => b"",
            1 => b"\xff\xd8\xff",
            _ => b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR",
        };
        bytes.splice(0..0, magic.iter().copied());
        prop_assert!(decode_bytes(&bytes, Path::new("garbage")).is_err());
    }

    #[test]
    fn damaged_pictures_never_panic(
        kind in 0..5usize,
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let picture = smooth(45, 27);
        let size = (45, 27);
        let mut bytes = match kind {
            0 => jpeg_of(&picture),
            1 => jpeg(&picture.pixels, size, ColorType::Rgb, |encoder| encoder.set_progressive(true)),
            2 => jpeg(&[90; 45 * 27 * 4], size, ColorType::Cmyk, |_| ()),
            3 => jpeg(&picture.pixels, size, ColorType::Rgb, |encoder| {
                encoder.add_exif_metadata(&exif_of(6)).expect("short EXIF");
            }),
            _ => png_of(&picture),
        };
        for (place, byte) in hits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(picture) = decode_bytes(&bytes, Path::new("damaged")) {
            prop_assert_eq!(picture.pixels.len(), picture.width * picture.height * 3);
        }
    }
}
