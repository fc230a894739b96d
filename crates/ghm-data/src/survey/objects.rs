//! Boxes by themselves and beside one another.

use rayon::prelude::*;

use super::SurveyConfig;
use crate::dataset::{Dataset, ImageRecord, Object};
use crate::finding::{Defect, Finding, FindingKind};
use crate::source::Format;

/// Fewest boxes by which a whole split is judged.
const FEWEST: usize = 5;

/// How much larger than the box an area has to be: masks are rounded to whole pixels.
const AREA_PLAY: f64 = 1.05;

/// Two boxes are one when no corner differs by so many pixels.
const SAME: f32 = 0.01;

/// Every defect of a split's boxes, picture by picture.
pub(super) fn check(dataset: &Dataset, format: Format, config: &SurveyConfig) -> Vec<Finding> {
    if let Some(finding) = normalised(dataset, format) {
        return vec![finding];
    }
    let of_picture = |image: &ImageRecord| {
        if image.objects.is_empty() {
            let defect = Defect::new(
                FindingKind::NoObjects,
                format!("`{}` has no object", image.file_name),
                "right if it shows none: it is trained on as background; else label it",
            );
            return vec![defect.at(&image.labels, picture_record(image))];
        }
        let each =
            image.objects.iter().flat_map(|object| alone(object, image, dataset, config).map(move |d| (object, d)));
        let pairs = beside(image, dataset, config);
        let place = |(object, defect): (&Object, Defect)| {
            defect.of_box(corners(object)).at(&image.labels, format.record(object.record))
        };
        each.chain(pairs).map(place).collect()
    };
    dataset.images.par_iter().flat_map_iter(of_picture).collect()
}

/// What stands for a picture in messages.
pub(super) fn picture_record(image: &ImageRecord) -> String {
    format!("image {}", image.id)
}

fn corners(object: &Object) -> [f64; 4] {
    object.bbox_in_image.corners().map(f64::from)
}

/// A split whose boxes all lie in the first pixel.
fn normalised(dataset: &Dataset, format: Format) -> Option<Finding> {
    let boxes: Vec<_> = dataset.images.iter().flat_map(|image| &image.objects).map(|o| o.bbox_in_image).collect();
    let all = boxes.len() >= FEWEST && boxes.iter().all(|bbox| bbox.x2 <= 1.0 && bbox.y2 <= 1.0);
    if format == Format::Yolo || !all {
        return None;
    }
    let reason = format!("all {} boxes lie within the first pixel: they are shares of the picture's size", boxes.len());
    let defect = Defect::new(FindingKind::NormalisedBoxes, reason, "multiply them by width and height");
    Some(defect.at(&dataset.images[0].labels, "annotations"))
}

/// What is wrong with a box whatever else is there.
fn alone<'a>(
    object: &'a Object,
    image: &'a ImageRecord,
    dataset: &'a Dataset,
    config: &SurveyConfig,
) -> impl Iterator<Item = Defect> + use<'a> {
    let bbox = object.bbox_in_image;
    let (width, height) = (bbox.width(), bbox.height());
    let of_class = || format!("a `{}` of {width:.1}x{height:.1} pixels", dataset.categories[object.class_index].name);
    let tiny = (width.min(height) < config.least_side).then(|| {
        let reason = format!("{} in {}x{}", of_class(), image.width, image.height);
        Defect::new(FindingKind::TinyBox, reason, "a stray click? delete it, or train at a size where it can be seen")
    });
    let share = bbox.area() / (image.width as f32 * image.height as f32);
    let huge = (share > config.most_share && !object.ignored).then(|| {
        let reason = format!("{} takes {:.0}% of the picture", of_class(), 100.0 * share);
        Defect::new(FindingKind::HugeBox, reason, "check that the object fills the picture; no anchor may be as large")
    });
    let long = width.max(height) / width.min(height);
    // A tiny box has been told of.
    let extreme = (long >= config.most_elongated && tiny.is_none()).then(|| {
        let reason = format!("{} is {long:.0} times as long as wide", of_class());
        Defect::new(FindingKind::ExtremeShape, reason, "check it: no anchor has such a shape")
    });
    let area = (object.area > AREA_PLAY * f64::from(bbox.area()) + 1.0).then(|| {
        let reason = format!("area is {:.0}, its box has {:.0}", object.area, bbox.area());
        Defect::new(FindingKind::AreaTooLarge, reason, "correct box or area: evaluation sorts objects by it")
    });
    [tiny, huge, extreme, area].into_iter().flatten()
}

/// Pairs of boxes about one object, each told of its second.
fn beside<'a>(image: &'a ImageRecord, dataset: &Dataset, config: &SurveyConfig) -> Vec<(&'a Object, Defect)> {
    let mut objects: Vec<&Object> = image.objects.iter().filter(|object| !object.ignored).collect();
    objects.sort_by(|a, b| a.bbox_in_image.x1.total_cmp(&b.bbox_in_image.x1));
    let mut found = Vec::new();
    for (index, first) in objects.iter().enumerate() {
        // Whoever begins after the end of this one, and all that follow, have nothing in common with it.
        let reach = first.bbox_in_image.x2;
        for second in objects[index + 1..].iter().take_while(|other| other.bbox_in_image.x1 < reach) {
            let (earlier, later) = if first.record < second.record { (first, second) } else { (second, first) };
            found.extend(pair(earlier, later, dataset, config).map(|defect| (*later, defect)));
        }
    }
    found.sort_by_key(|(object, _)| object.record);
    found
}

fn pair(earlier: &Object, later: &Object, dataset: &Dataset, config: &SurveyConfig) -> Option<Defect> {
    let (a, b) = (earlier.bbox_in_image, later.bbox_in_image);
    let iou = a.iou(b);
    if iou <= config.duplicate_iou {
        return None;
    }
    let name = |object: &Object| &dataset.categories[object.class_index].name;
    let edges = [a.x1 - b.x1, a.y1 - b.y1, a.x2 - b.x2, a.y2 - b.y2];
    if earlier.class_index != later.class_index {
        let reason = format!(
            "`{}` and `{}` share a place: IoU {iou:.2} with record {}",
            name(later),
            name(earlier),
            earlier.record
        );
        Some(Defect::new(FindingKind::ConflictingClasses, reason, "both are used; delete the wrong one"))
    } else if edges.iter().all(|edge| edge.abs() < SAME) {
        let reason = format!("the box of this `{}` is that of record {}", name(later), earlier.record);
        Some(Defect::new(FindingKind::DuplicateBox, reason, "both are used; delete one"))
    } else {
        let reason = format!("`{}` overlaps another by an IoU of {iou:.2}: record {}", name(later), earlier.record);
        Some(Defect::new(FindingKind::NearDuplicateBox, reason, "one object labelled twice? delete one"))
    }
}
