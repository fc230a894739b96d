//! Checks that every format shares: boxes against their picture, class names, picture headers; and what findings lead to.

use std::collections::HashMap;
use std::path::Path;

use ghm_boxes::Bbox;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dataset::{Category, Dataset, ImageRecord};
use crate::error::DataError;
use crate::finding::{Defect, Finding, FindingKind};
use crate::header::{Upright, read_upright};

/// What findings lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBad {
    /// The defective records are left out, the rest is used.
    #[default]
    Drop,
    /// Any finding is an error.
    Stop,
}

/// Applies `on_bad` to the findings of a data set.
///
/// # Errors
///
/// [`DataError::Findings`] with all of them when `on_bad` is [`OnBad::Stop`] and there is at least one.
pub fn check_findings(findings: &[Finding], on_bad: OnBad) -> Result<(), DataError> {
    match on_bad {
        OnBad::Stop if !findings.is_empty() => Err(DataError::Findings { findings: findings.to_vec() }),
        OnBad::Stop | OnBad::Drop => Ok(()),
    }
}

/// Compares the header of every picture with the size that the data set states, in parallel.
///
/// Reads some hundred bytes of each file. Returns findings of the kinds [`FindingKind::UnreadablePicture`],
/// [`FindingKind::ExifRotation`] and [`FindingKind::SizeMismatch`] in the order of the pictures; the record is the picture's file name.
pub fn check_pictures(dataset: &Dataset) -> Vec<Finding> {
    let check = |image: &ImageRecord| {
        let record = format!("image {}", image.id);
        match read_upright(&image.path) {
            Err(error) => Some(unreadable(error).at(&image.path, record)),
            Ok(upright) if upright.size == (image.width, image.height) => None,
            Ok(upright) => Some(size_mismatch((image.width, image.height), upright).at(&image.path, record)),
        }
    };
    dataset.images.par_iter().filter_map(check).collect()
}

fn size_mismatch(stated: (u32, u32), Upright { size: found, turned }: Upright) -> Defect {
    let swapped = stated == (found.1, found.0);
    let (kind, remedy) = match (swapped, turned) {
        (true, true) => {
            let remedy = "the labels were made without the EXIF orientation: turn the picture and remove it";
            (FindingKind::ExifRotation, remedy)
        }
        (true, false) => (
            FindingKind::SizeMismatch,
            "width and height are swapped: turn the picture, whose EXIF orientation may have been lost, or correct the labels",
        ),
        (false, _) => {
            let remedy = "the picture was resized or replaced after labelling: restore it or correct the stated size and the boxes";
            (FindingKind::SizeMismatch, remedy)
        }
    };
    let reason = format!("the labels state {}x{} pixels, the picture has {}x{}", stated.0, stated.1, found.0, found.1);
    Defect::new(kind, reason, remedy)
}

/// The defect of a picture whose header cannot be read.
pub(crate) fn unreadable(error: DataError) -> Defect {
    match error {
        DataError::Picture { reason, remedy, .. } => Defect::new(FindingKind::UnreadablePicture, reason, remedy),
        DataError::Io { source, .. } => {
            Defect::new(FindingKind::UnreadablePicture, source.to_string(), "check the file and its permissions")
        }
        other => Defect::new(FindingKind::UnreadablePicture, other.to_string(), "replace the picture"),
    }
}

/// A box that lies inside its picture, and the finding that had to be made of it, if any.
#[derive(Debug)]
pub(crate) struct PlacedBox {
    pub bbox: Bbox,
    pub partly_outside: Option<Defect>,
}

/// Checks the corners `[x1, y1, x2, y2]` of a box against its picture and clips it.
///
/// `written` is the box as the file has it, for the message.
pub(crate) fn place_box(corners: [f64; 4], size: (u32, u32), written: &str) -> Result<PlacedBox, Defect> {
    let [x1, y1, x2, y2] = corners;
    let (width, height) = (f64::from(size.0), f64::from(size.1));
    let defect = |kind, what: &str| {
        Err(Defect::new(kind, format!("box {written} {what}"), "left out; draw the box again or delete it")
            .of_box(corners))
    };
    if !corners.iter().all(|v| v.is_finite()) {
        return defect(FindingKind::NotFinite, "is not finite");
    }
    if x2 < x1 || y2 < y1 {
        return defect(FindingKind::NegativeSize, "has a negative width or height");
    }
    if x2 == x1 || y2 == y1 {
        return defect(FindingKind::ZeroSize, "has no width or no height");
    }
    if x1 >= width || y1 >= height || x2 <= 0.0 || y2 <= 0.0 {
        return defect(
            FindingKind::OutsidePicture,
            &format!("lies outside the picture of {}x{} pixels", size.0, size.1),
        );
    }
    #[expect(clippy::cast_possible_truncation, reason = "coordinates are kept in single precision")]
    let clipped = Bbox::new(
        x1.clamp(0.0, width) as f32,
        y1.clamp(0.0, height) as f32,
        x2.clamp(0.0, width) as f32,
        y2.clamp(0.0, height) as f32,
    );
    if !clipped.is_proper() {
        return defect(FindingKind::ZeroSize, "has no width or height that single precision can tell");
    }
    let beyond = (-x1).max(-y1).max(x2 - width).max(y2 - height);
    let partly_outside = (beyond > 1.0).then(|| {
        let reason = format!("box {written} sticks out of the picture of {}x{} pixels by {beyond:.1}", size.0, size.1);
        Defect::new(FindingKind::PartlyOutside, reason, "clipped to the picture").of_box(corners)
    });
    Ok(PlacedBox { bbox: clipped, partly_outside })
}

/// Findings of the kind [`FindingKind::DuplicateName`] for classes of one name.
pub(crate) fn duplicate_names(categories: &[Category], file: &Path) -> Vec<Finding> {
    let mut seen: HashMap<&str, u64> = HashMap::new();
    let mut findings = Vec::new();
    for category in categories {
        if let Some(first) = seen.get(category.name.as_str()) {
            let reason = format!("`{}` is also the name of category {first}", category.name);
            let defect = Defect::new(FindingKind::DuplicateName, reason, "both are kept apart; rename or merge them");
            findings.push(defect.at(file, format!("category {}", category.id)));
        } else {
            seen.insert(&category.name, category.id);
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind_of(corners: [f64; 4]) -> Option<FindingKind> {
        place_box(corners, (100, 50), "").err().map(|defect| defect.kind)
    }

    #[test]
    fn each_defect_of_a_box_has_its_kind() {
        assert_eq!(kind_of([f64::NAN, 0.0, 1.0, 1.0]), Some(FindingKind::NotFinite));
        assert_eq!(kind_of([0.0, 0.0, f64::INFINITY, 1.0]), Some(FindingKind::NotFinite));
        assert_eq!(kind_of([5.0, 0.0, 4.0, 1.0]), Some(FindingKind::NegativeSize));
        assert_eq!(kind_of([5.0, 0.0, 5.0, 1.0]), Some(FindingKind::ZeroSize));
        assert_eq!(kind_of([90.0, 0.0, 90.0 + 1e-9, 1.0]), Some(FindingKind::ZeroSize));
        assert_eq!(kind_of([100.0, 0.0, 110.0, 1.0]), Some(FindingKind::OutsidePicture));
        assert_eq!(kind_of([0.0, -5.0, 10.0, 0.0]), Some(FindingKind::OutsidePicture));
        assert_eq!(kind_of([0.0, 0.0, 100.0, 50.0]), None);
    }

    #[test]
    fn only_a_box_that_sticks_out_more_than_a_pixel_is_reported() {
        let placed = place_box([-1.0, 0.0, 20.0, 51.0], (100, 50), "").expect("placed");
        assert_eq!(placed.bbox, Bbox::new(0.0, 0.0, 20.0, 50.0));
        assert!(placed.partly_outside.is_none());
        let placed = place_box([-1.5, 0.0, 20.0, 50.0], (100, 50), "").expect("placed");
        assert_eq!(placed.partly_outside.map(|defect| defect.kind), Some(FindingKind::PartlyOutside));
    }

    #[test]
    fn stop_refuses_what_drop_lets_pass() {
        let finding =
            Defect::new(FindingKind::ZeroSize, "no width", "left out").at(Path::new("a.json"), "annotation 7");
        assert!(check_findings(std::slice::from_ref(&finding), OnBad::Drop).is_ok());
        assert!(check_findings(&[], OnBad::Stop).is_ok());
        let message = check_findings(&[finding], OnBad::Stop).expect_err("stopped").to_string();
        assert!(message.contains("1 finding(s)\n  a.json: annotation 7: no width (left out)"), "{message}");
    }

    #[test]
    fn on_bad_is_written_in_lower_case() {
        assert_eq!(serde_json::to_string(&OnBad::Stop).expect("json"), "\"stop\"");
    }

    proptest! {
        #[test]
        fn a_placed_box_is_proper_and_inside(corners in proptest::array::uniform4(-1e3f64..1e3), w in 1u32..500, h in 1u32..500) {
            if let Ok(PlacedBox { bbox, .. }) = place_box(corners, (w, h), "") {
                prop_assert!(bbox.is_proper());
                prop_assert_eq!(bbox, bbox.clip(w as f32, h as f32));
            }
        }
    }
}
