//! Pascal VOC folders: `Annotations/*.xml`, `JPEGImages`, and the lists of `ImageSets/Main`.
//!
//! VOC counts pixels from 1 and its corners belong to the box: `(xmin, ymin, xmax, ymax)` covers
//! `[xmin - 1, ymin - 1, xmax, ymax]` here. Labels that start at 0 (many tools write them) are clipped to the picture
//! without a finding. Two equal coordinates would make a box one pixel wide; they come from a stray click and count as
//! a box without size. Classes are sorted by name over all annotation files, so that every split agrees on them.

mod lists;
mod write;
mod xml;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;

use crate::check::{place_box, unreadable};
use crate::dataset::{Category, ImageRecord, Object};
use crate::error::DataError;
use crate::finding::{Defect, Finding, FindingKind};
use crate::header::read_size;
use crate::source::{Entry, Loaded, PICTURE_ENDINGS, assemble, entries, has_ending};
use lists::{Listed, Split};
pub(crate) use write::write;
use xml::{Labels, RawObject};

/// The folder of the XML files.
pub(crate) const ANNOTATIONS: &str = "Annotations";
/// The folder of the pictures.
pub(crate) const PICTURES: &str = "JPEGImages";

/// The VOC folder that `root` is, or whose `Annotations` folder it is.
pub(crate) fn find(root: &Path) -> Option<PathBuf> {
    let holds_xml =
        |folder: &Path| entries(folder).is_ok_and(|paths| paths.iter().any(|path| has_ending(path, &["xml"])));
    let annotations = root.join(ANNOTATIONS);
    if annotations.is_dir() && (holds_xml(&annotations) || root.join(PICTURES).is_dir()) {
        return Some(root.to_path_buf());
    }
    let is_annotations = root.file_name().is_some_and(|name| name == ANNOTATIONS) && holds_xml(root);
    is_annotations.then(|| root.parent().unwrap_or(Path::new("")).to_path_buf())
}

/// An opened VOC folder.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    splits: Vec<Split>,
    /// Pictures by their name without ending.
    pictures: HashMap<String, Vec<PathBuf>>,
    /// Annotation files by their name without ending, sorted.
    files: Vec<(String, PathBuf)>,
    labels: OnceLock<HashMap<String, Result<Labels, Defect>>>,
}

impl Folder {
    pub fn open(root: &Path) -> Result<Self, DataError> {
        let annotations = root.join(ANNOTATIONS);
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let listed = entries(&annotations)?.into_iter().filter(|path| has_ending(path, &["xml"]));
        let files: Vec<(String, PathBuf)> = listed.map(|path| (stem(&path), path)).collect();
        if files.is_empty() {
            let remedy = "put one XML a picture there";
            return Err(DataError::malformed(&annotations, "folder", "it holds no XML file", remedy));
        }
        let mut pictures: HashMap<String, Vec<PathBuf>> = HashMap::new();
        for path in entries(&root.join(PICTURES))?.into_iter().filter(|path| has_ending(path, &PICTURE_ENDINGS)) {
            pictures.entry(stem(&path)).or_default().push(path);
        }
        let splits = lists::find(root)?;
        Ok(Self { root: root.to_path_buf(), splits, pictures, files, labels: OnceLock::new() })
    }

    pub fn splits(&self) -> Vec<String> {
        self.splits.iter().map(|split| split.name.clone()).collect()
    }

    pub fn load(&self, split: &str) -> Result<Loaded, DataError> {
        let annotations = self.root.join(ANNOTATIONS);
        let list = self.splits.iter().find(|known| known.name == split).and_then(|split| split.list.as_deref());
        let listed = match list {
            Some(list) => lists::read(list)?,
            None => self.files.iter().map(|(name, path)| Listed::file(name, path)).collect(),
        };
        let labels = self
            .labels
            .get_or_init(|| self.files.par_iter().map(|(name, path)| (name.clone(), xml::read(path))).collect());
        let categories = categories(labels);
        if categories.is_empty() {
            let remedy = "check that the files have <object><name>...</name></object>";
            return Err(DataError::malformed(&annotations, "object", "no annotation file names a class", remedy));
        }
        let class_of: HashMap<&str, usize> =
            categories.iter().enumerate().map(|(index, category)| (category.name.as_str(), index)).collect();
        let (listed, findings) = lists::without_repeats(listed);
        let entries = listed.par_iter().map(|listed| self.entry(listed, labels, &class_of)).collect();
        assemble(entries, categories.clone(), (list.unwrap_or(&annotations), split), findings)
    }

    fn entry(
        &self,
        listed: &Listed,
        labels: &HashMap<String, Result<Labels, Defect>>,
        class_of: &HashMap<&str, usize>,
    ) -> Entry {
        let name = listed.name_among(labels);
        let xml = self.root.join(ANNOTATIONS).join(format!("{name}.xml"));
        let labels = match labels.get(name) {
            Some(Ok(labels)) => labels,
            Some(Err(defect)) => {
                return Entry::left_out(defect.clone().at(&xml, "file")).without(self.picture(name, None));
            }
            None => {
                let reason = format!("`{name}` has no {}", xml.display());
                let remedy = "left out; label the picture or take it off the list";
                return Entry::left_out(
                    Defect::new(FindingKind::MissingLabels, reason, remedy).at(&listed.file, &listed.record),
                )
                .without(self.picture(name, None));
            }
        };
        let Some(path) = self.picture(name, labels.filename.as_deref()) else {
            let reason = format!("no picture {name}.jpg, .png or other in {}", self.root.join(PICTURES).display());
            let defect = Defect::new(FindingKind::MissingPicture, reason, "left out; restore the picture");
            return Entry::left_out(defect.at(&xml, "file"));
        };
        let (width, height) = match labels.size.map_or_else(|| read_size(path), Ok) {
            Ok(size) => size,
            Err(error) => return Entry::left_out(unreadable(error).at(path, "file")).without(Some(path)),
        };
        let (objects, findings) = place_objects(&labels.objects, (width, height), class_of, &xml);
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let image = ImageRecord { id: 0, file_name, path: path.to_path_buf(), labels: xml, width, height, objects };
        Entry { image: Some(image), findings, left_out: None, objects_listed: labels.objects.len() as u64 }
    }

    /// The picture that goes by the name of the XML file; of several, the one that `<filename>` says, else by ending.
    fn picture(&self, name: &str, stated: Option<&str>) -> Option<&Path> {
        let candidates = self.pictures.get(name)?;
        let stated = candidates.iter().find(|path| path.file_name().and_then(|n| n.to_str()) == stated);
        let by_ending = || {
            candidates.iter().min_by_key(|path| PICTURE_ENDINGS.iter().position(|ending| has_ending(path, &[ending])))
        };
        stated.or_else(by_ending).map(PathBuf::as_path)
    }
}

fn categories(labels: &HashMap<String, Result<Labels, Defect>>) -> Vec<Category> {
    let objects = labels.values().flatten().flat_map(|labels| labels.objects.iter().flatten());
    let names: BTreeSet<&str> = objects.map(|object| object.name.as_str()).collect();
    (1..).zip(names).map(|(id, name)| Category { id, name: name.to_owned() }).collect()
}

fn place_objects(
    objects: &[Result<RawObject, Defect>],
    size: (u32, u32),
    class_of: &HashMap<&str, usize>,
    xml: &Path,
) -> (Vec<Object>, Vec<Finding>) {
    let (mut placed, mut findings) = (Vec::new(), Vec::new());
    for (number, object) in (1..).zip(objects) {
        let record = format!("object {number}");
        let outcome = object.as_ref().map_err(Clone::clone).and_then(|object| place_object(object, size, class_of));
        match outcome {
            Ok((mut object, note)) => {
                (object.annotation_id, object.record) = (number, number);
                placed.push(object);
                findings.extend(note.map(|defect| defect.at(xml, record)));
            }
            Err(defect) => findings.push(defect.at(xml, record)),
        }
    }
    (placed, findings)
}

fn place_object(
    object: &RawObject,
    size: (u32, u32),
    class_of: &HashMap<&str, usize>,
) -> Result<(Object, Option<Defect>), Defect> {
    let [xmin, ymin, xmax, ymax] = object.corners;
    let written = format!("{:?} (xmin, ymin, xmax, ymax) of `{}`", object.corners, object.name);
    let first = |low: f64, high: f64| if low == high { low } else { low - 1.0 };
    let placed = place_box([first(xmin, xmax), first(ymin, ymax), xmax, ymax], size, &written)?;
    let Some(&class_index) = class_of.get(object.name.as_str()) else {
        let reason = format!("class `{}` is not known", object.name);
        return Err(Defect::new(FindingKind::UnknownClass, reason, "left out"));
    };
    let object = Object {
        annotation_id: 0,
        record: 0,
        class_index,
        bbox_in_image: placed.bbox,
        ignored: object.difficult,
        area: f64::from(placed.bbox.area()),
    };
    Ok((object, placed.partly_outside))
}
