//! Detections against the ground truth: every defect that would make a wrong number.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::detection::Detection;
use crate::error::EvalError;
use crate::evaluation::Warning;
use crate::field::BBOX_FIELDS;
use crate::finding::{Finding, List, Problem};
use crate::truth::GroundTruth;
use crate::truth_records::Picture;

/// A box, read as `[x, y, width, height]`, that goes this far beyond its picture speaks for corners.
const LEAVES_PICTURE: f64 = 1.1;

fn place(index: usize, detection: &Detection, field: &'static str, problem: Problem) -> Finding {
    let image_id = Some(detection.image_id);
    Finding { list: List::Detections, index: Some(index), image_id, file_name: None, field, problem }
}

/// Coordinates and score that are NaN or infinite.
pub(crate) fn check_finite(index: usize, detection: &Detection) -> impl Iterator<Item = Finding> {
    let [x, y, width, height] = detection.bbox;
    let numbers = [x, y, width, height, detection.score];
    let fields = [BBOX_FIELDS[0], BBOX_FIELDS[1], BBOX_FIELDS[2], BBOX_FIELDS[3], "score"];
    let detection = *detection;
    fields
        .into_iter()
        .zip(numbers)
        .filter(|(_, number)| !number.is_finite())
        .map(move |(field, number)| place(index, &detection, field, Problem::NotFinite { value: number.to_string() }))
}

/// What is wrong with a detection by itself: not finite, score out of range, box without size.
pub(crate) fn check_values(index: usize, detection: &Detection) -> impl Iterator<Item = Finding> {
    let (score, [_, _, width, height]) = (detection.score, detection.bbox);
    // An infinite value is reported once, as such.
    let score_out = score.is_finite() && !(0.0..=1.0).contains(&score);
    let empty = width.is_finite() && height.is_finite() && (width <= 0.0 || height <= 0.0);
    let score_finding = score_out.then(|| place(index, detection, "score", Problem::ScoreOutOfRange { score }));
    let size_finding = empty.then(|| place(index, detection, "bbox", Problem::EmptyBox { width, height }));
    check_finite(index, detection).chain(score_finding).chain(size_finding)
}

/// Refuses detections that cannot be evaluated; those that merely look odd are returned.
pub(crate) fn check_detections(truth: &GroundTruth, detections: &[Detection]) -> Result<Vec<Warning>, EvalError> {
    let mut findings = Vec::new();
    for (index, detection) in detections.iter().enumerate() {
        findings.extend(check_values(index, detection));
        findings.extend(check_ids(truth, index, detection));
    }
    findings.extend(check_corners(truth, detections));
    if findings.is_empty() {
        return Ok(duplicates(detections));
    }
    for finding in &mut findings {
        let picture = finding.image_id.and_then(|id| truth.picture(id));
        finding.file_name = picture.and_then(|picture| picture.file_name.clone());
    }
    Err(EvalError::Findings { origin: format!("the detections for {}", truth.origin()), findings })
}

fn check_ids(truth: &GroundTruth, index: usize, detection: &Detection) -> impl Iterator<Item = Finding> {
    let Detection { image_id, category_id, .. } = *detection;
    let image = truth.picture(image_id).is_none().then(|| {
        let known = truth.image_range;
        place(index, detection, "image_id", Problem::UnknownImage { image_id, known })
    });
    let category = truth.class_index(category_id).is_none().then(|| {
        let known = truth.category_range;
        place(index, detection, "category_id", Problem::UnknownCategory { category_id, known })
    });
    image.into_iter().chain(category)
}

/// Whether the boxes are corners: most leave their picture as `[x, y, width, height]` and nearly all fit as corners.
///
/// Both are asked, so that an untrained detector's wild boxes are not taken for another format.
fn check_corners(truth: &GroundTruth, detections: &[Detection]) -> Option<Finding> {
    let (mut total, mut fitting, mut leaving, mut first) = (0usize, 0usize, 0usize, None);
    for (index, detection) in detections.iter().enumerate() {
        let Some((width, height)) = truth.picture(detection.image_id).and_then(Picture::size) else { continue };
        total += 1;
        let [x, y, w, h] = detection.bbox;
        let fits = w > x && h > y && w <= LEAVES_PICTURE * width && h <= LEAVES_PICTURE * height;
        let leaves = x + w > LEAVES_PICTURE * width || y + h > LEAVES_PICTURE * height;
        fitting += usize::from(fits);
        leaving += usize::from(fits && leaves);
        if fits && leaves && first.is_none() {
            first = Some((index, detection));
        }
    }
    let (index, detection) = first?;
    let corners = 2 * leaving > total && 20 * fitting >= 19 * total;
    corners.then(|| place(index, detection, "bbox", Problem::Corners { leaving, total }))
}

/// Detections equal to an earlier one in picture, class, box and score.
fn duplicates(detections: &[Detection]) -> Vec<Warning> {
    let mut seen = HashMap::with_capacity(detections.len());
    let mut warnings = Vec::new();
    for (index, detection) in detections.iter().enumerate() {
        let Detection { image_id, category_id, bbox, score } = *detection;
        // Adding 0 turns -0 into 0: equal numbers get equal bits.
        let key = (image_id, category_id, bbox.map(|v| (v + 0.0).to_bits()), (score + 0.0).to_bits());
        match seen.entry(key) {
            Entry::Occupied(first) => {
                warnings.push(Warning::DuplicateDetection { index, first_index: *first.get(), image_id, category_id })
            }
            Entry::Vacant(slot) => {
                slot.insert(index);
            }
        }
    }
    warnings
}
