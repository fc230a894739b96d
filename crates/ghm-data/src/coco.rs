//! COCO instances files, read and written.
//!
//! Categories are sorted by id, pictures and annotations keep the order of the file. `iscrowd` objects are kept as
//! ignored. The size of a picture is the one the file states; no picture is opened.

mod classes;
mod files;
mod json;
mod pictures;
mod record;
mod write;

use std::collections::{HashMap, HashSet, hash_map::Entry};
use std::path::Path;

use crate::check::{duplicate_names, place_box};
use crate::dataset::{Category, Dataset, ImageRecord, Object};
use crate::error::{DataError, Problem};
use crate::finding::{Defect, Finding, FindingKind};
use crate::source::{Loaded, empty_split, text};
use json::List;
use pictures::PictureFolders;
use record::{RawAnnotation, RawImage, Records};

pub use classes::{coco_classes, coco_classes_by_number};
pub(crate) use files::{SplitFile, find};
pub(crate) use write::{shortest, xywh};
pub use write::{to_coco_json, write_coco};

/// Reads one split.
pub(crate) fn load(files: &[SplitFile], root: &Path, split: &str) -> Result<Loaded, DataError> {
    let Some(SplitFile { json, .. }) = files.iter().find(|file| file.split == split) else {
        return Err(empty_split(root, split, &[]));
    };
    let mut records = Records::default();
    let content = text::read(json)?;
    json::read_records(&content, json, &mut |list, index, record| records.take(list, index, &record))?;
    drop(content);
    refuse_ambiguous(&mut records);
    if !records.problems.is_empty() {
        return Err(DataError::Records { path: json.to_path_buf(), problems: records.problems });
    }
    if records.categories.is_empty() {
        let remedy = "list the classes as {\"id\": 1, \"name\": \"...\"}";
        return Err(DataError::malformed(json, "categories", "the list is empty", remedy));
    }
    records.categories.sort_by_key(|category| category.id);
    let mut split_of_file = Assembly::new(json, records.categories);
    split_of_file.place_images(records.images, &PictureFolders::new(json, root, split));
    split_of_file.place_annotations(&records.annotations);
    split_of_file.finish(split)
}

/// Image and category ids that occur twice make every reference to them ambiguous.
fn refuse_ambiguous(records: &mut Records) {
    let images = repeated(List::Images, records.images.iter().map(|image| image.id));
    let categories = repeated(List::Categories, records.categories.iter().map(|category| category.id));
    // With other problems about, the indices of the lists are no longer those of the file.
    if records.problems.is_empty() {
        records.problems.extend(images.into_iter().chain(categories));
    }
}

fn repeated(list: List, ids: impl Iterator<Item = u64>) -> Vec<Problem> {
    let mut first_of: HashMap<u64, usize> = HashMap::new();
    let mut problems = Vec::new();
    for (index, id) in ids.enumerate() {
        match first_of.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(index);
            }
            Entry::Occupied(first) => problems.push(Problem {
                record: format!("{}[{index}].id", list.key()),
                reason: format!("{id} is already the id of {}[{}]; give each its own", list.key(), first.get()),
            }),
        }
    }
    problems
}

/// A split under construction.
struct Assembly<'a> {
    json: &'a Path,
    categories: Vec<Category>,
    images: Vec<ImageRecord>,
    /// By image id: the index in `images`, `None` for a picture that is not on disk.
    index_of_image: HashMap<u64, Option<usize>>,
    findings: Vec<Finding>,
    corners: Corners,
}

/// Whether the four numbers of boxes are corners after all.
#[derive(Debug, Default)]
struct Corners {
    boxes: usize,
    /// Of them, those that would be corners inside their picture.
    fitting: usize,
    /// Of them, those that stick out of it as they are.
    outside: usize,
}

impl Corners {
    /// Fewest boxes to go by, and the share of them that sticks out.
    const FEWEST: usize = 5;
    const OUTSIDE: usize = 5;

    fn take(&mut self, [x, y, width, height]: [f64; 4], picture: (u32, u32)) {
        let (right, bottom) = (f64::from(picture.0) + 1.0, f64::from(picture.1) + 1.0);
        self.boxes += 1;
        self.fitting += usize::from(x < width && y < height && width <= right && height <= bottom);
        self.outside += usize::from(x + width > right || y + height > bottom);
    }

    fn are_meant(&self) -> bool {
        self.boxes >= Self::FEWEST && self.fitting == self.boxes && self.outside * Self::OUTSIDE >= self.boxes
    }
}

impl<'a> Assembly<'a> {
    fn new(json: &'a Path, categories: Vec<Category>) -> Self {
        let findings = duplicate_names(&categories, json);
        Self {
            json,
            categories,
            images: Vec::new(),
            index_of_image: HashMap::new(),
            findings,
            corners: Corners::default(),
        }
    }

    fn place_images(&mut self, images: Vec<RawImage>, folders: &PictureFolders) {
        for image in images {
            let Some(path) = folders.find(&image.file_name) else {
                let reason = format!("picture `{}` lies in none of {}", image.file_name, folders.describe());
                let defect = Defect::new(
                    FindingKind::MissingPicture,
                    reason,
                    "left out; restore the picture or correct its file_name",
                );
                self.findings.push(defect.at(self.json, format!("image {}", image.id)));
                self.index_of_image.insert(image.id, None);
                continue;
            };
            self.index_of_image.insert(image.id, Some(self.images.len()));
            self.images.push(ImageRecord {
                id: image.id,
                file_name: image.file_name,
                path,
                labels: self.json.to_path_buf(),
                width: image.width,
                height: image.height,
                objects: Vec::new(),
            });
        }
    }

    fn place_annotations(&mut self, annotations: &[RawAnnotation]) {
        let class_of: HashMap<u64, usize> =
            self.categories.iter().enumerate().map(|(index, category)| (category.id, index)).collect();
        let mut seen = HashSet::new();
        for annotation in annotations {
            let record = format!("annotation {}", annotation.id);
            if !seen.insert(annotation.id) {
                let reason = "this annotation id occurs a second time";
                let defect = Defect::new(FindingKind::DuplicateId, reason, "left out; give each annotation its own id");
                self.findings.push(defect.at(self.json, record));
                continue;
            }
            match self.place_annotation(annotation, &class_of) {
                Ok(None) => {}
                Ok(Some(note)) => self.findings.push(note.at(self.json, record)),
                Err(defect) => self.findings.push(defect.at(self.json, record)),
            }
        }
    }

    /// Adds the object to its picture; the defect returned within `Ok` is one that leaves the object in.
    fn place_annotation(
        &mut self,
        annotation: &RawAnnotation,
        class_of: &HashMap<u64, usize>,
    ) -> Result<Option<Defect>, Defect> {
        let Some(place) = self.index_of_image.get(&annotation.image_id) else {
            let reason = format!("image_id {} is not in images", annotation.image_id);
            return Err(Defect::new(FindingKind::UnknownImage, reason, "left out; list the picture or delete it"));
        };
        let Some(&class_index) = class_of.get(&annotation.category_id) else {
            let reason = format!("category_id {} is not in categories", annotation.category_id);
            return Err(Defect::new(FindingKind::UnknownClass, reason, "left out; list the class or delete it"));
        };
        // Annotations of a picture that is missing have been reported with it.
        let Some(image) = place.and_then(|index| self.images.get_mut(index)) else { return Ok(None) };
        let [x, y, width, height] = annotation.xywh;
        let written = format!("{:?} (x, y, width, height)", annotation.xywh);
        self.corners.take(annotation.xywh, (image.width, image.height));
        let placed = place_box([x, y, x + width, y + height], (image.width, image.height), &written)?;
        let stated = annotation.area.filter(|area| area.is_finite() && *area >= 0.0);
        image.objects.push(Object {
            annotation_id: annotation.id,
            record: annotation.id,
            class_index,
            bbox_in_image: placed.bbox,
            ignored: annotation.ignored,
            area: stated.unwrap_or_else(|| f64::from(placed.bbox.area())),
        });
        let bad_area = annotation.area.filter(|_| stated.is_none()).map(|area| {
            Defect::new(FindingKind::BadArea, format!("area is {area}"), "the area of the box is used instead")
        });
        Ok(placed.partly_outside.or(bad_area))
    }

    fn finish(mut self, split: &str) -> Result<Loaded, DataError> {
        if self.corners.are_meant() {
            // One word for all of them.
            self.findings.retain(|finding| finding.kind != FindingKind::PartlyOutside);
            let Corners { boxes, outside, .. } = self.corners;
            let reason = format!(
                "{outside} of {boxes} boxes stick out of their pictures, and none would if its four numbers were corners"
            );
            let remedy = "COCO's bbox is [x, y, width, height]: write x2 - x1 and y2 - y1";
            self.findings.push(Defect::new(FindingKind::CornersForSize, reason, remedy).at(self.json, "annotations"));
        }
        if self.images.is_empty() {
            return Err(empty_split(self.json, split, &self.findings));
        }
        let dataset = Dataset { categories: self.categories, images: self.images };
        Ok(Loaded { dataset, findings: self.findings, left_out: Vec::new() })
    }
}
