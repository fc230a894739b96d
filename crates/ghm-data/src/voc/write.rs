//! A data set as a Pascal VOC folder.

use std::fmt::Write;
use std::path::Path;

use ghm_boxes::Bbox;

use super::{ANNOTATIONS, PICTURES};
use crate::coco::shortest;
use crate::dataset::{Category, ImageRecord, Object};
use crate::error::DataError;
use crate::write::{Loss, Losses, PictureNames, WrittenSplit, count, count_what_only_coco_holds, make, write_text};

/// Writes annotation files and lists.
pub(crate) fn write(splits: &[WrittenSplit], names: &PictureNames, folder: &Path) -> Result<Losses, DataError> {
    let (annotations, lists) = (folder.join(ANNOTATIONS), folder.join("ImageSets").join("Main"));
    let categories = splits.iter().flat_map(|split| &split.dataset.categories);
    if let Some(category) = categories.into_iter().find(|category| category.name.contains(char::is_control)) {
        let reason = format!("{:?} has a control character, which XML cannot hold", category.name);
        return Err(DataError::malformed(folder, &format!("category {}", category.id), reason, "rename the class"));
    }
    make(&annotations)?;
    make(&lists)?;
    let mut losses = Losses::new();
    count_what_only_coco_holds(splits, &mut losses);
    count_classes(splits, &mut losses);
    for split in splits {
        let mut list = String::new();
        for image in &split.dataset.images {
            list += &format!("{}\n", names.stem(image));
            let (points, boxes): (Vec<_>, Vec<_>) =
                image.objects.iter().partition(|object| is_point(object.bbox_in_image));
            count(&mut losses, Loss::OnePixelBoxes, points.len());
            let text = xml(image, names.of(image), &boxes, &split.dataset.categories);
            write_text(&annotations.join(format!("{}.xml", names.stem(image))), &text)?;
        }
        write_text(&lists.join(format!("{}.txt", split.name)), &list)?;
    }
    Ok(losses)
}

/// Whether the numbers of a box would be those of a point.
fn is_point(bbox: Bbox) -> bool {
    let [x1, y1, x2, y2] = corners(bbox);
    x1 == x2 || y1 == y2
}

/// `[xmin, ymin, xmax, ymax]`, counted from 1.
fn corners(bbox: Bbox) -> [f64; 4] {
    [shortest(bbox.x1) + 1.0, shortest(bbox.y1) + 1.0, shortest(bbox.x2), shortest(bbox.y2)]
}

fn count_classes(splits: &[WrittenSplit], losses: &mut Losses) {
    let Some(categories) = splits.first().map(|split| &split.dataset.categories) else { return };
    let has_objects = |index: usize| {
        let objects = splits.iter().flat_map(|split| &split.dataset.images).flat_map(|image| &image.objects);
        objects.into_iter().any(|object| object.class_index == index)
    };
    let used: Vec<&Category> =
        (0..categories.len()).filter(|index| has_objects(*index)).map(|i| &categories[i]).collect();
    let mut sorted: Vec<&str> = used.iter().map(|category| category.name.as_str()).collect();
    sorted.sort_unstable();
    let kept = used.iter().zip(&sorted).zip(1..).filter(|((c, name), id)| c.name == **name && c.id == *id).count();
    count(losses, Loss::CategoryIds, used.len() - kept);
    count(losses, Loss::EmptyClasses, categories.len() - used.len());
    count(losses, Loss::Names, used.iter().filter(|category| category.name.trim() != category.name).count());
}

fn xml(image: &ImageRecord, name: &str, objects: &[&Object], categories: &[Category]) -> String {
    let mut text = format!(
        "<annotation>\n  <folder>{PICTURES}</folder>\n  <filename>{}</filename>\n  <size>\n    <width>{}</width>\n    \
         <height>{}</height>\n    <depth>3</depth>\n  </size>\n",
        escaped(name),
        image.width,
        image.height
    );
    for object in objects {
        let [xmin, ymin, xmax, ymax] = corners(object.bbox_in_image);
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "  <object>\n    <name>{}</name>\n    <difficult>{}</difficult>\n    <bndbox>\n      <xmin>{xmin}</xmin>\n      \
             <ymin>{ymin}</ymin>\n      <xmax>{xmax}</xmax>\n      <ymax>{ymax}</ymax>\n    </bndbox>\n  </object>\n",
            escaped(&categories[object.class_index].name),
            u8::from(object.ignored)
        );
    }
    text + "</annotation>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
