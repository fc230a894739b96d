//! Opening a data set: finding its format out, listing its splits, loading one.

mod assemble;
pub(crate) mod text;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::coco;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::finding::Finding;
use crate::voc;
use crate::yolo;

pub(crate) use assemble::{Entry, assemble};

/// The formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// COCO instances JSON.
    Coco,
    /// Pascal VOC: one XML a picture.
    Voc,
    /// YOLO: a `data.yaml` and one text file a picture.
    Yolo,
}

impl Format {
    /// What [`crate::Object::record`] counts: `annotation 17`, `object 2`, `line 3`.
    pub fn record(self, number: u64) -> String {
        let what = match self {
            Self::Coco => "annotation",
            Self::Voc => "object",
            Self::Yolo => "line",
        };
        format!("{what} {number}")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Coco => "COCO",
            Self::Voc => "VOC",
            Self::Yolo => "YOLO",
        })
    }
}

/// A split that was read: what can be used of it, and every defect.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The usable part.
    pub dataset: Dataset,
    /// The defects in reading order; empty for a clean split.
    pub findings: Vec<Finding>,
    /// Pictures that the split lists and that a finding left out, where they are there.
    pub left_out: Vec<PathBuf>,
}

/// An opened data set, from which splits can be loaded.
#[derive(Debug)]
pub struct Source {
    root: PathBuf,
    splits: Vec<String>,
    files: Files,
}

#[derive(Debug)]
enum Files {
    Coco(Vec<coco::SplitFile>),
    Voc(voc::Folder),
    Yolo(yolo::Manifest),
}

/// Opens a data set and finds its format out. `root` is one of
///
/// - a COCO JSON file, a folder with `annotations/*.json`, with `<split>/_annotations.coco.json`, or with COCO files in it;
/// - a VOC folder (`Annotations`, `JPEGImages`, and `ImageSets/Main` or one split `all`), or its `Annotations` folder;
/// - a YOLO `data.yaml`, or the folder that holds it.
///
/// # Errors
///
/// [`DataError::UnknownFormat`] when none is found, [`DataError::AmbiguousFormat`] or [`DataError::AmbiguousFiles`]
/// when more than one is, and what reading the list of splits may give.
pub fn open(root: &Path) -> Result<Source, DataError> {
    let metadata = fs::metadata(root).map_err(DataError::io(root, "open the data set"))?;
    let files = if metadata.is_dir() { open_folder(root)? } else { open_file(root)? };
    let mut splits = match &files {
        Files::Coco(files) => files.iter().map(|file| file.split.clone()).collect(),
        Files::Voc(folder) => folder.splits(),
        Files::Yolo(manifest) => manifest.splits(),
    };
    splits.sort_by_key(|split: &String| (rank(split), split.clone()));
    Ok(Source { root: root.to_path_buf(), splits, files })
}

impl Source {
    /// The format found.
    pub fn format(&self) -> Format {
        match self.files {
            Files::Coco(_) => Format::Coco,
            Files::Voc(_) => Format::Voc,
            Files::Yolo(_) => Format::Yolo,
        }
    }

    /// The path that was opened.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The names of the splits: training, validation and test splits first, then the others by name.
    pub fn splits(&self) -> &[String] {
        &self.splits
    }

    /// Reads and checks one split.
    ///
    /// # Errors
    ///
    /// [`DataError::UnknownSplit`], and everything that makes the split's files unusable as a whole. Defects of single
    /// records are no error but [`Loaded::findings`].
    pub fn load(&self, split: &str) -> Result<Loaded, DataError> {
        if !self.splits.iter().any(|known| known == split) {
            return Err(DataError::UnknownSplit {
                root: self.root.clone(),
                split: split.to_owned(),
                known: self.splits.clone(),
            });
        }
        match &self.files {
            Files::Coco(files) => coco::load(files, &self.root, split),
            Files::Voc(folder) => folder.load(split),
            Files::Yolo(manifest) => yolo::load(manifest, split),
        }
    }
}

fn open_file(file: &Path) -> Result<Files, DataError> {
    match file.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("json") => Ok(Files::Coco(vec![coco::SplitFile::of(file)])),
        Some("yaml" | "yml") => Ok(Files::Yolo(yolo::Manifest::read(file)?)),
        Some("xml") => Err(unknown(
            file,
            "one XML is not a data set",
            "for VOC pass the folder that holds Annotations and JPEGImages",
        )),
        _ => Err(unknown(
            file,
            "its name ends in neither .json nor .yaml",
            "pass a COCO JSON, a VOC folder or a data.yaml",
        )),
    }
}

fn open_folder(root: &Path) -> Result<Files, DataError> {
    let (coco_files, voc_root, yaml) = (coco::find(root)?, voc::find(root), yolo::find(root)?);
    let seen = [
        coco_files.first().map(|file| format!("{} ({})", Format::Coco, file.json.display())),
        voc_root.as_ref().map(|root| format!("{} ({})", Format::Voc, root.join(voc::ANNOTATIONS).display())),
        yaml.as_ref().map(|yaml| format!("{} ({})", Format::Yolo, yaml.display())),
    ];
    let mut seen = seen.into_iter().flatten();
    if let (Some(first), Some(second)) = (seen.next(), seen.next()) {
        return Err(DataError::AmbiguousFormat { root: root.to_path_buf(), first, second });
    }
    match (voc_root, yaml) {
        (Some(voc_root), _) => Ok(Files::Voc(voc::Folder::open(&voc_root)?)),
        (None, Some(yaml)) => Ok(Files::Yolo(yolo::Manifest::read(&yaml)?)),
        (None, None) if coco_files.is_empty() => Err(nothing_found(root)),
        (None, None) => Ok(Files::Coco(coco_files)),
    }
}

/// Why a folder is no data set, as far as its content tells.
fn nothing_found(root: &Path) -> DataError {
    let entries = entries(root).unwrap_or_default();
    if entries.is_empty() {
        return unknown(root, "the folder is empty", "check the path");
    }
    let json = entries.iter().find(|path| has_ending(path, &["json"]) && path.is_file());
    if let Some(json) = json {
        let reason = format!("`{}` shows none of the keys images, annotations, categories", json.display());
        return unknown(root, &reason, "pass the JSON file itself to see what is wrong with it");
    }
    if root.join("images").is_dir() && root.join("labels").is_dir() {
        let remedy = "write a data.yaml with the keys path, train, val and names beside images and labels";
        return unknown(root, "it has images and labels but no data.yaml", remedy);
    }
    let holds_one = |path: &&PathBuf| path.is_dir() && open_folder_shallow(path);
    let remedy = match entries.iter().find(holds_one) {
        Some(inner) => format!("did you mean {}?", inner.display()),
        None => "pass the folder or file of one of these".to_owned(),
    };
    let reason = "it has no annotations/*.json or other COCO file, no Annotations/*.xml and no data.yaml";
    unknown(root, reason, &remedy)
}

fn open_folder_shallow(folder: &Path) -> bool {
    coco::find(folder).is_ok_and(|files| !files.is_empty())
        || voc::find(folder).is_some()
        || yolo::find(folder).is_ok_and(|yaml| yaml.is_some())
}

fn unknown(root: &Path, reason: &str, remedy: &str) -> DataError {
    DataError::UnknownFormat { root: root.to_path_buf(), reason: reason.to_owned(), remedy: remedy.to_owned() }
}

fn rank(split: &str) -> usize {
    ["train", "val", "test"].iter().position(|prefix| split.starts_with(prefix)).unwrap_or(3)
}

/// The entries of a folder, sorted by name; hidden ones (also the `._name` files of a Mac) are left out.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io(folder, "list the folder"))? {
        let entry = entry.map_err(DataError::io(folder, "list the folder"))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Whether the file name ends in one of these (lower case, without the dot), in any case.
pub(crate) fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| endings.contains(&ending.as_str()))
}

/// Endings that pictures go by; which of them can be read is found out by their first bytes.
pub(crate) const PICTURE_ENDINGS: [&str; 13] =
    ["jpg", "jpeg", "png", "jpe", "jfif", "bmp", "webp", "tif", "tiff", "gif", "heic", "avif", "jp2"];

/// The error for a split of which nothing can be used.
pub(crate) fn empty_split(path: &Path, split: &str, findings: &[Finding]) -> DataError {
    let reason = match findings.first() {
        None => "none is listed".to_owned(),
        Some(first) => format!("{} finding(s), the first: {first}", findings.len()),
    };
    DataError::EmptySplit { path: path.to_path_buf(), split: split.to_owned(), reason, findings: findings.to_vec() }
}
