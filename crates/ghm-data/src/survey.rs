//! Everything that can be found wrong with a data set without a network: all splits, every defect at once, nothing written.

use std::collections::BTreeMap;

use crate::dataset::Dataset;
use crate::error::DataError;
use crate::finding::{Defect, Finding, FindingKind};
use crate::source::{Format, Loaded, Source};
pub use reach::AnchorReach;
pub use tally::{ClassTally, SplitTally, Spread};

mod classes;
mod copies;
mod objects;
mod orphans;
mod pictures;
mod reach;
mod tally;

/// What counts as a defect, where that is a matter of degree.
#[derive(Clone, Debug, PartialEq)]
pub struct SurveyConfig {
    /// Boxes whose sides are both at least so many pixels are not tiny.
    pub least_side: f32,
    /// A box is huge over this share of its picture.
    pub most_share: f32,
    /// A box has an extreme shape when one side is so many times the other.
    pub most_elongated: f32,
    /// Two boxes are about the same object above this IoU.
    pub duplicate_iou: f32,
    /// Whether pictures are decoded: to the end, and to be compared with one another.
    pub pixels: bool,
    /// Anchors and input size of a recipe that the boxes should fit.
    pub reach: Option<AnchorReach>,
}

impl Default for SurveyConfig {
    /// 4 pixels, 95% of the picture, 30 to 1, an IoU of 0.8, with pixels, without anchors.
    fn default() -> Self {
        let (least_side, most_share, most_elongated, duplicate_iou) = (4.0, 0.95, 30.0, 0.8);
        Self { least_side, most_share, most_elongated, duplicate_iou, pixels: true, reach: None }
    }
}

/// A data set looked through.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Its format.
    pub format: Format,
    /// Its splits in numbers, those that could be read.
    pub splits: Vec<SplitTally>,
    /// Every defect, by kind, in a kind in reading order.
    pub findings: Vec<Finding>,
}

/// A split that could be read.
pub(crate) struct Part {
    pub name: String,
    pub dataset: Dataset,
}

/// Looks through all splits. `progress` hears how many of all pictures were decoded.
///
/// A split that cannot be read is a finding, not an error.
pub fn survey(source: &Source, config: &SurveyConfig, progress: &(dyn Fn(usize, usize) + Sync)) -> Survey {
    let format = source.format();
    let (mut parts, mut findings, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for split in source.splits() {
        match source.load(split) {
            Ok(Loaded { dataset, findings: found, left_out: pictures }) => {
                findings.extend(found);
                left_out.extend(pictures);
                parts.push(Part { name: split.clone(), dataset });
            }
            Err(error) => findings.extend(unusable(source, error)),
        }
    }
    for part in &parts {
        findings.extend(crate::check::check_pictures(&part.dataset));
        findings.extend(objects::check(&part.dataset, format, config));
        findings.extend(config.reach.as_ref().and_then(|reach| reach.check(part)));
    }
    findings.extend(classes::check(&parts, source));
    // Of a split that cannot be read it is not known what it lists.
    if parts.len() == source.splits().len() {
        findings.extend(orphans::check(&parts, source, &left_out, &findings));
    }
    if config.pixels {
        let parts: Vec<&Part> = parts.iter().filter(|part| !is_union_split(&part.name, source.splits())).collect();
        let looks = pictures::look(&parts, progress);
        findings.extend(pictures::check(&parts, &looks));
        findings.extend(copies::check(&parts, &looks));
    }
    let splits = parts.iter().map(|part| SplitTally::new(part, config.reach.as_ref())).collect();
    Survey { format, splits, findings: in_order(findings) }
}

/// Whether a split is two others together, as VOC's `trainval`: its pictures are looked at in those.
pub fn is_union_split(name: &str, splits: &[String]) -> bool {
    let is_rest = |first: &String| {
        let rest = name.strip_prefix(first.as_str()).filter(|rest| !rest.is_empty());
        rest.is_some_and(|rest| splits.iter().any(|split| split == rest))
    };
    splits.iter().any(is_rest)
}

/// What makes a whole split unusable, as findings.
fn unusable(source: &Source, error: DataError) -> Vec<Finding> {
    match error {
        DataError::Records { path, problems } => {
            let remedy = "no record of the file is used before it is mended";
            let finding = |problem: crate::error::Problem| {
                Defect::new(FindingKind::Malformed, problem.reason, remedy).at(&path, problem.record)
            };
            problems.into_iter().map(finding).collect()
        }
        DataError::EmptySplit { findings, .. } if !findings.is_empty() => findings,
        DataError::Malformed { path, record, reason, remedy } => {
            vec![Defect::new(FindingKind::UnreadableLabels, reason, remedy).at(&path, record)]
        }
        other => {
            let defect = Defect::new(FindingKind::UnreadableLabels, other.to_string(), "none of the split is used");
            vec![defect.at(source.root(), "split")]
        }
    }
}

/// By kind, each once: splits share files, and what is wrong with those is met with every split.
fn in_order(findings: Vec<Finding>) -> Vec<Finding> {
    let mut by_kind: BTreeMap<FindingKind, Vec<Finding>> = BTreeMap::new();
    let mut seen = std::collections::HashSet::new();
    for finding in findings {
        if seen.insert((finding.kind, finding.file.clone(), finding.record.clone(), finding.reason.clone())) {
            by_kind.entry(finding.kind).or_default().push(finding);
        }
    }
    by_kind.into_values().flatten().collect()
}
