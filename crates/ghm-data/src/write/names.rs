//! What pictures of a written data set are called.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::WrittenSplit;
use crate::dataset::ImageRecord;
use crate::header::PictureKind;
use crate::source::{Format, PICTURE_ENDINGS, has_ending};

/// A name for each picture: in VOC's one folder its own, else in a folder of its split. No two differ by their ending or by case
/// alone, for labels go by the rest. A picture that several splits list is in the first one's folder; with other labels it is
/// there twice, where labels lie in files of their own.
pub(crate) struct Names {
    of_path: HashMap<PathBuf, Vec<(Labels, String)>>,
    all: Vec<(PathBuf, String)>,
    format: Format,
}

/// Class, box and whether it is ignored of each object; nothing in COCO.
type Labels = Vec<(usize, [u32; 4], bool)>;

impl Names {
    pub(super) fn new(splits: &[WrittenSplit], format: Format) -> Self {
        let mut names = Self { of_path: HashMap::new(), all: Vec::new(), format };
        let mut taken = Taken::default();
        for split in splits {
            for image in &split.dataset.images {
                let labels = names.labels(image);
                let known = names.of_path.entry(image.path.clone()).or_default();
                if known.iter().any(|(other, _)| *other == labels) {
                    continue;
                }
                let name = taken.free(&image.path, &split.name, format);
                known.push((labels, name.clone()));
                names.all.push((image.path.clone(), name));
            }
        }
        names
    }

    fn labels(&self, image: &ImageRecord) -> Labels {
        let one = |object: &crate::dataset::Object| {
            let bbox = object.bbox_in_image;
            (object.class_index, bbox.corners().map(f32::to_bits), object.ignored)
        };
        if self.format == Format::Coco { Vec::new() } else { image.objects.iter().map(one).collect() }
    }

    /// The name of a picture of these splits, below the folder of pictures.
    pub(crate) fn of<'a>(&'a self, image: &'a ImageRecord) -> &'a str {
        let labels = self.labels(image);
        let known = self.of_path.get(&image.path).and_then(|known| known.iter().find(|(other, _)| *other == labels));
        known.map_or(&image.file_name, |(_, name)| name)
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

/// Names given, in lower case and without endings, and how often a name was wanted.
#[derive(Default)]
struct Taken {
    given: HashSet<String>,
    wanted: HashMap<String, usize>,
}

impl Taken {
    /// A file's own name, with its split and a number where it is taken.
    fn free(&mut self, path: &Path, split: &str, format: Format) -> String {
        let stem = stem(path, format);
        let (own, other) = match format {
            Format::Coco | Format::Yolo => (format!("{split}/{stem}"), format!("{split}/{stem}")),
            Format::Voc => (stem.clone(), format!("{split}_{stem}")),
        };
        let mut name = own;
        if !self.given.insert(name.to_lowercase()) {
            name.clone_from(&other);
            // The first has none.
            let number = self.wanted.entry(other.to_lowercase()).or_insert(1);
            while !self.given.insert(name.to_lowercase()) {
                *number += 1;
                name = format!("{other}-{number}");
            }
        }
        format!("{name}.{}", ending(path))
    }
}

/// A name that readers of the format take: none hidden, and in VOC's lists, which have columns, none with spaces.
fn stem(path: &Path, format: Format) -> String {
    let whole = if has_ending(path, &PICTURE_ENDINGS) { path.file_stem() } else { path.file_name() };
    let name = whole.unwrap_or_default().to_string_lossy();
    let name = name.trim_start_matches('.').trim();
    let kept = |c: char| if c.is_control() || (format == Format::Voc && c.is_whitespace()) { '_' } else { c };
    let name: String = name.chars().map(kept).collect();
    if name.is_empty() { "picture".to_owned() } else { name }
}

/// The file's own ending where it is a picture's, else that of what is in it.
fn ending(path: &Path) -> String {
    if has_ending(path, &PICTURE_ENDINGS) {
        return path.extension().unwrap_or_default().to_string_lossy().into_owned();
    }
    let mut first = Vec::new();
    // A file that cannot be read fails when it is copied.
    let _ = std::fs::File::open(path).and_then(|file| file.take(8).read_to_end(&mut first));
    match PictureKind::of(&first) {
        Some(PictureKind::Png) => "png".to_owned(),
        _ => "jpg".to_owned(),
    }
}
