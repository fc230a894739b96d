//! A picture is written whole, over what was there, and leaves nothing beside it.

use std::fs;

use ghm_report::{ReportError, write_png};
use image::{Rgb, RgbImage};

#[test]
fn a_written_picture_reads_back_the_same_and_replaces_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sample.png");
    fs::write(&path, "an old file").unwrap();
    let picture = RgbImage::from_fn(7, 5, |x, y| Rgb([x as u8, y as u8, 200]));
    write_png(&picture, &path).unwrap();
    assert_eq!(image::open(&path).unwrap().to_rgb8(), picture);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nowhere").join("sample.png");
    let error = write_png(&RgbImage::new(2, 2), &path).unwrap_err();
    assert!(matches!(&error, ReportError::Write { path: named, .. } if named == &path));
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn a_folder_at_the_path_is_an_error_that_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken.png");
    fs::create_dir(&path).unwrap();
    assert!(matches!(write_png(&RgbImage::new(2, 2), &path), Err(ReportError::Write { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_picture_without_pixels_is_an_encoding_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = write_png(&RgbImage::new(0, 3), &folder.path().join("empty.png")).unwrap_err();
    assert!(error.to_string().contains("0x3"), "{error}");
}
