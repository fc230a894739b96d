//! YOLO data sets: a `data.yaml`, folders or lists of pictures, and one text file a picture.
//!
//! Labels are found by replacing the last `images` in a picture's path by `labels` and its ending by `.txt`; a picture
//! without such a file is background. Sizes come from the pictures' headers. Polygons become their bounding boxes.

mod labels;
mod listing;
mod manifest;
mod write;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::check::{duplicate_names, place_box, unreadable};
use crate::dataset::{ImageRecord, Object};
use crate::error::DataError;
use crate::finding::{Defect, Finding, FindingKind};
use crate::header::read_size;
use crate::source::{Entry, Loaded, assemble, text};
use labels::{Lines, RawLabel};
use listing::Listed;

pub(crate) use manifest::{Manifest, find};
pub(crate) use write::{expect_names, write};

/// Reads one split.
pub(crate) fn load(manifest: &Manifest, split: &str) -> Result<Loaded, DataError> {
    let mut findings = duplicate_names(&manifest.categories, &manifest.file);
    let listed = listing::pictures(manifest, split, &mut findings)?;
    let class_of: HashMap<u64, usize> =
        manifest.categories.iter().enumerate().map(|(index, category)| (category.id, index)).collect();
    let entries: Vec<Entry> = listed.par_iter().map(|listed| entry(listed, &class_of)).collect();
    if let Some(first) = listed.first()
        && !listed.iter().any(|listed| label_path(&listed.path).is_file())
    {
        let expected = label_path(&first.path);
        let reason = format!("none of the {} pictures of split `{split}` has a label file", listed.len());
        let defect = Defect::new(FindingKind::MissingLabels, reason, "all count as background; put the labels there");
        findings.push(defect.at(&expected, "file"));
    }
    assemble(entries, manifest.categories.clone(), (&manifest.file, split), findings)
}

fn entry(listed: &Listed, class_of: &HashMap<u64, usize>) -> Entry {
    let (width, height) = match read_size(&listed.path) {
        Ok(size) => size,
        Err(DataError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            let reason = format!("picture {} is not there", listed.path.display());
            let defect = Defect::new(FindingKind::MissingPicture, reason, "left out; restore it or delete the line");
            return Entry::left_out(defect.at(&listed.file, &listed.record));
        }
        Err(error) => return Entry::left_out(unreadable(error).at(&listed.path, "file")).without(Some(&listed.path)),
    };
    let label_file = label_path(&listed.path);
    let labels = match read_labels(&label_file) {
        Ok(labels) => labels,
        Err(finding) => return Entry::left_out(*finding).without(Some(&listed.path)),
    };
    let (mut objects, mut findings) = (Vec::new(), Vec::new());
    for (number, (line, label)) in (1..).zip(&labels) {
        match label.as_ref().map_err(Clone::clone).and_then(|label| place_label(label, (width, height), class_of)) {
            Ok((object, note)) => {
                objects.push(Object { annotation_id: number, record: *line as u64, ..object });
                findings.extend(note.map(|defect| defect.at(&label_file, format!("line {line}"))));
            }
            Err(defect) => findings.push(defect.at(&label_file, format!("line {line}"))),
        }
    }
    let (file_name, path) = (listed.file_name.clone(), listed.path.clone());
    let image = ImageRecord { id: 0, file_name, path, labels: label_file, width, height, objects };
    Entry { image: Some(image), findings, left_out: None, objects_listed: labels.len() as u64 }
}

/// The labels by their line; none where the file is missing.
fn read_labels(file: &Path) -> Result<Lines, Box<Finding>> {
    match text::read_possibly_empty(file) {
        Ok(content) => Ok(labels::parse(&content)),
        Err(DataError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(DataError::Malformed { record, reason, remedy, .. }) => {
            let remedy = format!("the picture is left out; {remedy}");
            Err(Box::new(Defect::new(FindingKind::UnreadableLabels, reason, remedy).at(file, record)))
        }
        Err(error) => {
            let remedy = "the picture is left out; check the file and its permissions";
            Err(Box::new(Defect::new(FindingKind::UnreadableLabels, error.to_string(), remedy).at(file, "file")))
        }
    }
}

fn place_label(
    label: &RawLabel,
    size: (u32, u32),
    class_of: &HashMap<u64, usize>,
) -> Result<(Object, Option<Defect>), Defect> {
    let Some(&class_index) = u64::try_from(label.class).ok().and_then(|class| class_of.get(&class)) else {
        let reason = format!("class {} is not in names", label.class);
        return Err(Defect::new(
            FindingKind::UnknownClass,
            reason,
            "left out; add the class to data.yaml or correct it",
        ));
    };
    let (width, height) = (f64::from(size.0), f64::from(size.1));
    let [x1, y1, x2, y2] = label.corners;
    let corners = [x1 * width, y1 * height, x2 * width, y2 * height];
    let mut placed = place_box(corners, size, &label.written).map_err(|defect| explain_pixels(defect, label))?;
    placed.partly_outside = placed.partly_outside.map(|defect| explain_pixels(defect, label));
    let object = Object {
        annotation_id: 0,
        record: 0,
        class_index,
        bbox_in_image: placed.bbox,
        ignored: false,
        area: f64::from(placed.bbox.area()),
    };
    Ok((object, placed.partly_outside))
}

/// A label far outside of 0..1 was most likely written in pixels.
fn explain_pixels(mut defect: Defect, label: &RawLabel) -> Defect {
    let is_outside = matches!(defect.kind, FindingKind::OutsidePicture | FindingKind::PartlyOutside);
    if is_outside && label.corners.iter().any(|corner| corner.abs() > 2.0) {
        defect
            .remedy
            .push_str("; YOLO coordinates are shares of the picture's width and height, these look like pixels");
    }
    defect
}

/// Where the labels of a picture lie.
fn label_path(picture: &Path) -> PathBuf {
    let parts: Vec<_> = picture.components().map(|part| part.as_os_str()).collect();
    let last_images = parts.iter().rposition(|part| *part == "images");
    let replaced = parts
        .iter()
        .enumerate()
        .map(|(index, part)| if Some(index) == last_images { std::ffi::OsStr::new("labels") } else { part });
    replaced.collect::<PathBuf>().with_extension("txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_images_of_a_path_becomes_labels() {
        let label_of = |path: &str| label_path(Path::new(path)).display().to_string();
        assert_eq!(label_of("/images/set/images/train/a.b.jpg"), "/images/set/labels/train/a.b.txt");
        assert_eq!(label_of("pictures/a.png"), "pictures/a.txt");
        assert_eq!(label_of("/set/my_images/a.png"), "/set/my_images/a.txt");
    }
}
