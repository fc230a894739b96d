//! The records of a COCO ground truth, from loose JSON to the evaluator's types, with every defect on the way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use hotcoco::{Annotation, Category, Dataset, Image};
use serde::Deserialize;
use serde_json::Value;

use crate::field;
use crate::finding::{Finding, IdRange, List, Problem};
use crate::loose::{Container, Loose, Shape};

type RawList<T> = Option<Loose<Vec<Loose<T>>>>;

/// A ground truth before its fields are looked at; absent fields are null, further keys are skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawTruth {
    images: RawList<RawImage>,
    annotations: RawList<RawAnnotation>,
    categories: RawList<RawCategory>,
}

impl Shape for RawTruth {
    const CONTAINER: Container = Container::Object;
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawImage {
    id: Value,
    file_name: Value,
    width: Value,
    height: Value,
}

impl Shape for RawImage {
    const CONTAINER: Container = Container::Object;
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawAnnotation {
    id: Value,
    image_id: Value,
    category_id: Value,
    bbox: Value,
    area: Value,
    iscrowd: Value,
}

impl Shape for RawAnnotation {
    const CONTAINER: Container = Container::Object;
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawCategory {
    id: Value,
    name: Value,
}

impl Shape for RawCategory {
    const CONTAINER: Container = Container::Object;
}

/// What messages and checks need of a picture.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) file_name: Option<String>,
    width: f64,
    height: f64,
}

impl Picture {
    /// Width and height in pixels, where the file says them.
    pub(crate) fn size(&self) -> Option<(f64, f64)> {
        (self.width > 0.0 && self.height > 0.0).then_some((self.width, self.height))
    }
}

/// A ground truth without a defect.
pub(crate) struct CheckedTruth {
    /// By image id.
    pub(crate) pictures: HashMap<u64, Picture>,
    /// As the evaluator takes it: no masks, no picture sizes.
    pub(crate) dataset: Dataset,
}

/// Checks all records; gives them all, or all their defects.
pub(crate) fn check_truth(raw: RawTruth) -> Result<CheckedTruth, Vec<Finding>> {
    let mut findings = Vec::new();
    let (images, pictures) = images(raw.images, &mut findings);
    let image_list_sound = findings.is_empty();
    let found_so_far = findings.len();
    let categories = categories(raw.categories, &mut findings);
    let mut known = Known {
        pictures: &pictures,
        // A list with a defect of its own would make every reference to the lost record a second finding.
        images: image_list_sound.then(|| IdRange::of(pictures.keys().copied())),
        category_ids: categories.iter().map(|category| category.id).collect(),
        categories: (findings.len() == found_so_far).then(|| IdRange::of(categories.iter().map(|c| c.id))),
        annotation_ids: FirstIndex::default(),
    };
    known.category_ids.sort_unstable();
    let mut annotations = Vec::new();
    for (index, raw) in records(List::Annotations, raw.annotations, &mut findings) {
        annotations.extend(annotation(index, &raw, &mut known, &mut findings));
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let dataset = Dataset { images, annotations, categories, ..Dataset::default() };
    Ok(CheckedTruth { pictures, dataset })
}

/// Where an id was seen first.
#[derive(Default)]
struct FirstIndex(HashMap<u64, usize>);

impl FirstIndex {
    fn insert(&mut self, id: u64, index: usize) -> Result<u64, Problem> {
        match self.0.entry(id) {
            Entry::Occupied(first) => Err(Problem::DuplicateId { id, first_index: *first.get() }),
            Entry::Vacant(slot) => {
                slot.insert(index);
                Ok(id)
            }
        }
    }
}

/// What annotations may refer to.
struct Known<'a> {
    pictures: &'a HashMap<u64, Picture>,
    /// `None` when the list of images has a defect.
    images: Option<IdRange>,
    /// Sorted.
    category_ids: Vec<u64>,
    /// `None` when the list of categories has a defect.
    categories: Option<IdRange>,
    annotation_ids: FirstIndex,
}

impl Known<'_> {
    fn image(&self, image_id: u64) -> Result<u64, Problem> {
        match self.images {
            Some(known) if !self.pictures.contains_key(&image_id) => Err(Problem::UnknownImage { image_id, known }),
            _ => Ok(image_id),
        }
    }

    fn category(&self, category_id: u64) -> Result<u64, Problem> {
        match self.categories {
            Some(known) if self.category_ids.binary_search(&category_id).is_err() => {
                Err(Problem::UnknownCategory { category_id, known })
            }
            _ => Ok(category_id),
        }
    }
}

/// A record while it is read: its place, and its defects.
struct Reading<'a> {
    list: List,
    index: usize,
    image_id: Option<u64>,
    file_name: Option<String>,
    findings: &'a mut Vec<Finding>,
}

impl Reading<'_> {
    /// The field when it could be read; else its defect is kept.
    fn keep<T>(&mut self, field: &'static str, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.refuse(field, problem)).ok()
    }

    fn refuse(&mut self, field: &'static str, problem: Problem) {
        let (list, index, image_id, file_name) = (self.list, self.index, self.image_id, self.file_name.clone());
        self.findings.push(Finding { list, index: Some(index), image_id, file_name, field, problem });
    }
}

/// The objects of a list with their indices; whatever is no object, or no list, becomes a finding.
fn records<T>(list: List, raw: RawList<T>, findings: &mut Vec<Finding>) -> Vec<(usize, T)> {
    let mut keep = |index, problem| {
        findings.push(Finding { list, index, image_id: None, file_name: None, field: "", problem });
    };
    match raw {
        None => keep(None, Problem::Missing),
        Some(Loose::Other(found)) => {
            keep(None, Problem::WrongType { expected: "an array", found: found.to_owned() });
        }
        Some(Loose::Read(entries)) => {
            let mut objects = Vec::with_capacity(entries.len());
            for (index, entry) in entries.into_iter().enumerate() {
                match entry {
                    Loose::Read(record) => objects.push((index, record)),
                    Loose::Other(found) => keep(Some(index), Problem::NotAnObject { found }),
                }
            }
            return objects;
        }
    }
    Vec::new()
}

fn images(raw: RawList<RawImage>, findings: &mut Vec<Finding>) -> (Vec<Image>, HashMap<u64, Picture>) {
    let (mut images, mut pictures, mut ids) = (Vec::new(), HashMap::new(), FirstIndex::default());
    for (index, raw) in records(List::Images, raw, findings) {
        let file_name = field::optional(&raw.file_name, field::text);
        let (image_id, known_name) = (field::id(&raw.id).ok(), file_name.as_ref().ok().cloned().flatten());
        let mut reading = Reading { list: List::Images, index, image_id, file_name: known_name, findings };
        let id = reading.keep("id", field::id(&raw.id).and_then(|id| ids.insert(id, index)));
        let file_name = reading.keep("file_name", file_name);
        let width = reading.keep("width", field::optional(&raw.width, field::size));
        let height = reading.keep("height", field::optional(&raw.height, field::size));
        if let (Some(id), Some(file_name), Some(width), Some(height)) = (id, file_name, width, height) {
            images.push(Image { id, ..Image::default() });
            pictures.insert(id, Picture { file_name, width: width.unwrap_or(0.0), height: height.unwrap_or(0.0) });
        }
    }
    (images, pictures)
}

fn categories(raw: RawList<RawCategory>, findings: &mut Vec<Finding>) -> Vec<Category> {
    let (mut categories, mut ids) = (Vec::new(), FirstIndex::default());
    for (index, raw) in records(List::Categories, raw, findings) {
        let mut reading = Reading { list: List::Categories, index, image_id: None, file_name: None, findings };
        let id = reading.keep("id", field::id(&raw.id).and_then(|id| ids.insert(id, index)));
        let name = reading.keep("name", field::text(&raw.name));
        if let (Some(id), Some(name)) = (id, name) {
            categories.push(Category { id, name, ..Category::default() });
        }
    }
    categories
}

fn annotation(
    index: usize,
    raw: &RawAnnotation,
    known: &mut Known<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Annotation> {
    let image_id = field::id(&raw.image_id);
    let file_name = image_id.as_ref().ok().and_then(|id| known.pictures.get(id)?.file_name.clone());
    let place = image_id.as_ref().ok().copied();
    let mut reading = Reading { list: List::Annotations, index, image_id: place, file_name, findings };
    let id = reading.keep("id", field::id(&raw.id).and_then(|id| known.annotation_ids.insert(id, index)));
    let image_id = reading.keep("image_id", image_id.and_then(|id| known.image(id)));
    let category_id = reading.keep("category_id", field::id(&raw.category_id).and_then(|id| known.category(id)));
    let bbox = match field::bbox(&raw.bbox) {
        Ok([_, _, width, height]) if width < 0.0 || height < 0.0 => {
            reading.refuse("bbox", Problem::NegativeSize { width, height });
            None
        }
        Ok(bbox) => Some(bbox),
        Err(problems) => {
            problems.into_iter().for_each(|(field, problem)| reading.refuse(field, problem));
            None
        }
    };
    let area = reading.keep("area", field::optional(&raw.area, field::area));
    let iscrowd = reading.keep("iscrowd", field::flag(&raw.iscrowd));
    let bbox = bbox?;
    Some(Annotation {
        id: id?,
        image_id: image_id?,
        category_id: category_id?,
        bbox: Some(bbox),
        area: Some(area?.unwrap_or(bbox[2] * bbox[3])),
        iscrowd: iscrowd?,
        ..Annotation::default()
    })
}
