//! Small real data sets of each format, with and without defects.

mod coco;
mod detection;
mod malformed;
mod voc;
mod yolo;

use ghm_data::{Finding, FindingKind};

use crate::folder::Folder;

/// Kind and record of each finding.
fn kinds(findings: &[Finding]) -> Vec<(FindingKind, &str)> {
    findings.iter().map(|finding| (finding.kind, finding.record.as_str())).collect()
}
