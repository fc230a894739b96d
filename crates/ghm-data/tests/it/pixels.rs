//! From picture files to batches: decoding every kind, boxes that follow their pixels, loading in order.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use ghm_boxes::Bbox;
use ghm_data::{
    AugmentConfig, Batch, ColourOrder, Dataset, ImageRecord, Loader, LoaderConfig, NormaliseConfig, Object, Order,
    Picture, Pipeline, PixelError, Range, ResizeConfig, ResizeMode, Sample, decode, decode_bytes,
};
use jpeg_encoder::{ColorType, Encoder};
use proptest::prelude::*;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

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

fn jpeg(
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

fn jpeg_of(picture: &Picture) -> Vec<u8> {
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

fn png_of(picture: &Picture) -> Vec<u8> {
    png_bytes(&picture.pixels, (picture.width, picture.height), |encoder| encoder.set_color(png::ColorType::Rgb))
}

fn decoded(bytes: &[u8]) -> Picture {
    decode_bytes(bytes, Path::new("picture.jpg")).expect("a good picture")
}

fn refused(bytes: &[u8]) -> String {
    let error = decode_bytes(bytes, Path::new("photos/picture.jpg")).expect_err("a bad picture");
    let message = error.to_string();
    assert!(message.starts_with("photos/picture.jpg: "), "{message}");
    message
}

/// Largest difference of two pictures of one size, in grey levels.
fn difference(a: &Picture, b: &Picture) -> u8 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    a.pixels.iter().zip(&b.pixels).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

/// EXIF of one field in little-endian TIFF: the orientation.
fn exif_of(orientation: u16) -> Vec<u8> {
    let [low, high] = orientation.to_le_bytes();
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend([low, high, 0, 0, 0, 0, 0, 0]);
    tiff
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
    ImageRecord { id: 1, file_name: "a.png".to_owned(), path: PathBuf::from("data/a.png"), width, height, objects }
}

fn object(bbox: Bbox) -> Object {
    Object { annotation_id: 11, class_index: 2, bbox_in_image: bbox, ignored: false, area: f64::from(bbox.area()) }
}

/// Bytes as they are, so that tests see grey levels.
fn pipeline(width: usize, height: usize, augment: Option<AugmentConfig>) -> Pipeline {
    Pipeline {
        resize: ResizeConfig { width, height, mode: ResizeMode::Fit, swap_portrait: false },
        normalise: NormaliseConfig { order: ColourOrder::Rgb, range: Range::Byte, mean: [0.0; 3], std: [1.0; 3] },
        augment,
    }
}

fn prepare(pipeline: &Pipeline, picture: &Picture, objects: Vec<Object>, seed: u64) -> (Vec<f32>, Sample) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    pipeline.prepare(picture, 0, &record(picture, objects), &mut rng).expect("sizes agree")
}

/// Pictures with a rectangle of whole pixels that is neither tiny nor everything.
fn any_painted() -> impl Strategy<Value = ((usize, usize), Bbox)> {
    (40usize..260, 40usize..260).prop_flat_map(|(width, height)| {
        (0..width / 2, 0..height / 2, width / 6..width / 2, height / 6..height / 2)
            .prop_map(move |(x, y, w, h)| ((width, height), Bbox::from_xywh([x as f32, y as f32, w as f32, h as f32])))
    })
}

fn any_augment() -> impl Strategy<Value = Option<AugmentConfig>> {
    let sure = prop_oneof![Just(0.0f32), Just(1.0)];
    let scale = prop_oneof![Just([1.0f32, 1.0]), Just([1.0, 2.5]), Just([0.4, 1.0]), Just([0.5, 2.0])];
    prop_oneof![
        1 => Just(None),
        6 => (sure.clone(), sure, scale).prop_map(|(flip_horizontal, flip_vertical, scale)| {
            Some(AugmentConfig { flip_horizontal, flip_vertical, scale, min_visible: 0.0, ..AugmentConfig::default() })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn boxes_follow_their_pixels_through_resize_flip_scale_and_crop(
        ((width, height), bbox) in any_painted(),
        (input_w, input_h) in (64usize..320, 64usize..320),
        augment in any_augment(),
        seed in any::<u64>(),
    ) {
        let pipeline = pipeline(input_w, input_h, augment);
        let (pixels, sample) = prepare(&pipeline, &painted(width, height, bbox), vec![object(bbox)], seed);
        let found = extent(&pixels, sample.content_size, 1);
        // What a crop cuts to a sliver is too thin to be seen at half brightness.
        let seen = sample.bboxes_in_input.iter().filter(|bbox| bbox.width() >= 3.0 && bbox.height() >= 3.0);
        for &bbox_in_input in seen {
            // Half brightness finds an edge to within half a pixel, whole pixels to within another.
            prop_assert!(within(found, bbox_in_input, 1.0), "{found:?} {bbox_in_input:?} {sample:?}");
        }
        if sample.bboxes_in_input.is_empty() {
            prop_assert!(found.x2 - found.x1 <= 1.0 || found.y2 - found.y1 <= 1.0, "{found:?} {sample:?}");
        }
    }

    #[test]
    fn the_inverse_map_takes_boxes_back_to_the_picture(
        ((width, height), bbox) in any_painted(),
        (input_w, input_h) in (64usize..320, 64usize..320),
        flip_horizontal in prop_oneof![Just(0.0f32), Just(1.0)],
    ) {
        let pipeline = pipeline(input_w, input_h, Some(AugmentConfig { flip_horizontal, ..AugmentConfig::default() }));
        let (_, sample) = prepare(&pipeline, &painted(width, height, bbox), vec![object(bbox)], 1);
        let back = sample.input_from_image.invert().apply(sample.bboxes_in_input[0]);
        // f32 boxes of a few hundred pixels.
        prop_assert!(within(back, bbox, 1e-3), "{back:?} {bbox:?}");
    }
}

#[test]
fn labels_stay_with_their_boxes_and_crowds_apart() {
    let picture = smooth(100, 50);
    let mut crowd = object(Bbox::new(0.0, 0.0, 100.0, 50.0));
    crowd.ignored = true;
    let objects = vec![crowd, object(Bbox::new(10.0, 10.0, 20.0, 30.0))];
    let (pixels, sample) = prepare(&pipeline(200, 200, None), &picture, objects, 0);
    assert_eq!((sample.content_size, sample.image_size, pixels.len()), ((200, 100), (100, 50), 3 * 200 * 100));
    assert_eq!(sample.bboxes_in_input, [Bbox::new(20.0, 20.0, 40.0, 60.0)]);
    assert_eq!((&sample.class_indices[..], &sample.annotation_ids[..]), (&[2][..], &[11][..]));
    assert_eq!(sample.ignored_in_input, [Bbox::new(0.0, 0.0, 200.0, 100.0)]);
}

#[test]
fn a_box_of_which_a_crop_leaves_too_little_is_ignored_and_one_left_out_is_gone() {
    let picture = smooth(128, 128);
    let augment = |min_visible| AugmentConfig {
        flip_horizontal: 0.0,
        scale: [2.0, 2.0],
        min_visible,
        ..AugmentConfig::default()
    };
    let boxes: Vec<_> = (0..16).map(|i| Bbox::from_xywh([8.0 * i as f32, 8.0 * i as f32, 8.0, 8.0])).collect();
    let objects: Vec<_> = boxes.iter().map(|&bbox| object(bbox)).collect();
    let (mut ignored, mut gone) = (0, 0);
    for seed in 0..20 {
        let (_, all) = prepare(&pipeline(128, 128, Some(augment(0.0))), &picture, objects.clone(), seed);
        let (_, most) = prepare(&pipeline(128, 128, Some(augment(0.5))), &picture, objects.clone(), seed);
        assert!(all.ignored_in_input.is_empty());
        // Scaled by 2, a whole box covers 256 square pixels.
        assert!(most.bboxes_in_input.iter().all(|bbox| bbox.area() >= 127.9));
        assert!(most.ignored_in_input.iter().all(|bbox| bbox.area() < 128.1));
        assert_eq!(most.bboxes_in_input.len() + most.ignored_in_input.len(), all.bboxes_in_input.len());
        ignored += most.ignored_in_input.len();
        gone += boxes.len() - all.bboxes_in_input.len();
    }
    assert!(ignored > 0 && gone > 0);
}

#[test]
fn colour_jitter_changes_pixels_and_moves_no_box() {
    let picture = smooth(64, 64);
    let still = AugmentConfig { flip_horizontal: 0.0, ..AugmentConfig::default() };
    let jitter = AugmentConfig { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, ..still.clone() };
    let objects = vec![object(Bbox::new(5.0, 6.0, 30.0, 40.0))];
    let (plain, sample) = prepare(&pipeline(64, 64, Some(still)), &picture, objects.clone(), 3);
    let (changed, same_sample) = prepare(&pipeline(64, 64, Some(jitter)), &picture, objects, 3);
    assert_ne!(plain, changed);
    assert_eq!(sample, same_sample);
    assert!(changed.iter().all(|value| (0.0..=255.0).contains(value)));
}

#[test]
fn a_picture_of_another_size_than_its_record_is_an_error_with_both_sizes() {
    let picture = smooth(30, 20);
    let wrong = ImageRecord { width: 60, ..record(&picture, Vec::new()) };
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let message = pipeline(64, 64, None).prepare(&picture, 0, &wrong, &mut rng).expect_err("sizes differ").to_string();
    assert!(message.starts_with("data/a.png: 30 x 20 pixels, but the data set says 60 x 20"), "{message}");
}

/// Nine pictures of different sizes as JPEG and PNG files, each with a box.
fn split(folder: &Path) -> Dataset {
    let image = |index: usize| {
        let picture = smooth(50 + 13 * index, 90 - 6 * index);
        let (ending, bytes) =
            if index.is_multiple_of(2) { ("jpg", jpeg_of(&picture)) } else { ("png", png_of(&picture)) };
        let file_name = format!("{index}.{ending}");
        let path = folder.join(&file_name);
        std::fs::write(&path, bytes).expect("a writable folder");
        let objects = vec![object(Bbox::new(4.0, 5.0, 34.0, 25.0))];
        ImageRecord { id: 100 + index as u64, file_name, path, ..record(&picture, objects) }
    };
    Dataset { categories: Vec::new(), images: (0..9).map(image).collect() }
}

fn augmented() -> Pipeline {
    let augment = AugmentConfig { brightness: 0.3, hue: 0.05, scale: [0.6, 1.6], ..AugmentConfig::default() };
    pipeline(128, 96, Some(augment))
}

fn loader(dataset: &Dataset, threads: usize) -> Loader {
    let order = Order { seed: 42, images: dataset.images.len(), batch_size: 2, shuffle: true, drop_last: false };
    let config = LoaderConfig { threads, queue: 3 };
    Loader::new(Arc::new(dataset.clone()), augmented(), order, config).expect("good settings")
}

#[test]
fn batches_are_the_same_bits_for_any_number_of_threads() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = split(folder.path());
    let alone: Vec<Batch> = loader(&dataset, 0).epoch(1, 0).collect();
    assert_eq!(alone.len(), 5);
    for threads in [1, 2, 5] {
        assert_eq!(loader(&dataset, threads).epoch(1, 0).collect::<Vec<_>>(), alone, "{threads} threads");
    }
    assert_ne!(loader(&dataset, 2).epoch(2, 0).collect::<Vec<_>>(), alone);
}

#[test]
fn an_epoch_begun_in_the_middle_is_the_tail_of_the_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = split(folder.path());
    let loader = loader(&dataset, 2);
    let whole: Vec<Batch> = loader.epoch(3, 0).collect();
    assert_eq!(loader.epoch(3, 2).collect::<Vec<_>>(), whole[2..]);
    assert_eq!(loader.epoch(3, 5).count() + loader.epoch(3, 99).count(), 0);
}

#[test]
fn every_place_and_epoch_has_a_draw_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut dataset = split(folder.path());
    dataset.images = vec![dataset.images[0].clone(); 9];
    let loader = loader(&dataset, 1);
    let samples: Vec<_> = (0..3).flat_map(|epoch| loader.epoch(epoch, 0)).flat_map(|batch| batch.samples).collect();
    for (index, sample) in samples.iter().enumerate() {
        assert!(samples[..index].iter().all(|other| other.input_from_image != sample.input_from_image));
    }
}

#[test]
fn recycled_buffers_leave_no_trace_of_older_pictures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = split(folder.path());
    let fresh: Vec<Batch> = loader(&dataset, 1).epoch(0, 0).collect();
    let loader = loader(&dataset, 1);
    for _ in 0..3 {
        for (mut batch, fresh) in loader.epoch(0, 0).zip(&fresh) {
            assert_eq!(batch, *fresh);
            batch.pixels.fill(f32::NAN);
            loader.recycle(batch);
        }
    }
}

#[test]
fn a_batch_is_as_large_as_its_largest_picture_and_zero_around_the_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = split(folder.path());
    for batch in loader(&dataset, 2).epoch(0, 0) {
        let [images, channels, height, width] = batch.shape;
        assert_eq!((images, channels, width % 32, height % 32), (batch.samples.len(), 3, 0, 0));
        assert_eq!(batch.pixels.len(), images * 3 * height * width);
        let largest = |side: fn(&Sample) -> usize| batch.samples.iter().map(side).max().map(|s| s.next_multiple_of(32));
        assert_eq!(largest(|sample| sample.content_size.0), Some(width));
        assert_eq!(largest(|sample| sample.content_size.1), Some(height));
        for (plane, sample) in batch.pixels.chunks(height * width).zip(batch.samples.iter().flat_map(|s| [s; 3])) {
            let (content_w, content_h) = sample.content_size;
            for (at, value) in plane.iter().enumerate() {
                let outside = at % width >= content_w || at / width >= content_h;
                assert!(!outside || *value == 0.0);
            }
            assert!(plane.iter().any(|value| *value != 0.0));
        }
    }
}

#[test]
fn pictures_that_cannot_be_used_are_left_out_and_listed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut dataset = split(folder.path());
    let whole = std::fs::read(&dataset.images[4].path).expect("a file");
    std::fs::write(&dataset.images[4].path, &whole[..whole.len() / 2]).expect("a writable folder");
    std::fs::remove_file(&dataset.images[6].path).expect("a file");
    dataset.images[7].width += 1;
    let batches: Vec<Batch> = loader(&dataset, 3).epoch(0, 0).collect();
    let mut skipped: Vec<_> = batches.iter().flat_map(|batch| &batch.skipped).collect();
    skipped.sort_by_key(|skipped| skipped.image_id);
    assert_eq!(skipped.iter().map(|skipped| skipped.image_id).collect::<Vec<_>>(), [104, 106, 107]);
    assert_eq!(skipped[0].path, dataset.images[4].path);
    let words = ["cut short", "cannot be read", "141 x 48 pixels, but the data set says 142 x 48"];
    for (skipped, words) in skipped.into_iter().zip(words) {
        let named = skipped.reason.starts_with(&skipped.path.display().to_string());
        assert!(named && skipped.reason.contains(words), "{}", skipped.reason);
    }
    assert_eq!(batches.iter().map(|batch| batch.samples.len()).sum::<usize>(), 6);
}

#[test]
fn one_bad_picture_changes_no_other_sample() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = split(folder.path());
    let whole: Vec<Batch> = loader(&dataset, 1).epoch(0, 0).collect();
    std::fs::write(&dataset.images[4].path, b"").expect("a writable folder");
    let damaged: Vec<Batch> = loader(&dataset, 2).epoch(0, 0).collect();
    let samples = |batches: &[Batch]| -> Vec<Sample> {
        batches.iter().flat_map(|batch| batch.samples.clone()).filter(|sample| sample.image_id != 104).collect()
    };
    assert_eq!(samples(&whole), samples(&damaged));
}

#[test]
fn a_batch_without_a_readable_picture_is_empty_and_not_missing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = split(folder.path());
    for image in &dataset.images {
        std::fs::write(&image.path, b"not a picture").expect("a writable folder");
    }
    for batch in loader(&dataset, 2).epoch(0, 0) {
        assert_eq!((batch.shape, batch.pixels.len(), batch.samples.len()), ([0, 3, 0, 0], 0, 0));
        assert!(!batch.skipped.is_empty());
    }
}

#[test]
fn an_epoch_left_early_can_be_followed_by_another() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = split(folder.path());
    let loader = loader(&dataset, 4);
    let mut left_early = loader.epoch(0, 0);
    assert_eq!(left_early.next().map(|batch| (batch.epoch, batch.step)), Some((0, 0)));
    drop(left_early);
    assert_eq!(loader.epoch(1, 0).map(|batch| batch.step).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn settings_that_make_no_sense_are_refused_with_their_key() {
    let dataset = Arc::new(Dataset { categories: Vec::new(), images: Vec::new() });
    let order = Order { seed: 0, images: 0, batch_size: 2, shuffle: true, drop_last: false };
    let config = LoaderConfig { threads: 1, queue: 1 };
    let message = |pipeline, order, config| {
        Loader::new(Arc::clone(&dataset), pipeline, order, config).expect_err("a bad setting").to_string()
    };
    assert!(message(pipeline(0, 9, None), order, config).starts_with("resize.width = 0"));
    assert!(message(pipeline(9, 9, None), Order { batch_size: 0, ..order }, config).starts_with("batch_size = 0"));
    assert!(message(pipeline(9, 9, None), Order { images: 1, ..order }, config).starts_with("order.images = 1"));
    let no_queue = LoaderConfig { queue: 0, ..config };
    assert!(message(pipeline(9, 9, None), order, no_queue).starts_with("loader.queue = 0"));
}
