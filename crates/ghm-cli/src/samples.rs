//! Sample pictures of a run: labels on the left, boxes found on the right.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ghm_boxes::Bbox;
use ghm_data::{Category, ImageRecord, decode};
use ghm_eval::Detection;
use ghm_report::{DrawnBox, class_colour, draw_boxes, enlarge, side_by_side, write_png};
use ghm_train::{Observer, Plan};
use image::RgbImage;

use crate::failure::in_a_line;

/// How many pictures are drawn.
const PICTURES: usize = 8;

/// The width in pixels that a narrower picture is enlarged to, in whole steps, so that the labels of boxes can be read.
pub const LEGIBLE: u32 = 400;

/// Draws the first pictures of the validation split after every evaluation.
pub struct Samples {
    folder: PathBuf,
}

impl Samples {
    /// Pictures go to `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn draw(&self, plan: &Plan, detections: &[Detection]) -> Result<()> {
        let Some(validation) = &plan.validation else { return Ok(()) };
        std::fs::create_dir_all(&self.folder).with_context(|| format!("{}", self.folder.display()))?;
        let images = &validation.dataset.images;
        let labels_of_all = images.iter().flat_map(|image| &image.objects).filter(|object| !object.ignored).count();
        let score = score_of_nth(detections.iter().map(|d| d.score).collect(), labels_of_all);
        for image in images.iter().take(PICTURES) {
            // A picture that cannot be read has been reported already.
            let Ok(picture) = open_picture(&image.path) else { continue };
            let truth = annotated(&picture, labels(image, plan.categories()), LEGIBLE);
            let of_image = detections.iter().filter(|d| d.image_id == image.id && d.score >= score);
            let found = annotated(&picture, drawn(of_image, plan.categories()), LEGIBLE);
            let path = self.folder.join(format!("{:06}.png", image.id));
            write_png(&side_by_side(&truth, &found), &path)?;
        }
        Ok(())
    }
}

/// The score that as many boxes reach as there are labels. Losses differ in how high their scores are; this compares
/// like with like, and no number needs to be chosen.
fn score_of_nth(mut scores: Vec<f64>, labels: usize) -> f64 {
    scores.sort_by(|a, b| b.total_cmp(a));
    match labels.checked_sub(1).map(|last| scores.get(last)) {
        Some(nth) => nth.copied().unwrap_or(0.0),
        None => f64::INFINITY,
    }
}

impl Observer for Samples {
    fn detections(&mut self, plan: &Plan, detections: &[Detection]) {
        if let Err(error) = self.draw(plan, detections) {
            eprintln!("warning: the sample pictures cannot be written: {}", in_a_line(&error));
        }
    }
}

/// A picture file's pixels.
pub fn open_picture(path: &Path) -> Result<RgbImage> {
    let picture = decode(path)?;
    let (width, height) = (picture.width as u32, picture.height as u32);
    RgbImage::from_raw(width, height, picture.pixels).context("the picture has no pixels")
}

/// A picture with boxes; one narrower than `width` is enlarged first.
pub fn annotated(picture: &RgbImage, mut boxes: Vec<DrawnBox>, width: u32) -> RgbImage {
    let factor = (width / picture.width().max(1)).max(1);
    let mut large = enlarge(picture, factor);
    for drawn in &mut boxes {
        drawn.bbox_in_image = drawn.bbox_in_image.scale(factor as f32, factor as f32);
    }
    draw_boxes(&mut large, &boxes);
    large
}

fn labels(image: &ImageRecord, categories: &[Category]) -> Vec<DrawnBox> {
    let one = |object: &ghm_data::Object| DrawnBox {
        bbox_in_image: object.bbox_in_image,
        label: categories.get(object.class_index).map_or(String::new(), |c| c.name.clone()),
        colour: class_colour(object.class_index),
    };
    image.objects.iter().map(one).collect()
}

/// Detections as boxes with class and score, worst first, so that the best lie on top.
pub fn drawn<'a>(detections: impl Iterator<Item = &'a Detection>, categories: &[Category]) -> Vec<DrawnBox> {
    let places: HashMap<u64, usize> = categories.iter().enumerate().map(|(i, c)| (c.id, i)).collect();
    let mut boxes: Vec<DrawnBox> = detections
        .filter_map(|detection| {
            let class_index = *places.get(&detection.category_id)?;
            Some(DrawnBox {
                bbox_in_image: Bbox::from_xywh(detection.bbox.map(|v| v as f32)),
                label: format!("{} {:.2}", categories[class_index].name, detection.score),
                colour: class_colour(class_index),
            })
        })
        .collect();
    boxes.reverse();
    boxes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_boxes_reach_the_score_as_there_are_labels() {
        assert_eq!(score_of_nth(vec![0.2, 0.9, 0.4], 2), 0.4);
        assert_eq!(score_of_nth(vec![0.2, 0.9], 5), 0.0);
        assert_eq!(score_of_nth(vec![0.2], 0), f64::INFINITY);
    }
}
