//! From picture files to batches: decoding every kind, boxes that follow their pixels, loading in order.

mod decoding;
mod loader;
mod reduced;
mod samples;
mod unreadable;

use std::path::PathBuf;

use ghm_boxes::Bbox;
use ghm_data::{
    AugmentConfig, ColourOrder, ImageRecord, NormaliseConfig, Object, Picture, Pipeline, Range, ResizeConfig,
    ResizeMode,
};
use jpeg_encoder::{ColorType, Encoder};

/// Quality 95 keeps a smooth picture to within a few grey levels.
const QUALITY: u8 = 95;

/// A smooth picture, different in every corner and channel.
fn smooth(width: usize, height: usize) -> Picture {
    let level = |at: usize, side: usize| (40 + 160 * at / side) as u8;
    let pixels = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| [level(x, width), level(y, height), level(x + y, width + height)]));
    Picture { width, height, pixels: pixels.collect() }
}

/// Black with a white rectangle over the whole pixels of `bbox`.
fn painted(width: usize, height: usize, bbox: Bbox) -> Picture {
    let inside =
        move |x: usize, y: usize| (bbox.x1..bbox.x2).contains(&(x as f32)) && (bbox.y1..bbox.y2).contains(&(y as f32));
    let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| [255 * u8::from(inside(x, y)); 3]));
    Picture { width, height, pixels: pixels.collect() }
}

pub fn jpeg(
    pixels: &[u8],
    size: (usize, usize),
    colour: ColorType,
    set: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, QUALITY);
    set(&mut encoder);
    encoder.encode(pixels, size.0 as u16, size.1 as u16, colour).expect("a valid picture");
    bytes
}

pub fn jpeg_of(picture: &Picture) -> Vec<u8> {
    jpeg(&picture.pixels, (picture.width, picture.height), ColorType::Rgb, |_| ())
}

fn png_bytes(samples: &[u8], size: (usize, usize), set: impl FnOnce(&mut png::Encoder<'_, &mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.0 as u32, size.1 as u32);
    set(&mut encoder);
    let mut writer = encoder.write_header().expect("a valid header");
    writer.write_image_data(samples).expect("a valid picture");
    writer.finish().expect("room");
    bytes
}

pub fn png_of(picture: &Picture) -> Vec<u8> {
    png_bytes(&picture.pixels, (picture.width, picture.height), |encoder| encoder.set_color(png::ColorType::Rgb))
}

/// EXIF of one field in little-endian TIFF: the orientation.
pub fn exif_of(orientation: u16) -> Vec<u8> {
    let [low, high] = orientation.to_le_bytes();
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend([low, high, 0, 0, 0, 0, 0, 0]);
    tiff
}

/// The box of all pixels brighter than half, in channel 0 of pixels `step` apart.
fn extent<T: Copy + Into<f32>>(channel: &[T], (width, height): (usize, usize), step: usize) -> Bbox {
    let mut found = Bbox::new(f32::MAX, f32::MAX, f32::MIN, f32::MIN);
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        if channel[(y * width + x) * step].into() > 127.0 {
            found.x1 = found.x1.min(x as f32);
            found.y1 = found.y1.min(y as f32);
            found.x2 = found.x2.max(x as f32 + 1.0);
            found.y2 = found.y2.max(y as f32 + 1.0);
        }
    }
    found
}

fn within(a: Bbox, b: Bbox, pixels: f32) -> bool {
    [a.x1 - b.x1, a.y1 - b.y1, a.x2 - b.x2, a.y2 - b.y2].iter().all(|edge| edge.abs() <= pixels)
}

fn record(picture: &Picture, objects: Vec<Object>) -> ImageRecord {
    let (width, height) = (picture.width as u32, picture.height as u32);
    ImageRecord {
        id: 1,
        file_name: "a.png".to_owned(),
        path: PathBuf::from("data/a.png"),
        labels: PathBuf::new(),
        width,
        height,
        objects,
    }
}

fn object(bbox: Bbox) -> Object {
    Object {
        annotation_id: 11,
        record: 11,
        class_index: 2,
        bbox_in_image: bbox,
        ignored: false,
        area: f64::from(bbox.area()),
    }
}

/// Bytes as they are, so that tests see grey levels.
fn pipeline(width: usize, height: usize, augment: Option<AugmentConfig>) -> Pipeline {
    Pipeline {
        resize: ResizeConfig { width, height, mode: ResizeMode::Fit, swap_portrait: false },
        normalise: NormaliseConfig { order: ColourOrder::Rgb, range: Range::Byte, mean: [0.0; 3], std: [1.0; 3] },
        augment,
    }
}
