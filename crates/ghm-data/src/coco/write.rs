//! A data set as a COCO instances file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use ghm_boxes::Bbox;
use serde_json::{Value, json};

use crate::dataset::{Dataset, ImageRecord, Object};
use crate::error::DataError;

/// Writes [`to_coco_json`] to `path`: beside it first, then renamed, so that no half file is ever seen.
///
/// # Errors
///
/// [`DataError::Io`] when the file cannot be written.
pub fn write_coco(dataset: &Dataset, path: &Path) -> Result<(), DataError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".partial-{}", std::process::id()));
    let beside = Path::new(&beside);
    let written = write_synced(&to_coco_json(dataset), beside).and_then(|()| std::fs::rename(beside, path));
    written.map_err(|source| {
        let _ = std::fs::remove_file(beside);
        DataError::io(path, "write the file")(source)
    })
}

fn write_synced(value: &Value, path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    serde_json::to_writer(&mut file, value)?;
    file.flush()?;
    file.get_ref().sync_all()
}

/// The data set as COCO instances: `images`, `annotations` (`bbox` as `[x, y, width, height]`, `area`, `iscrowd`) and
/// `categories`.
///
/// `file_name` is that of the record, not the path. Ignored objects become crowds. Coordinates are written with the
/// fewest digits that give the same single-precision box when read again.
pub fn to_coco_json(dataset: &Dataset) -> Value {
    let images: Vec<Value> = dataset
        .images
        .iter()
        .map(
            |image| json!({"id": image.id, "file_name": image.file_name, "width": image.width, "height": image.height}),
        )
        .collect();
    let annotations: Vec<Value> = dataset
        .images
        .iter()
        .flat_map(|image| image.objects.iter().map(|object| annotation(dataset, image, object)))
        .collect();
    let categories: Vec<Value> =
        dataset.categories.iter().map(|category| json!({"id": category.id, "name": category.name})).collect();
    json!({"images": images, "annotations": annotations, "categories": categories})
}

fn annotation(dataset: &Dataset, image: &ImageRecord, object: &Object) -> Value {
    json!({
        "id": object.annotation_id,
        "image_id": image.id,
        "category_id": dataset.categories.get(object.class_index).map(|category| category.id),
        "bbox": xywh(object.bbox_in_image),
        "area": object.area,
        "iscrowd": u8::from(object.ignored),
    })
}

pub(crate) fn xywh(bbox: Bbox) -> [f64; 4] {
    let (x, y) = (shortest(bbox.x1), shortest(bbox.y1));
    [x, y, extent(x, bbox.x2), extent(y, bbox.y2)]
}

/// The double whose decimal digits are the fewest that name this single.
pub(crate) fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// `end - start` to nine decimals where that leads back to `end`, else in full.
#[expect(clippy::cast_possible_truncation, reason = "the reader keeps single precision")]
fn extent(start: f64, end: f32) -> f64 {
    let full = shortest(end) - start;
    let rounded = (full * 1e9).round() / 1e9;
    let leads_back = |extent: f64| ((start + extent) as f32).to_bits() == end.to_bits();
    if leads_back(rounded) { rounded } else { full }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn coordinates_keep_the_digits_of_the_original_file() {
        let (x, width) = (10.1f64, 92.3f64);
        assert_eq!(xywh(Bbox::new(x as f32, 0.0, (x + width) as f32, 1.0)), [10.1, 0.0, 92.3, 1.0]);
    }

    proptest! {
        #[test]
        fn a_written_box_is_read_back_bit_for_bit(x1 in 0.0f32..5e3, y1 in 0.0f32..5e3, w in 1e-3f32..5e3, h in 1e-3f32..5e3) {
            let bbox = Bbox::new(x1, y1, x1 + w, y1 + h);
            let [x, y, width, height] = xywh(bbox);
            prop_assert_eq!(Bbox::new(x as f32, y as f32, (x + width) as f32, (y + height) as f32), bbox);
        }
    }
}
