//! Detection data sets: formats, defects, decoding, augmentation, loading, synthetic scenes.
//!
//! | Module | What lives there |
//! |---|---|
//! | `source` | what a path holds: COCO, Pascal VOC or YOLO, and its splits |
//! | `coco`, `voc`, `yolo` | one format each |
//! | `dataset` | a split after checking, in one form for every format |
//! | `finding`, `check` | defects, and what they lead to |
//! | `survey` | everything that can be found wrong with a data set, and its numbers |
//! | `write` | a data set as files of any format |
//! | `fingerprint` | a data set's content as one string |
//! | `header`, `decode`, `reduced`, `picture` | a file's size, kind and pixels |
//! | `transform`, `augment`, `pipeline` | from a picture to network input, boxes alongside |
//! | `order`, `loader` | which pictures make a batch; batches from threads |
//! | `noise` | labels made wrong on purpose, with the truth written down |
//! | [`scenes`] | synthetic scenes |
//! | `error`, `pixel_error` | what can go wrong |
//!
//! ```
//! use ghm_data::{Order, SceneConfig, open, write_scenes};
//!
//! let folder = std::env::temp_dir().join(format!("ghm-data-example-{}", std::process::id()));
//! write_scenes(&SceneConfig { train: 4, validation: 2, ..SceneConfig::default() }, &folder)?;
//! let loaded = open(&folder)?.load("train")?;
//! assert_eq!((loaded.dataset.images.len(), loaded.findings.len()), (4, 0));
//! let order = Order { seed: 1, images: 4, batch_size: 2, shuffle: true, drop_last: true };
//! assert_eq!(order.batches(0).len(), 2);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod augment;
mod check;
mod coco;
mod dataset;
mod decode;
mod error;
mod finding;
mod fingerprint;
mod header;
mod loader;
mod noise;
mod order;
mod picture;
mod pipeline;
mod pixel_error;
mod reduced;
pub mod scenes;
mod shield;
mod source;
mod survey;
mod transform;
mod voc;
mod write;
mod yolo;

pub use augment::AugmentConfig;
pub use check::{OnBad, check_findings, check_pictures};
pub use coco::{coco_classes, coco_classes_by_number, to_coco_json, write_coco};
pub use dataset::{Category, Dataset, ImageRecord, Object};
pub use decode::{MAX_SIDE, decode, decode_bytes};
pub use error::{DataError, Problem};
pub use finding::{Finding, FindingKind};
pub use fingerprint::fingerprint;
pub use header::{PictureKind, read_size};
pub use loader::{Batch, EpochBatches, Loader, LoaderConfig, PixelForm, Pixels, Skipped};
pub use noise::{Change, NoiseConfig, NoiseError, corrupt};
pub use order::Order;
pub use picture::Picture;
pub use pipeline::{ColourOrder, NormaliseConfig, Pipeline, Range, ResizeConfig, ResizeMode, Sample};
pub use pixel_error::PixelError;
pub use scenes::{SceneConfig, write_scenes};
pub use shield::is_shielded;
pub use source::{Format, Loaded, Source, open};
pub use survey::{AnchorReach, ClassTally, SplitTally, Spread, Survey, SurveyConfig, is_union_split, survey};
pub use transform::Transform;
pub use write::{Loss, Losses, Pictures, WrittenSplit, write_data_set};
