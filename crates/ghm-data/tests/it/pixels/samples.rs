//! From a picture to a sample: boxes follow their pixels through resize, turn, flip, scale and crop.

use ghm_boxes::Bbox;
use ghm_data::{AugmentConfig, ImageRecord, Object, Picture, Pipeline, Sample};
use proptest::prelude::*;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{extent, object, painted, pipeline, record, smooth, within};

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
        6 => (proptest::array::uniform4(sure), scale).prop_map(|([flip_horizontal, flip_vertical, turn_quarter, turn_half], scale)| {
            let turns = AugmentConfig { turn_quarter, turn_half, ..AugmentConfig::default() };
            Some(AugmentConfig { flip_horizontal, flip_vertical, scale, min_visible: 0.0, ..turns })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn boxes_follow_their_pixels_through_resize_turn_flip_scale_and_crop(
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
