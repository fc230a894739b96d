//! A data set as a YOLO folder: `data.yaml`, lists of pictures, one text file a picture.

use std::path::Path;

use serde_yaml_ng::{Mapping, Value};

use super::manifest::SPLITS;
use crate::dataset::{ImageRecord, Object};
use crate::error::DataError;
use crate::write::{Loss, Losses, PictureNames, WrittenSplit, count, count_what_only_coco_holds, make, write_text};

/// Refuses splits that `data.yaml` has no key for.
pub(crate) fn expect_names(splits: &[WrittenSplit]) -> Result<(), DataError> {
    let Some(other) = splits.iter().find(|split| !SPLITS.contains(&split.name.as_str())) else { return Ok(()) };
    let reason = format!("split `{}`: a data.yaml has {} and no others", other.name, SPLITS.join(", "));
    Err(DataError::malformed(Path::new("data.yaml"), "splits", reason, "choose the splits, or give them these names"))
}

/// Writes the manifest, lists and labels.
pub(crate) fn write(splits: &[WrittenSplit], names: &PictureNames, folder: &Path) -> Result<Losses, DataError> {
    let labels = folder.join("labels");
    make(&labels)?;
    let mut losses = Losses::new();
    count_what_only_coco_holds(splits, &mut losses);
    let mut manifest = Mapping::new();
    for split in splits {
        make(&labels.join(&split.name))?;
        let mut list = String::new();
        for image in &split.dataset.images {
            list += &format!("./images/{}\n", names.of(image));
            count(&mut losses, Loss::Ignored, image.objects.iter().filter(|object| object.ignored).count());
            write_text(&labels.join(format!("{}.txt", names.stem(image))), &lines(image))?;
        }
        write_text(&folder.join(format!("{}.txt", split.name)), &list)?;
        manifest.insert(split.name.clone().into(), format!("{}.txt", split.name).into());
    }
    if let Some(split) = splits.first() {
        let categories = &split.dataset.categories;
        count(&mut losses, Loss::CategoryIds, (0..).zip(categories).filter(|(index, c)| c.id != *index).count());
        let names = (0u64..).zip(categories).map(|(index, category)| (index.into(), category.name.clone().into()));
        manifest.insert("names".into(), Value::Mapping(names.collect()));
    }
    let path = folder.join("data.yaml");
    let text = serde_yaml_ng::to_string(&manifest);
    let text = text.map_err(|error| DataError::malformed(&path, "file", error.to_string(), "rename the classes"))?;
    write_text(&path, &text)?;
    Ok(losses)
}

/// Class, centre, width and height, in shares of the picture.
fn lines(image: &ImageRecord) -> String {
    let (width, height) = (f64::from(image.width), f64::from(image.height));
    let line = |object: &Object| {
        let [x1, y1, x2, y2] = {
            let bbox = object.bbox_in_image;
            bbox.corners().map(f64::from)
        };
        let (cx, cy) = ((x1 + x2) / 2.0 / width, (y1 + y2) / 2.0 / height);
        format!("{} {cx} {cy} {} {}\n", object.class_index, (x2 - x1) / width, (y2 - y1) / height)
    };
    image.objects.iter().filter(|object| !object.ignored).map(line).collect()
}
