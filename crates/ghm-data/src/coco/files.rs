//! Which JSON files of a folder are COCO splits, and what the splits are called.

use std::path::{Path, PathBuf};

use super::json::looks_like_coco;
use crate::error::DataError;
use crate::source::{entries, has_ending};

/// The name of the file that Roboflow writes into each split's folder.
const ROBOFLOW: &str = "_annotations.coco.json";

/// Prefixes of COCO's files for other tasks; beside an `instances_` file they are not splits.
const OTHER_TASKS: [&str; 5] = ["captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_"];

/// One split and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SplitFile {
    pub split: String,
    pub json: PathBuf,
}

impl SplitFile {
    /// The split named by its file: `instances_train2017.json` is `train2017`; `_annotations.coco.json` goes by its
    /// folder.
    pub fn of(json: &Path) -> Self {
        let stem = json.file_stem().unwrap_or_default().to_string_lossy();
        let split = if is_roboflow(json) {
            let folder =
                std::path::absolute(json).ok().and_then(|path| path.parent()?.file_name().map(ToOwned::to_owned));
            folder.map_or_else(|| "all".to_owned(), |name| name.to_string_lossy().into_owned())
        } else {
            stem.strip_prefix("instances_").unwrap_or(&stem).to_owned()
        };
        Self { split, json: json.to_path_buf() }
    }
}

/// The COCO files of a folder: all of `annotations/*.json`, every `<split>/_annotations.coco.json`, and the JSON files
/// directly in it that look like COCO.
///
/// # Errors
///
/// [`DataError::AmbiguousFiles`] when two name the same split, [`DataError::Io`] when a folder cannot be listed.
pub(crate) fn find(root: &Path) -> Result<Vec<SplitFile>, DataError> {
    let mut files = Vec::new();
    let mut in_root = Vec::new();
    for path in entries(root)? {
        if path.is_dir() {
            let roboflow = path.join(ROBOFLOW);
            if path.file_name().is_some_and(|name| name == "annotations") {
                let listed = entries(&path)?.into_iter().filter(|path| has_ending(path, &["json"]) && path.is_file());
                files.extend(instances_only(listed.collect()));
            } else if roboflow.is_file() {
                files.push(roboflow);
            }
        } else if has_ending(&path, &["json"]) && (is_roboflow(&path) || looks_like_coco(&path)?) {
            in_root.push(path);
        }
    }
    files.extend(instances_only(in_root));
    let mut splits: Vec<SplitFile> = Vec::new();
    for split in files.iter().map(|json| SplitFile::of(json)) {
        if let Some(first) = splits.iter().find(|known| known.split == split.split) {
            let what = format!("split `{}`", split.split);
            let (first, second) = (first.json.clone(), split.json);
            return Err(DataError::AmbiguousFiles { root: root.to_path_buf(), first, second, what });
        }
        splits.push(split);
    }
    Ok(splits)
}

fn is_roboflow(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == ROBOFLOW)
}

fn instances_only(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
    let starts_with =
        |path: &PathBuf, prefix: &str| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    if files.iter().any(|path| starts_with(path, "instances_")) {
        files.retain(|path| !OTHER_TASKS.iter().any(|prefix| starts_with(path, prefix)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_named_by_its_file() {
        let split_of = |path: &str| SplitFile::of(Path::new(path)).split;
        assert_eq!(split_of("annotations/instances_train2017.json"), "train2017");
        assert_eq!(split_of("annotations/train.json"), "train");
        assert_eq!(split_of("valid/_annotations.coco.json"), "valid");
    }
}
