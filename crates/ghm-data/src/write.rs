//! A whole data set as files, in any format: labels, and the pictures beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use crate::coco::write_coco;
use crate::dataset::{Dataset, ImageRecord};
use crate::error::DataError;
use crate::source::Format;
use crate::{voc, yolo};
use names::Names;

mod classes;
mod names;

/// How pictures come to a written data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pictures {
    /// Byte for byte.
    #[default]
    Copied,
    /// As symbolic links to where they lie.
    Linked,
}

/// A split that is to be written.
#[derive(Clone, Debug)]
pub struct WrittenSplit<'a> {
    /// Its name.
    pub name: String,
    /// Its pictures and their objects.
    pub dataset: &'a Dataset,
}

/// What a format cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The numbers of classes: VOC has none, YOLO counts from 0.
    CategoryIds,
    /// Classes without objects: VOC knows a class by its objects.
    EmptyClasses,
    /// Numbers of pictures and annotations: only COCO has them.
    Ids,
    /// `area`, where it is not the box's: only COCO has it.
    Areas,
    /// Crowds and difficult objects: YOLO has none, so they are left out.
    Ignored,
    /// Boxes one pixel wide or high on whole pixels: VOC has the same numbers for a point.
    OnePixelBoxes,
    /// Names with spaces around them or line breaks.
    Names,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CategoryIds => "numbers of classes",
            Self::EmptyClasses => "classes without objects",
            Self::Ids => "numbers of pictures and annotations",
            Self::Areas => "areas that are not the box's",
            Self::Ignored => "crowds and difficult objects, which are left out",
            Self::OnePixelBoxes => "boxes one pixel wide or high, which would be read as points and are left out",
            Self::Names => "class names with spaces around them",
        })
    }
}

/// What was lost, and how often.
pub type Losses = BTreeMap<Loss, usize>;

/// Writes splits to a folder that is not there yet, in a format, and says what that cannot hold.
///
/// All else comes back exactly when it is read: boxes bit for bit, classes and pictures in their order. A picture keeps the name
/// of its file, unless two have one: then the second's has its split or a number in it.
///
/// | Format | Labels | Pictures |
/// |---|---|---|
/// | COCO | `annotations/<split>.json` | `images/<split>/` |
/// | VOC | `Annotations/*.xml`, `ImageSets/Main/<split>.txt` | `JPEGImages/` |
/// | YOLO | `data.yaml`, `<split>.txt`, `labels/<split>/*.txt` | `images/<split>/` |
///
/// `extras` are text files that lie beside the labels. The folder is written beside its place first, so that no half of it is ever seen.
///
/// # Errors
///
/// [`DataError::Io`] where the folder is there or a file cannot be written; [`DataError::Malformed`] for a split that YOLO has
/// no name for.
pub fn write_data_set(
    splits: &[WrittenSplit],
    format: Format,
    out: &Path,
    pictures: Pictures,
    extras: &[(&str, String)],
) -> Result<Losses, DataError> {
    if format == Format::Yolo {
        yolo::expect_names(splits)?;
    }
    let unified;
    let splits = match format {
        Format::Coco => splits,
        Format::Voc | Format::Yolo => {
            unified = classes::unified(splits);
            &unified.iter().map(|(name, dataset)| WrittenSplit { name: name.clone(), dataset }).collect::<Vec<_>>()[..]
        }
    };
    beside(out, |folder| {
        let names = Names::new(splits, format);
        place_pictures(&names, &folder.join(picture_folder(format)), pictures)?;
        match format {
            Format::Coco => write_coco_files(splits, &names, folder),
            Format::Voc => voc::write(splits, &names, folder),
            Format::Yolo => yolo::write(splits, &names, folder),
        }
        .and_then(|losses| {
            extras.iter().try_for_each(|(name, text)| write_text(&folder.join(name), text)).map(|()| losses)
        })
    })
}

/// Has a folder written under another name, and gives it its own once all is there.
///
/// # Errors
///
/// [`DataError::Io`] where `out` is there already or cannot be made, and what `write` gives; nothing is left then.
pub(crate) fn beside<T>(out: &Path, write: impl FnOnce(&Path) -> Result<T, DataError>) -> Result<T, DataError> {
    if out.exists() {
        let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(DataError::io(out, "write a data set there")(source));
    }
    // Without a separator at its end.
    let out: PathBuf = out.components().collect();
    let mut partial = out.clone().into_os_string();
    partial.push(format!(".partial-{}", std::process::id()));
    let partial = PathBuf::from(partial);
    let outcome = std::fs::create_dir_all(&partial)
        .map_err(DataError::io(&partial, "make the folder"))
        .and_then(|()| write(&partial))
        .and_then(|value| {
            std::fs::rename(&partial, &out).map_err(DataError::io(&out, "put the folder in its place")).map(|()| value)
        });
    if outcome.is_err() {
        let _ = std::fs::remove_dir_all(&partial);
    }
    outcome
}

fn picture_folder(format: Format) -> &'static str {
    match format {
        Format::Coco | Format::Yolo => "images",
        Format::Voc => voc::PICTURES,
    }
}

fn place_pictures(names: &Names, folder: &Path, pictures: Pictures) -> Result<(), DataError> {
    make(folder)?;
    let inner: BTreeSet<&str> = names.all().iter().filter_map(|(_, name)| Some(name.rsplit_once('/')?.0)).collect();
    inner.into_iter().try_for_each(|inner| make(&folder.join(inner)))?;
    names.all().par_iter().try_for_each(|(path, name)| {
        let to = folder.join(name);
        let placed = match pictures {
            Pictures::Copied => std::fs::copy(path, &to).map(drop),
            Pictures::Linked => std::path::absolute(path).and_then(|path| link(&path, &to)),
        };
        placed.map_err(DataError::io(path, "bring the picture to the new data set"))
    })
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::copy(from, to).map(drop)
}

/// Makes a folder, with those above it.
pub(crate) fn make(folder: &Path) -> Result<(), DataError> {
    std::fs::create_dir_all(folder).map_err(DataError::io(folder, "make the folder"))
}

/// Writes a text file.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), DataError> {
    std::fs::write(path, text).map_err(DataError::io(path, "write the file"))
}

fn write_coco_files(splits: &[WrittenSplit], names: &Names, folder: &Path) -> Result<Losses, DataError> {
    let annotations = folder.join("annotations");
    make(&annotations)?;
    for split in splits {
        let renamed = |image: &ImageRecord| ImageRecord { file_name: names.of(image).to_owned(), ..image.clone() };
        let dataset = Dataset {
            categories: split.dataset.categories.clone(),
            images: split.dataset.images.iter().map(renamed).collect(),
        };
        write_coco(&dataset, &annotations.join(format!("{}.json", split.name)))?;
    }
    Ok(Losses::new())
}

/// Counts what only COCO can hold: numbers of pictures and annotations, areas.
pub(crate) fn count_what_only_coco_holds(splits: &[WrittenSplit], losses: &mut Losses) {
    for (image, id) in splits.iter().flat_map(|split| split.dataset.images.iter().zip(1..)) {
        count(losses, Loss::Ids, usize::from(image.id != id));
        let differs = |object: &&crate::dataset::Object| object.area as f32 != object.bbox_in_image.area();
        count(losses, Loss::Areas, image.objects.iter().filter(differs).count());
    }
    for split in splits {
        let objects = split.dataset.images.iter().flat_map(|image| &image.objects);
        count(losses, Loss::Ids, objects.zip(1..).filter(|(object, id)| object.annotation_id != *id).count());
    }
}

/// Adds to a count that is not 0.
pub(crate) fn count(losses: &mut Losses, loss: Loss, times: usize) {
    if times > 0 {
        *losses.entry(loss).or_default() += times;
    }
}

pub(crate) use names::Names as PictureNames;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Category, Object};
    use crate::source::open;
    use ghm_boxes::Bbox;
    use proptest::prelude::*;

    /// A data set of one picture, written in a format and read again.
    fn round_trip(bbox: Bbox, format: Format) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("a.png");
        image::RgbImage::new(300, 200).save(&picture).unwrap();
        let object = Object {
            annotation_id: 1,
            record: 1,
            class_index: 0,
            bbox_in_image: bbox,
            ignored: false,
            area: f64::from(bbox.area()),
        };
        let image = ImageRecord {
            id: 1,
            file_name: "a.png".into(),
            path: picture,
            labels: "a.json".into(),
            width: 300,
            height: 200,
            objects: vec![object],
        };
        let categories = vec![Category { id: 1, name: "a <b> & c: \"d\"".into() }];
        let dataset = Dataset { categories, images: vec![image] };
        let out = folder.path().join("out");
        let split = WrittenSplit { name: "train".into(), dataset: &dataset };
        write_data_set(&[split], format, &out, Pictures::Copied, &[]).unwrap();
        open(&out).unwrap().load("train").unwrap().dataset
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_box_and_name_come_back(x in 0f32..250.0, y in 0f32..150.0, w in 1.5f32..300.0, h in 1.5f32..200.0, format in 0..3) {
            let bbox = Bbox::new(x, y, (x + w).min(300.0), (y + h).min(200.0));
            let format = [Format::Coco, Format::Voc, Format::Yolo][format as usize];
            let back = round_trip(bbox, format);
            prop_assert_eq!(back.images[0].objects[0].bbox_in_image, bbox, "{}", format);
            prop_assert_eq!(&back.categories[0].name, "a <b> & c: \"d\"");
        }
    }
}
