//! Large JPEGs that are wanted small are decoded smaller, and nothing else about them changes.

use std::sync::Arc;

use ghm_boxes::Bbox;
use ghm_data::{
    AugmentConfig, Batch, Dataset, ImageRecord, Loader, LoaderConfig, Order, Picture, PixelForm, Pixels, decode_bytes,
};
use jpeg_encoder::{ColorType, Encoder};

use super::{exif_of, jpeg, object, pipeline, png_of, record, smooth};

/// 2.2 million pixels, and a block that is cut in both directions.
const SIZE: (usize, usize) = (1805, 1203);

fn batch(bytes: &[u8], size: (u32, u32), augment: Option<AugmentConfig>, cache: usize) -> Batch {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("large.jpg");
    std::fs::write(&path, bytes).expect("a writable folder");
    let picture = Picture { width: size.0 as usize, height: size.1 as usize, pixels: Vec::new() };
    let image = ImageRecord { path, ..record(&picture, vec![object(Bbox::new(100.0, 200.0, 700.0, 900.0))]) };
    let dataset = Dataset { categories: Vec::new(), images: vec![image] };
    let order = Order { seed: 3, images: 1, batch_size: 1, shuffle: false, drop_last: false };
    let config = LoaderConfig { threads: 0, queue: 1, cache, form: PixelForm::Planes };
    let loader = Loader::new(Arc::new(dataset), pipeline(320, 320, augment), order, config).expect("good settings");
    let first = loader.epoch(0, 0).next().expect("one batch");
    assert_eq!(loader.epoch(0, 0).next().as_ref(), Some(&first));
    first
}

/// Expects the batch that the whole picture gives, as a PNG, to a grey level on the average.
fn assert_near_the_whole(bytes: &[u8], size: (u32, u32), augment: Option<AugmentConfig>, cache: usize, what: &str) {
    let whole = decode_bytes(bytes, std::path::Path::new("large.jpg")).expect("a good picture");
    let [found, expected] = [bytes, &png_of(&whole)].map(|bytes| batch(bytes, size, augment.clone(), cache));
    assert!(found.skipped.is_empty(), "{what}: {:?}", found.skipped);
    assert_eq!((&found.samples, found.shape), (&expected.samples, expected.shape), "{what}");
    let (Pixels::Planes(found), Pixels::Planes(expected)) = (found.pixels, expected.pixels) else {
        panic!("planes were asked for")
    };
    let differences: Vec<f32> = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).collect();
    let mean = differences.iter().sum::<f32>() / differences.len() as f32;
    let worst = differences.iter().copied().fold(0.0, f32::max);
    assert!(mean < 1.0 && worst < 6.0, "{what}: {mean} on the average, {worst}");
    assert!(mean > 0.0, "{what}: it was decoded in full");
}

#[test]
fn a_large_picture_wanted_small_is_near_what_the_whole_gives_with_the_same_boxes() {
    let picture = smooth(SIZE.0, SIZE.1);
    let coded = |set: fn(&mut Encoder<&mut Vec<u8>>)| jpeg(&picture.pixels, SIZE, ColorType::Rgb, set);
    let scaled = AugmentConfig { scale: [0.4, 1.6], flip_vertical: 0.5, turn_quarter: 0.5, ..AugmentConfig::default() };
    for (name, bytes) in [
        ("baseline", coded(|_| ())),
        ("progressive", coded(|encoder| encoder.set_progressive(true))),
        ("subsampled", coded(|encoder| encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2))),
    ] {
        for augment in [None, Some(scaled.clone())] {
            for cache in [0, 1 << 24] {
                assert_near_the_whole(&bytes, (SIZE.0 as u32, SIZE.1 as u32), augment.clone(), cache, name);
            }
        }
    }
}

#[test]
fn a_large_grey_or_turned_picture_is_reduced_too() {
    let picture = smooth(SIZE.0, SIZE.1);
    let grey: Vec<u8> = picture.pixels.iter().step_by(3).copied().collect();
    let bytes = jpeg(&grey, SIZE, ColorType::Luma, |_| ());
    assert_near_the_whole(&bytes, (SIZE.0 as u32, SIZE.1 as u32), None, 0, "grey");
    // Sides of whole blocks; those that are not are read whole, as the next test shows.
    let size = (1808, 1200);
    let picture = smooth(size.0, size.1);
    for orientation in 2..=8 {
        let bytes = turned(&picture, orientation);
        let upright = if orientation >= 5 { (size.1, size.0) } else { size };
        let upright = (upright.0 as u32, upright.1 as u32);
        assert_near_the_whole(&bytes, upright, None, 0, &format!("orientation {orientation}"));
    }
}

fn turned(picture: &Picture, orientation: u16) -> Vec<u8> {
    let exif = exif_of(orientation);
    jpeg(&picture.pixels, (picture.width, picture.height), ColorType::Rgb, |encoder| {
        encoder.add_exif_metadata(&exif).expect("room for EXIF");
    })
}

/// Expects the batch of the whole picture, bit for bit.
fn assert_read_whole(bytes: &[u8], size: (u32, u32), what: &str) {
    let whole = decode_bytes(bytes, std::path::Path::new("large.jpg")).expect("a good picture");
    let [found, expected] = [bytes, &png_of(&whole)].map(|bytes| batch(bytes, size, None, 0));
    assert!(found.skipped.is_empty(), "{what}: {:?}", found.skipped);
    assert!(found.pixels == expected.pixels, "{what}");
}

#[test]
fn what_cannot_be_reduced_safely_is_read_whole() {
    // Nearly square: which side is which cannot be seen after halving.
    for size in [SIZE, (1499, 1500)] {
        for orientation in [3, 6, 7] {
            let upright = if orientation >= 5 { (size.1, size.0) } else { size };
            let upright = (upright.0 as u32, upright.1 as u32);
            let bytes = turned(&smooth(size.0, size.1), orientation);
            assert_read_whole(&bytes, upright, &format!("{size:?}, orientation {orientation}"));
        }
    }
    // An Adobe segment that says: not transformed.
    let picture = smooth(SIZE.0, SIZE.1);
    let mut bytes = jpeg(&picture.pixels, SIZE, ColorType::Rgb, |_| ());
    let adobe = [&[0xff, 0xee, 0, 14][..], b"Adobe", &[0, 100, 0, 0, 0, 0, 0]].concat();
    bytes.splice(2..2, adobe);
    assert_read_whole(&bytes, (SIZE.0 as u32, SIZE.1 as u32), "Adobe");
}

#[test]
fn a_large_picture_that_is_cut_short_or_of_another_size_is_left_out() {
    let bytes = jpeg(&smooth(SIZE.0, SIZE.1).pixels, SIZE, ColorType::Rgb, |_| ());
    let size = (SIZE.0 as u32, SIZE.1 as u32);
    let skipped = |bytes: &[u8], size| batch(bytes, size, None, 0).skipped.pop().expect("left out").reason;
    for kept in [bytes.len() / 2, bytes.len() - 2, 700] {
        let reason = skipped(&bytes[..kept], size);
        assert!(reason.contains("JPEG"), "{kept}: {reason}");
    }
    let reason = skipped(&bytes, (size.0 + 8, size.1));
    assert!(reason.contains("1805") && reason.contains("1813"), "{reason}");
}
