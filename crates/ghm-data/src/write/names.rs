//! What pictures of a written data set are called.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::WrittenSplit;
use crate::dataset::ImageRecord;
use crate::source::Format;

/// A name for each picture: in VOC's one folder its own, else in a folder of its split. No two differ by their ending or by case
/// alone, for labels go by the rest. A picture that several splits list is in the first one's folder.
pub(crate) struct Names {
    of_path: HashMap<PathBuf, String>,
    all: Vec<(PathBuf, String)>,
}

impl Names {
    pub(super) fn new(splits: &[WrittenSplit], format: Format) -> Self {
        let (mut of_path, mut all, mut taken) = (HashMap::new(), Vec::new(), HashSet::new());
        for split in splits {
            for image in &split.dataset.images {
                if of_path.contains_key(&image.path) {
                    continue;
                }
                let name = free(&image.path, &split.name, format, &mut taken);
                of_path.insert(image.path.clone(), name.clone());
                all.push((image.path.clone(), name));
            }
        }
        Self { of_path, all }
    }

    /// The name of a picture of these splits, below the folder of pictures.
    pub(crate) fn of<'a>(&'a self, image: &'a ImageRecord) -> &'a str {
        self.of_path.get(&image.path).map_or(&image.file_name, String::as_str)
    }

    /// The same without its ending.
    pub(crate) fn stem<'a>(&'a self, image: &'a ImageRecord) -> &'a str {
        let name = self.of(image);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// Where each lies, and its name.
    pub(super) fn all(&self) -> &[(PathBuf, String)] {
        &self.all
    }
}

/// A file's own name, with its split and a number where it is taken.
fn free(path: &Path, split: &str, format: Format, taken: &mut HashSet<String>) -> String {
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, ending) = (part(path.file_stem()), part(path.extension()));
    let (own, other) = match format {
        Format::Coco | Format::Yolo => (format!("{split}/{stem}"), format!("{split}/{stem}")),
        Format::Voc => (stem.clone(), format!("{split}_{stem}")),
    };
    let numbered = (2..).map(|number| format!("{other}-{number}"));
    let mut candidates = [own.clone(), other.clone()].into_iter().chain(numbered);
    let free = candidates.find(|stem| taken.insert(stem.to_lowercase())).unwrap_or(own);
    if ending.is_empty() { free } else { format!("{free}.{ending}") }
}
