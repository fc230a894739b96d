//! A data set after checking: classes, pictures and their objects, in one form for every format.

use std::path::PathBuf;

use ghm_boxes::Bbox;
use serde::{Deserialize, Serialize};

/// A class of objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// The file's own number for the class (COCO `category_id`); VOC and YOLO classes are numbered from 1 and 0.
    pub id: u64,
    /// The class name as written in the file.
    pub name: String,
}

/// One labelled object in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The file's own number for the annotation; numbered from 1 in reading order where the format has none.
    pub annotation_id: u64,
    /// Where it stands in [`ImageRecord::labels`], as the format counts: COCO's annotation id, VOC's object from 1, YOLO's
    /// line from 1.
    pub record: u64,
    /// Index into [`Dataset::categories`], `0..C`; never background.
    pub class_index: usize,
    /// The box in pixels of the upright picture (after EXIF orientation).
    pub bbox_in_image: Bbox,
    /// COCO `iscrowd` or VOC `difficult`: neither a positive nor a negative, kept apart in training and evaluation.
    pub ignored: bool,
    /// Area in square pixels that the evaluator sorts by size: COCO's `area` where given, else the box's.
    pub area: f64,
}

/// One picture of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRecord {
    /// COCO image id; numbered from 1 in reading order for the other formats.
    pub id: u64,
    /// The name as written in the data set's own files.
    pub file_name: String,
    /// Where the picture lies.
    pub path: PathBuf,
    /// The file that holds its labels, or would: COCO's JSON, VOC's XML, YOLO's text file.
    pub labels: PathBuf,
    /// Width of the upright picture in pixels, as the data set states it or as the picture's header says.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// Its objects, crowd and difficult ones included (`ignored`).
    pub objects: Vec<Object>,
}

/// One split of a data set: what training and evaluation read.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// The classes, sorted as the data set lists them; `class_index` points here.
    pub categories: Vec<Category>,
    /// The pictures, in the data set's own order.
    pub images: Vec<ImageRecord>,
}
