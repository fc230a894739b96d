//! Detections and their file: the COCO results format.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::check::{check_finite, check_values};
use crate::error::EvalError;
use crate::field;
use crate::finding::{Finding, List, Problem};
use crate::json_text::read_json;
use crate::loose::{Container, Loose, Shape};

/// One detected object, as COCO results write it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// The picture, by the id the ground truth gives it.
    pub image_id: u64,
    /// The class, by the id the ground truth gives it; not a class index.
    pub category_id: u64,
    /// `[x, y, width, height]` in pixels of the original picture.
    pub bbox: [f64; 4],
    /// Confidence in `[0, 1]`.
    pub score: f64,
}

/// A detection before its fields are looked at; absent fields are null.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RawDetection {
    image_id: Value,
    category_id: Value,
    bbox: Value,
    score: Value,
}

impl Shape for RawDetection {
    const CONTAINER: Container = Container::Object;
}

/// Reads a COCO results file: an array of detections, whose further keys are skipped.
///
/// # Errors
/// The file is missing, empty, binary, truncated, not JSON or no array; or records lack a field, hold the wrong type,
/// a number that is not finite, a score outside `[0, 1]` or a box without size: all of them, each with index and picture.
pub fn read_detections(path: &Path) -> Result<Vec<Detection>, EvalError> {
    let origin = path.display().to_string();
    let records = match read_json::<Loose<Vec<Loose<RawDetection>>>>(path)? {
        Loose::Read(records) => records,
        Loose::Other(found) => {
            let expected = "an array of detections";
            let remedy = "COCO results are [{\"image_id\", \"category_id\", \"bbox\", \"score\"}, ...]; \
                          a file of images and annotations is a ground truth";
            return Err(EvalError::WrongKind { origin, found, expected, remedy });
        }
    };
    let mut detections = Vec::with_capacity(records.len());
    let mut findings = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if let Some(detection) = typed_detection(index, record, &mut findings) {
            findings.extend(check_values(index, &detection));
            detections.push(detection);
        }
    }
    if findings.is_empty() { Ok(detections) } else { Err(EvalError::Findings { origin, findings }) }
}

fn typed_detection(index: usize, record: &Loose<RawDetection>, findings: &mut Vec<Finding>) -> Option<Detection> {
    let place = |image_id, field, problem| {
        let list = List::Detections;
        Finding { list, index: Some(index), image_id, file_name: None, field, problem }
    };
    let raw = match record {
        Loose::Read(raw) => raw,
        Loose::Other(found) => {
            findings.push(place(None, "", Problem::NotAnObject { found }));
            return None;
        }
    };
    let image_id = field::id(&raw.image_id);
    let known_image = image_id.as_ref().ok().copied();
    let mut keep = |field, problem| findings.push(place(known_image, field, problem));
    let image_id = image_id.map_err(|problem| keep("image_id", problem)).ok();
    let category_id = field::id(&raw.category_id).map_err(|problem| keep("category_id", problem)).ok();
    let bbox = field::bbox(&raw.bbox)
        .map_err(|problems| problems.into_iter().for_each(|(field, problem)| keep(field, problem)))
        .ok();
    let score = field::number(&raw.score).map_err(|problem| keep("score", problem)).ok();
    Some(Detection { image_id: image_id?, category_id: category_id?, bbox: bbox?, score: score? })
}

/// Writes a COCO results file: compact JSON whose numbers read back bit for bit.
///
/// Written beside, synced and renamed: whoever reads `path` finds the old file or the whole new one.
///
/// # Errors
/// A number is not finite, which JSON cannot hold ([`EvalError::Findings`]); or the file cannot be written.
pub fn write_detections(path: &Path, detections: &[Detection]) -> Result<(), EvalError> {
    let findings: Vec<Finding> =
        detections.iter().enumerate().flat_map(|(index, detection)| check_finite(index, detection)).collect();
    if !findings.is_empty() {
        return Err(EvalError::Findings { origin: format!("the detections for {}", path.display()), findings });
    }
    let beside = path_beside(path);
    if let Err(source) = write_synced(&beside, detections).and_then(|()| fs::rename(&beside, path)) {
        // The first error is the one to report; there may be nothing to remove.
        let _ = fs::remove_file(&beside);
        return Err(EvalError::Write { path: path.to_path_buf(), source });
    }
    sync_folder(path);
    Ok(())
}

/// A name in the same folder, so that the rename never crosses a file system.
fn path_beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

fn write_synced(path: &Path, detections: &[Detection]) -> io::Result<()> {
    let mut writer = BufWriter::new(File::create(path)?);
    serde_json::to_writer(&mut writer, detections)?;
    writer.write_all(b"\n")?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Makes the rename itself last. The file is whole either way, so a file system that cannot is no error.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent().filter(|folder| cfg!(unix) && !folder.as_os_str().is_empty()) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn detections_read_back_bit_for_bit(
            boxes in proptest::collection::vec(
                (any::<u64>(), any::<u64>(), -1e6f64..1e6, -1e6f64..1e6, 1e-9f64..1e6, 1e-9f64..1e6, 0.0f64..=1.0),
                0..40,
            )
        ) {
            let detections: Vec<Detection> = boxes
                .into_iter()
                .map(|(image_id, category_id, x, y, w, h, score)| {
                    Detection { image_id, category_id, bbox: [x, y, w, h], score }
                })
                .collect();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("dt.json");
            write_detections(&path, &detections).unwrap();
            prop_assert_eq!(read_detections(&path).unwrap(), detections);
            prop_assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }
}
