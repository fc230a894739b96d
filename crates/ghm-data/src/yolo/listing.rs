//! The pictures of a YOLO split: folders and lists.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use crate::error::DataError;
use crate::finding::{Defect, Finding, FindingKind};
use crate::source::{PICTURE_ENDINGS, entries, has_ending, text};

/// A listed picture, and where it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub path: PathBuf,
    /// The path within the data set.
    pub file_name: String,
    pub file: PathBuf,
    pub record: String,
}

/// The pictures of a split, each once, in the order of its folders and lists; repetitions are added to `findings`.
pub(super) fn pictures(
    manifest: &Manifest,
    split: &str,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Listed>, DataError> {
    let mut all = Vec::new();
    for (key, entry) in manifest.entries_of(split) {
        let path = manifest.locate(&key, entry)?;
        if path.is_dir() {
            let mut found = Vec::new();
            walk(&path, &mut HashSet::new(), &mut found)?;
            all.extend(found.into_iter().map(|path| manifest.listed(path, &manifest.file, &key)));
        } else if has_ending(&path, &["txt"]) {
            all.extend(read_list(manifest, &path)?);
        } else {
            let reason = format!("`{entry}` is neither a folder nor a .txt list");
            return Err(DataError::malformed(&manifest.file, &key, reason, "name a folder of pictures or a list"));
        }
    }
    let mut seen = HashSet::new();
    all.retain(|listed| {
        let is_new = seen.insert(listed.path.clone());
        if !is_new {
            let reason = format!("picture {} is listed a second time", listed.path.display());
            let defect = Defect::new(FindingKind::DuplicateId, reason, "used once; list it once");
            findings.push(defect.at(&listed.file, &listed.record));
        }
        is_new
    });
    Ok(all)
}

impl Manifest {
    fn listed(&self, path: PathBuf, file: &Path, record: &str) -> Listed {
        let file_name = path.strip_prefix(&self.base).unwrap_or(&path).to_string_lossy().into_owned();
        Listed { path, file_name, file: file.to_path_buf(), record: record.to_owned() }
    }
}

/// Pictures of a folder and the folders in it, sorted; a folder that links back to one above it is entered once.
fn walk(folder: &Path, entered: &mut HashSet<PathBuf>, found: &mut Vec<PathBuf>) -> Result<(), DataError> {
    if !entered.insert(fs::canonicalize(folder).map_err(DataError::io(folder, "list the folder"))?) {
        return Ok(());
    }
    for path in entries(folder)? {
        if path.is_dir() {
            walk(&path, entered, found)?;
        } else if has_ending(&path, &PICTURE_ENDINGS) {
            found.push(path);
        }
    }
    Ok(())
}

/// A list's lines are taken relative to the list itself or, where nothing lies there, to the data set.
fn read_list(manifest: &Manifest, list: &Path) -> Result<Vec<Listed>, DataError> {
    let content = text::read_possibly_empty(list)?;
    let beside = list.parent().unwrap_or(Path::new(""));
    let lines = (1..).zip(content.lines()).filter(|(_, line)| !line.trim().is_empty());
    let listed = lines.map(|(number, line): (usize, &str)| {
        let line = line.trim();
        let candidates = [beside.join(line), manifest.base.join(line)];
        let path = candidates.iter().find(|path| path.is_file()).unwrap_or(&candidates[0]);
        manifest.listed(path.components().collect(), list, &format!("line {number}"))
    });
    Ok(listed.collect())
}
