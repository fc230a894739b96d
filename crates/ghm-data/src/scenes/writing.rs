//! The scenes on disk: an ordinary COCO data set of JPEG pictures.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use serde::Serialize;

use super::{ObjectKind, Scene, SceneConfig, SceneSplit, render_scene};
use crate::dataset::Object;

/// JPEG quality of the pictures, 1 to 100.
const JPEG_QUALITY: u8 = 90;

/// Why scenes could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ScenesError {
    /// A field of the configuration is out of range.
    #[error("scene setting `{field}` is {value}, but must lie between {least} and {most}")]
    OutOfRange {
        /// The field of [`SceneConfig`].
        field: &'static str,
        /// Its value.
        value: u64,
        /// The least value accepted.
        least: u64,
        /// The greatest value accepted.
        most: u64,
    },
    /// The folder has something in it already; nothing was written.
    #[error("{} exists and is not an empty folder: name a new one, or remove it first", path.display())]
    Exists {
        /// The folder asked for.
        path: PathBuf,
    },
    /// A folder or file could not be read or written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// What was to be written.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A picture could not be encoded.
    #[error("cannot encode {} as JPEG: {reason}", path.display())]
    Encode {
        /// The picture.
        path: PathBuf,
        /// The encoder's reason.
        reason: String,
    },
}

/// What [`write_scenes`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenesWritten {
    /// The split to learn from.
    pub train: SplitWritten,
    /// The split to measure on.
    pub validation: SplitWritten,
}

/// One written split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitWritten {
    /// The COCO annotation file.
    pub annotations: PathBuf,
    /// The folder its file names are relative to.
    pub images_folder: PathBuf,
    /// Number of pictures.
    pub images: usize,
    /// Number of objects of each class, by class index.
    pub objects_per_class: Vec<usize>,
}

#[derive(Serialize)]
struct CocoFile {
    info: CocoInfo,
    images: Vec<CocoImage>,
    annotations: Vec<CocoAnnotation>,
    categories: Vec<CocoCategory>,
}

#[derive(Serialize)]
struct CocoInfo {
    description: String,
}

#[derive(Serialize)]
struct CocoImage {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
}

#[derive(Serialize)]
struct CocoAnnotation {
    id: u64,
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
}

#[derive(Serialize)]
struct CocoCategory {
    id: u64,
    name: &'static str,
    supercategory: &'static str,
}

/// Draws all scenes of a configuration and writes them below `out` as a COCO data set.
///
/// The files are `annotations/{train,val}.json` and `images/{train,val}/000001.jpg` onwards; `file_name` is relative
/// to the split's picture folder, image and annotation ids count from 1 in each split, and `category_id` is the class
/// index plus 1. The annotation files come last: a folder that has them has all its pictures. The bytes depend on
/// the configuration alone, not on the number of threads.
///
/// # Errors
///
/// When a setting is out of range, when `out` exists and is not an empty folder (nothing in it is touched), or when a
/// file cannot be written.
pub fn write_scenes(config: &SceneConfig, out: &Path) -> Result<ScenesWritten, ScenesError> {
    check_ranges(config)?;
    claim_folder(out)?;
    let train = write_split(config, SceneSplit::Train, out)?;
    let validation = write_split(config, SceneSplit::Validation, out)?;
    let annotations = out.join("annotations");
    create_folder(&annotations)?;
    Ok(ScenesWritten {
        train: write_annotations(config, SceneSplit::Train, &train, out)?,
        validation: write_annotations(config, SceneSplit::Validation, &validation, out)?,
    })
}

fn check_ranges(config: &SceneConfig) -> Result<(), ScenesError> {
    let checks = [
        ("width", u64::from(config.width), 32, 4096),
        ("height", u64::from(config.height), 32, 4096),
        // Six digits in a file name.
        ("train", config.train as u64, 1, 999_999),
        ("validation", config.validation as u64, 1, 999_999),
        ("max_objects", config.max_objects as u64, 1, 64),
        ("clutter", config.clutter as u64, 0, 64),
    ];
    match checks.into_iter().find(|&(_, value, least, most)| value < least || value > most) {
        Some((field, value, least, most)) => Err(ScenesError::OutOfRange { field, value, least, most }),
        None => Ok(()),
    }
}

fn claim_folder(out: &Path) -> Result<(), ScenesError> {
    match fs::read_dir(out).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(ScenesError::Exists { path: out.to_path_buf() }),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_folder(out),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(ScenesError::Exists { path: out.to_path_buf() })
        }
        Err(source) => Err(ScenesError::Io { path: out.to_path_buf(), source }),
    }
}

fn create_folder(path: &Path) -> Result<(), ScenesError> {
    fs::create_dir_all(path).map_err(|source| ScenesError::Io { path: path.to_path_buf(), source })
}

fn images_folder(out: &Path, split: SceneSplit) -> PathBuf {
    out.join("images").join(split.name())
}

fn file_name(index: usize) -> String {
    format!("{:06}.jpg", index + 1)
}

/// Draws and writes a split's pictures; returns the labels of each.
fn write_split(config: &SceneConfig, split: SceneSplit, out: &Path) -> Result<Vec<Vec<Object>>, ScenesError> {
    let folder = images_folder(out, split);
    create_folder(&folder)?;
    let images = match split {
        SceneSplit::Train => config.train,
        SceneSplit::Validation => config.validation,
    };
    (0..images)
        .into_par_iter()
        .map(|index| {
            let scene = render_scene(config, split, index);
            write_picture(&scene, &folder.join(file_name(index)))?;
            Ok(scene.objects)
        })
        .collect()
}

fn write_picture(scene: &Scene, path: &Path) -> Result<(), ScenesError> {
    let encode_error = |reason: String| ScenesError::Encode { path: path.to_path_buf(), reason };
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode(&scene.pixels, scene.width, scene.height, ExtendedColorType::Rgb8)
        .map_err(|error| encode_error(error.to_string()))?;
    fs::write(path, bytes).map_err(|source| ScenesError::Io { path: path.to_path_buf(), source })
}

fn write_annotations(
    config: &SceneConfig,
    split: SceneSplit,
    objects: &[Vec<Object>],
    out: &Path,
) -> Result<SplitWritten, ScenesError> {
    let path = out.join("annotations").join(format!("{}.json", split.name()));
    let file = coco_file(config, split, objects);
    let json =
        serde_json::to_vec(&file).map_err(|error| ScenesError::Io { path: path.clone(), source: error.into() })?;
    fs::write(&path, json).map_err(|source| ScenesError::Io { path: path.clone(), source })?;
    let mut objects_per_class = vec![0; ObjectKind::ALL.len()];
    objects.iter().flatten().for_each(|object| objects_per_class[object.class_index] += 1);
    Ok(SplitWritten {
        annotations: path,
        images_folder: images_folder(out, split),
        images: objects.len(),
        objects_per_class,
    })
}

fn coco_file(config: &SceneConfig, split: SceneSplit, objects: &[Vec<Object>]) -> CocoFile {
    let images = (0..objects.len())
        .map(|index| CocoImage {
            id: index as u64 + 1,
            file_name: file_name(index),
            width: config.width,
            height: config.height,
        })
        .collect();
    let labelled = objects.iter().enumerate().flat_map(|(index, of_image)| of_image.iter().map(move |o| (index, o)));
    let annotations = labelled
        .enumerate()
        .map(|(count, (index, object))| {
            let bbox = object.bbox_in_image.to_xywh().map(f64::from);
            let (id, image_id) = (count as u64 + 1, index as u64 + 1);
            let category_id = object.class_index as u64 + 1;
            CocoAnnotation { id, image_id, category_id, bbox, area: object.area, iscrowd: 0 }
        })
        .collect();
    let categories = ObjectKind::ALL.map(|kind| CocoCategory {
        id: kind.class_index() as u64 + 1,
        name: kind.name(),
        supercategory: "shape",
    });
    let description = format!("synthetic scenes, split {}, seed {}", split.name(), config.seed);
    CocoFile { info: CocoInfo { description }, images, annotations, categories: categories.into() }
}
