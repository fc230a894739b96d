//! Pictures side by side and enlarged.

use image::{Rgb, RgbImage};

/// Two pictures on white with a gap between them, aligned at the top: truth on the left, prediction on the right.
///
/// The gap is a fiftieth of the greater width and at least two pixels.
pub fn side_by_side(left: &RgbImage, right: &RgbImage) -> RgbImage {
    let gap = (left.width().max(right.width()) / 50).max(2);
    let width = left.width().saturating_add(gap).saturating_add(right.width());
    let mut both = RgbImage::from_pixel(width, left.height().max(right.height()), Rgb([255; 3]));
    copy_into(&mut both, left, 0);
    copy_into(&mut both, right, left.width().saturating_add(gap));
    both
}

fn copy_into(target: &mut RgbImage, source: &RgbImage, from_left: u32) {
    for (x, y, pixel) in source.enumerate_pixels() {
        if let Some(place) = target.get_pixel_mut_checked(from_left.saturating_add(x), y) {
            *place = *pixel;
        }
    }
}

/// The picture with every pixel repeated `factor` times across and down: small pictures get room for readable labels.
///
/// Boxes follow with `bbox.scale(factor, factor)`. A factor of 0 counts as 1.
pub fn enlarge(picture: &RgbImage, factor: u32) -> RgbImage {
    let factor = factor.max(1);
    let (width, height) = (picture.width().saturating_mul(factor), picture.height().saturating_mul(factor));
    RgbImage::from_fn(width, height, |x, y| *picture.get_pixel(x / factor, y / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pictures_are_kept_whole_with_white_between_and_below() {
        let left = RgbImage::from_pixel(3, 4, Rgb([10, 0, 0]));
        let right = RgbImage::from_pixel(5, 2, Rgb([0, 20, 0]));
        let both = side_by_side(&left, &right);
        assert_eq!(both.dimensions(), (3 + 2 + 5, 4));
        let count = |colour: [u8; 3]| both.pixels().filter(|pixel| pixel.0 == colour).count();
        assert_eq!((count([10, 0, 0]), count([0, 20, 0]), count([255; 3])), (12, 10, 40 - 22));
        assert_eq!(both.get_pixel(5, 0).0, [0, 20, 0]);
    }

    #[test]
    fn an_empty_picture_may_stand_beside_another() {
        assert_eq!(side_by_side(&RgbImage::new(0, 0), &RgbImage::new(1, 1)).dimensions(), (3, 1));
    }

    #[test]
    fn an_enlarged_picture_repeats_each_pixel() {
        let picture = RgbImage::from_fn(2, 1, |x, _| Rgb([x as u8, 7, 7]));
        let large = enlarge(&picture, 3);
        assert_eq!(large.dimensions(), (6, 3));
        assert!(large.enumerate_pixels().all(|(x, _, pixel)| pixel.0 == [(x / 3) as u8, 7, 7]));
        assert_eq!(enlarge(&picture, 0), picture);
    }
}
