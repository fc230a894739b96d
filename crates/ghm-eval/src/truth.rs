//! A COCO ground truth, checked once and then ready for any number of evaluations.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hotcoco::{COCO, Dataset};
use serde::Deserialize;
use serde_json::Value;

use crate::error::EvalError;
use crate::finding::IdRange;
use crate::json_text::read_json;
use crate::loose::Loose;
use crate::truth_records::{CheckedTruth, Picture, RawTruth, check_truth};

/// A checked COCO ground truth for boxes.
///
/// `area` and `iscrowd` are kept as given, because the size classes and the matching depend on them. Where the file has no
/// `area` it is width x height; where it has no `iscrowd` it is 0. As in pycocotools, the key `ignore` has no effect:
/// only crowds are ignored.
#[derive(Clone)]
pub struct GroundTruth {
    origin: String,
    pub(crate) coco: Arc<COCO>,
    pictures: HashMap<u64, Picture>,
    pub(crate) classes: Vec<Class>,
    class_indices: HashMap<u64, usize>,
    pub(crate) image_range: IdRange,
    pub(crate) category_range: IdRange,
}

/// A class and how many objects of it are to be found.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) category_id: u64,
    /// The file's name for it, with the id added where two classes share a name.
    pub(crate) name: String,
    /// Annotations that are not crowds.
    pub(crate) ground_truth: usize,
}

impl fmt::Debug for GroundTruth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroundTruth")
            .field("origin", &self.origin)
            .field("images", &self.image_count())
            .field("annotations", &self.annotation_count())
            .field("categories", &self.classes.len())
            .finish()
    }
}

impl GroundTruth {
    /// Reads and checks a COCO annotation file.
    ///
    /// # Errors
    /// The file is missing, empty, binary, truncated, not JSON or no object; or records are defective: a field is missing
    /// or of the wrong type, a number is not finite, an id is used twice or refers to nothing, a size or area is
    /// negative. All defects are listed, each with index and picture.
    pub fn from_coco_file(path: &Path) -> Result<Self, EvalError> {
        Self::check(read_json(path)?, &path.display().to_string())
    }

    /// Checks a COCO ground truth that is already JSON; `origin` names it in messages.
    ///
    /// # Errors
    /// As [`GroundTruth::from_coco_file`], but for the file's own.
    pub fn from_coco_json(json: Value, origin: &str) -> Result<Self, EvalError> {
        let raw = Loose::deserialize(json)
            .map_err(|source: serde_json::Error| EvalError::NotJson { origin: origin.to_owned(), source })?;
        Self::check(raw, origin)
    }

    /// The file, or the name it was given.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Number of pictures, those without annotations included.
    pub fn image_count(&self) -> usize {
        self.pictures.len()
    }

    /// Number of annotations, crowds included.
    pub fn annotation_count(&self) -> usize {
        self.coco.dataset.annotations.len()
    }

    /// The ids of all pictures, in no particular order.
    pub fn image_ids(&self) -> impl Iterator<Item = u64> {
        self.pictures.keys().copied()
    }

    /// The ids of all classes, in the file's order.
    pub fn category_ids(&self) -> impl Iterator<Item = u64> {
        self.classes.iter().map(|class| class.category_id)
    }

    pub(crate) fn picture(&self, image_id: u64) -> Option<&Picture> {
        self.pictures.get(&image_id)
    }

    /// Position of a category in the file's order.
    pub(crate) fn class_index(&self, category_id: u64) -> Option<usize> {
        self.class_indices.get(&category_id).copied()
    }

    fn check(raw: Loose<RawTruth>, origin: &str) -> Result<Self, EvalError> {
        let raw = match raw {
            Loose::Read(raw) => raw,
            Loose::Other(found) => {
                let expected = "an object with images, annotations and categories";
                let remedy = "an array of detections is no ground truth: give the annotation file";
                return Err(EvalError::WrongKind { origin: origin.to_owned(), found, expected, remedy });
            }
        };
        match check_truth(raw) {
            Ok(checked) => Ok(Self::from_checked(origin, checked)),
            Err(findings) => Err(EvalError::Findings { origin: origin.to_owned(), findings }),
        }
    }

    fn from_checked(origin: &str, checked: CheckedTruth) -> Self {
        let CheckedTruth { pictures, dataset } = checked;
        let classes = classes_of(&dataset);
        Self {
            origin: origin.to_owned(),
            image_range: IdRange::of(pictures.keys().copied()),
            category_range: IdRange::of(classes.iter().map(|class| class.category_id)),
            class_indices: classes.iter().enumerate().map(|(index, class)| (class.category_id, index)).collect(),
            coco: Arc::new(COCO::from_dataset(dataset)),
            pictures,
            classes,
        }
    }
}

/// The classes in the file's order, each with a name of its own and its number of objects.
fn classes_of(dataset: &Dataset) -> Vec<Class> {
    let mut named: HashMap<&str, usize> = HashMap::new();
    for category in &dataset.categories {
        *named.entry(&category.name).or_default() += 1;
    }
    let mut objects: HashMap<u64, usize> = HashMap::new();
    for annotation in dataset.annotations.iter().filter(|annotation| !annotation.iscrowd) {
        *objects.entry(annotation.category_id).or_default() += 1;
    }
    let unique_name = |name: &str, id: u64| match named.get(name) {
        Some(2..) => format!("{name} (id {id})"),
        _ => name.to_owned(),
    };
    dataset
        .categories
        .iter()
        .map(|category| Class {
            category_id: category.id,
            name: unique_name(&category.name, category.id),
            ground_truth: objects.get(&category.id).copied().unwrap_or(0),
        })
        .collect()
}
