//! JPEG and PNG files of every kind become upright RGB.

use std::path::Path;

use ghm_boxes::Bbox;
use ghm_data::{Picture, decode_bytes};
use jpeg_encoder::ColorType;

use super::{exif_of, extent, jpeg, jpeg_of, painted, png_bytes, png_of, smooth, within};

fn decoded(bytes: &[u8]) -> Picture {
    decode_bytes(bytes, Path::new("picture.jpg")).expect("a good picture")
}

/// Largest difference of two pictures of one size, in grey levels.
fn difference(a: &Picture, b: &Picture) -> u8 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    a.pixels.iter().zip(&b.pixels).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

/// The EXIF standard's table: where the stored row and column lie in an upright picture of `width` by `height`.
fn seen_at(orientation: u16, (row, column): (usize, usize), (width, height): (usize, usize)) -> (usize, usize) {
    match orientation {
        1 => (column, row),
        2 => (width - 1 - column, row),
        3 => (width - 1 - column, height - 1 - row),
        4 => (column, height - 1 - row),
        5 => (row, column),
        6 => (width - 1 - row, column),
        7 => (width - 1 - row, height - 1 - column),
        _ => (row, height - 1 - column),
    }
}

/// How a camera stores an upright picture under an orientation.
fn stored(upright: &Picture, orientation: u16) -> Picture {
    let size = (upright.width, upright.height);
    let (width, height) = if orientation >= 5 { (size.1, size.0) } else { size };
    let pixels = (0..height).flat_map(|row| {
        (0..width).flat_map(move |column| {
            let (x, y) = seen_at(orientation, (row, column), size);
            let at = 3 * (y * size.0 + x);
            [upright.pixels[at], upright.pixels[at + 1], upright.pixels[at + 2]]
        })
    });
    Picture { width, height, pixels: pixels.collect() }
}

#[test]
fn colour_jpegs_are_read_whatever_their_coding() {
    let picture = smooth(97, 61);
    let size = (picture.width, picture.height);
    for (name, bytes) in [
        ("baseline", jpeg_of(&picture)),
        ("progressive", jpeg(&picture.pixels, size, ColorType::Rgb, |encoder| encoder.set_progressive(true))),
        ("restarts", jpeg(&picture.pixels, size, ColorType::Rgb, |encoder| encoder.set_restart_interval(3))),
        (
            "subsampled",
            jpeg(&picture.pixels, size, ColorType::Rgb, |encoder| {
                encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
            }),
        ),
    ] {
        assert!(difference(&decoded(&bytes), &picture) < 10, "{name}");
    }
}

#[test]
fn grey_jpegs_have_three_equal_channels() {
    let grey: Vec<u8> = smooth(40, 30).pixels.iter().step_by(3).copied().collect();
    let picture = decoded(&jpeg(&grey, (40, 30), ColorType::Luma, |_| ()));
    let expected = Picture { width: 40, height: 30, pixels: grey.iter().flat_map(|&level| [level; 3]).collect() };
    assert!(picture.pixels.chunks(3).all(|p| p[0] == p[1] && p[1] == p[2]));
    assert!(difference(&picture, &expected) < 6);
}

#[test]
fn four_component_jpegs_come_out_in_their_printed_colours() {
    let ink = |c: u8, m: u8, y: u8, k: u8| [c, m, y, k].repeat(40 * 24);
    let light = |ink: u8, black: u8| (u32::from(255 - ink) * u32::from(255 - black) / 255) as u8;
    for [c, m, y, k] in [[0, 0, 0, 0], [255, 0, 0, 0], [20, 200, 90, 40], [0, 0, 0, 255], [100, 50, 0, 128]] {
        let printed = [light(c, k), light(m, k), light(y, k)];
        let expected = Picture { width: 40, height: 24, pixels: printed.repeat(40 * 24) };
        for colour in [ColorType::Cmyk, ColorType::CmykAsYcck] {
            let picture = decoded(&jpeg(&ink(c, m, y, k), (40, 24), colour, |_| ()));
            assert!(difference(&picture, &expected) < 8, "{colour:?} {printed:?} {:?}", &picture.pixels[..3]);
        }
    }
}

#[test]
fn every_exif_orientation_is_turned_upright() {
    let upright = painted(96, 64, Bbox::new(8.0, 16.0, 40.0, 24.0));
    for orientation in 1..=8 {
        let as_stored = stored(&upright, orientation);
        let size = (as_stored.width, as_stored.height);
        let bytes = jpeg(&as_stored.pixels, size, ColorType::Rgb, |encoder| {
            encoder.add_exif_metadata(&exif_of(orientation)).expect("short EXIF");
        });
        let picture = decoded(&bytes);
        let found = extent(&picture.pixels, (picture.width, picture.height), 3);
        assert!(within(found, Bbox::new(8.0, 16.0, 40.0, 24.0), 1.0), "orientation {orientation}: {found:?}");
    }
}

#[test]
fn unreadable_exif_counts_as_none() {
    let picture = smooth(32, 16);
    let bytes = jpeg(&picture.pixels, (32, 16), ColorType::Rgb, |encoder| {
        encoder.add_exif_metadata(b"II*\0\xff\xff\xff\xff nonsense").expect("short EXIF");
    });
    assert!(difference(&decoded(&bytes), &picture) < 10);
}

#[test]
fn pngs_of_every_colour_type_and_depth_are_read() {
    let picture = smooth(23, 11);
    let size = (23, 11);
    assert_eq!(decoded(&png_of(&picture)), picture);

    let rgba: Vec<u8> = picture.pixels.chunks(3).enumerate().flat_map(|(i, p)| [p[0], p[1], p[2], i as u8]).collect();
    assert_eq!(decoded(&png_bytes(&rgba, size, |encoder| encoder.set_color(png::ColorType::Rgba))), picture);

    let wide: Vec<u8> = picture.pixels.iter().flat_map(|&level| [level, 77]).collect();
    let sixteen = png_bytes(&wide, size, |encoder| {
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Sixteen);
    });
    assert_eq!(decoded(&sixteen), picture);

    let grey: Vec<u8> = picture.pixels.iter().step_by(3).copied().collect();
    let expected = Picture { pixels: grey.iter().flat_map(|&level| [level; 3]).collect(), ..picture };
    assert_eq!(decoded(&png_bytes(&grey, size, |encoder| encoder.set_color(png::ColorType::Grayscale))), expected);

    let with_alpha: Vec<u8> = grey.iter().flat_map(|&level| [level, 3]).collect();
    let bytes = png_bytes(&with_alpha, size, |encoder| encoder.set_color(png::ColorType::GrayscaleAlpha));
    assert_eq!(decoded(&bytes), expected);
}

#[test]
fn palettes_and_single_bits_are_expanded() {
    let palette = png_bytes(&[0, 1, 2, 1], (2, 2), |encoder| {
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(vec![9, 8, 7, 60, 50, 40, 255, 0, 1]);
        encoder.set_trns(vec![0, 128, 255]);
    });
    assert_eq!(decoded(&palette).pixels, [9, 8, 7, 60, 50, 40, 255, 0, 1, 60, 50, 40]);
    let bits = png_bytes(&[0b0100_0000], (2, 1), |encoder| encoder.set_depth(png::BitDepth::One));
    assert_eq!(decoded(&bits).pixels, [0, 0, 0, 255, 255, 255]);
}

#[test]
fn the_first_bytes_decide_and_not_the_ending() {
    let picture = smooth(20, 10);
    assert_eq!(decode_bytes(&png_of(&picture), Path::new("really_a_png.jpg")).expect("a good picture"), picture);
}
