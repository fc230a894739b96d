//! Files beside those of the data set that no split knows.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::Part;
use crate::finding::{Defect, Finding, FindingKind};
use crate::source::{Format, PICTURE_ENDINGS, Source, entries, has_ending};

/// A finding for every picture and label file that lies in a folder of the data set and belongs to nothing.
///
/// `left_out` are pictures that a split lists and that are not in it; what is wrong with them is among `findings`.
pub(super) fn check(parts: &[Part], source: &Source, left_out: &[PathBuf], findings: &[Finding]) -> Vec<Finding> {
    let images = || parts.iter().flat_map(|part| &part.dataset.images);
    let told = findings.iter().map(|finding| finding.file.as_path());
    let known: HashSet<PathBuf> = images()
        .flat_map(|image| [image.path.as_path(), image.labels.as_path()])
        .chain(left_out.iter().map(PathBuf::as_path))
        .chain(told)
        .map(plain)
        .collect();
    let folders = |of: fn(&crate::dataset::ImageRecord) -> &Path| -> BTreeSet<PathBuf> {
        images().filter_map(|image| of(image).parent()).map(plain).collect()
    };
    let mut found = Vec::new();
    for path in files(&folders(|image| &image.path)) {
        if has_ending(&path, &PICTURE_ENDINGS) && !known.contains(&path) {
            let remedy = "label it and list it, or take it away";
            let defect = Defect::new(FindingKind::OrphanPicture, "no split lists this picture", remedy);
            found.push(defect.at(&path, "file"));
        }
    }
    let ending = match source.format() {
        // All labels are in one file.
        Format::Coco => return found,
        Format::Voc => "xml",
        Format::Yolo => "txt",
    };
    // Lists of pictures end as labels do, and lie beside the manifest.
    let root = source.root();
    let home = plain(if root.is_dir() { root } else { root.parent().unwrap_or(root) });
    let stems: HashSet<_> = known.iter().filter(|path| has_ending(path, &PICTURE_ENDINGS)).map(|p| stem(p)).collect();
    for path in files(&folders(|image| &image.labels)) {
        let is_list = source.format() == Format::Yolo && path.parent() == Some(&home);
        let of_known = stems.contains(&stem(&path));
        if has_ending(&path, &[ending]) && !known.contains(&path) && !of_known && !is_list {
            let remedy = "restore or list its picture, or take it away";
            let defect = Defect::new(FindingKind::OrphanLabels, "no split has a picture for these labels", remedy);
            found.push(defect.at(&path, "file"));
        }
    }
    found
}

fn files(folders: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    // A folder that cannot be listed has no file that could be told of.
    let listed = folders.iter().flat_map(|folder| entries(folder).unwrap_or_default());
    listed.filter(|path| path.is_file()).map(|path| plain(&path)).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A path that is the same however it was come by.
fn plain(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}
