//! Batches in order, whatever the threads and the pictures.

use std::{path::Path, sync::Arc};

use ghm_boxes::Bbox;
use ghm_data::{
    AugmentConfig, Batch, Dataset, ImageRecord, Loader, LoaderConfig, Order, Pipeline, PixelForm, Pixels, Sample,
};

use super::{jpeg_of, object, pipeline, png_of, record, smooth};

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
    caching(dataset, threads, 0)
}

/// A loader that keeps so many bytes of pixels.
fn caching(dataset: &Dataset, threads: usize, cache: usize) -> Loader {
    of_form(dataset, augmented(), LoaderConfig { threads, cache, ..CONFIG })
}

const CONFIG: LoaderConfig = LoaderConfig { threads: 0, queue: 3, cache: 0, form: PixelForm::Planes };

fn of_form(dataset: &Dataset, pipeline: Pipeline, config: LoaderConfig) -> Loader {
    let order = Order { seed: 42, images: dataset.images.len(), batch_size: 2, shuffle: true, drop_last: false };
    Loader::new(Arc::new(dataset.clone()), pipeline, order, config).expect("good settings")
}

fn planes(batch: &Batch) -> &[f32] {
    match &batch.pixels {
        Pixels::Planes(planes) => planes,
        Pixels::Bytes(_) => panic!("planes were asked for"),
    }
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
fn pictures_that_are_kept_give_the_same_batches_and_changed_files_are_read_anew() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = split(folder.path());
    // Room for all, for some, for none.
    for cache in [1 << 20, 30_000, 10] {
        for threads in [0, 3] {
            let (kept, plain) = (caching(&dataset, threads, cache), loader(&dataset, threads));
            for epoch in 0..3 {
                assert!(
                    kept.epoch(epoch, 0).eq(plain.epoch(epoch, 0)),
                    "{cache} bytes, {threads} threads, epoch {epoch}"
                );
            }
            let image = &dataset.images[1];
            let before = std::fs::read(&image.path).expect("a readable file");
            let mut other = smooth(image.width as usize, image.height as usize);
            other.pixels.reverse();
            std::fs::write(&image.path, png_of(&other)).expect("a writable file");
            let changed: Vec<Batch> = kept.epoch(2, 0).collect();
            assert!(changed == plain.epoch(2, 0).collect::<Vec<_>>(), "{cache} bytes, {threads} threads");
            std::fs::write(&image.path, before).expect("a writable file");
            assert!(changed != kept.epoch(2, 0).collect::<Vec<_>>(), "the other picture should differ");
        }
    }
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
            let Pixels::Planes(planes) = &mut batch.pixels else { panic!("planes were asked for") };
            planes.fill(f32::NAN);
            loader.recycle(batch);
        }
    }
}

#[test]
fn bytes_become_the_planes_of_the_same_epoch_to_the_rounding_of_changed_colours() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = split(folder.path());
    let plain = AugmentConfig { flip_vertical: 0.5, turn_quarter: 0.5, scale: [0.6, 1.6], ..AugmentConfig::default() };
    let recoloured = AugmentConfig { brightness: 0.3, hue: 0.05, ..plain.clone() };
    for (augment, bytes_off) in [(plain, 0.0), (recoloured, 0.501)] {
        let pipeline = pipeline(128, 96, Some(augment));
        let normalise = pipeline.normalise;
        let tolerance = bytes_off * normalise.affine().map(|(factor, _)| factor).into_iter().fold(0.0, f32::max);
        let [numbers, bytes] = [PixelForm::Planes, PixelForm::Bytes]
            .map(|form| of_form(&dataset, pipeline.clone(), LoaderConfig { form, ..CONFIG }));
        for epoch in 0..3 {
            for (numbers, mut batch) in numbers.epoch(epoch, 0).zip(bytes.epoch(epoch, 0)) {
                assert_eq!((numbers.shape, &numbers.samples), (batch.shape, &batch.samples));
                let sizes: Vec<(usize, usize)> = batch.samples.iter().map(|sample| sample.content_size).collect();
                let made = batch.pixels.planes(batch.shape, &sizes, &normalise);
                let worst = made.iter().zip(planes(&numbers)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(made.len() == numbers.pixels.len() && worst <= tolerance, "{worst}");
                let Pixels::Bytes(left) = &mut batch.pixels else { panic!("bytes were asked for") };
                left.fill(77); // no trace of it in the next batch
                bytes.recycle(batch);
            }
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
        for (plane, sample) in planes(&batch).chunks(height * width).zip(batch.samples.iter().flat_map(|s| [s; 3])) {
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
    let config = LoaderConfig { threads: 1, queue: 1, ..CONFIG };
    let message = |pipeline, order, config| {
        Loader::new(Arc::clone(&dataset), pipeline, order, config).expect_err("a bad setting").to_string()
    };
    assert!(message(pipeline(0, 9, None), order, config).starts_with("input.width = 0"));
    assert!(message(pipeline(9, 9, None), Order { batch_size: 0, ..order }, config).starts_with("batch_size = 0"));
    assert!(message(pipeline(9, 9, None), Order { images: 1, ..order }, config).starts_with("order.images = 1"));
    let no_queue = LoaderConfig { queue: 0, ..config };
    assert!(message(pipeline(9, 9, None), order, no_queue).starts_with("loader.queue = 0"));
}
