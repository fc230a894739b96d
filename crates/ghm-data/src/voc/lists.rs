//! The lists of `ImageSets/Main`: which of them are splits, and what they list.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::finding::{Defect, Finding, FindingKind};
use crate::source::{PICTURE_ENDINGS, entries, has_ending, text};

/// A split: its name and its list, `None` for "every annotation file".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub name: String,
    pub list: Option<PathBuf>,
}

/// One listed picture, and where it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    name: String,
    pub file: PathBuf,
    pub record: String,
}

impl Listed {
    /// A picture that is listed by having an annotation file.
    pub fn file(name: &str, path: &Path) -> Self {
        Self { name: name.to_owned(), file: path.to_path_buf(), record: "file".to_owned() }
    }

    /// The name of the annotation file: as listed, or without the picture's ending where the list has one.
    pub fn name_among<T>(&self, known: &HashMap<String, T>) -> &str {
        let path = Path::new(&self.name);
        let stem = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| has_ending(path, &PICTURE_ENDINGS));
        match stem {
            Some(stem) if !known.contains_key(&self.name) => stem,
            _ => &self.name,
        }
    }
}

/// The splits of a folder: one a list that is not for a single class, or one named `all` where there is no list.
pub(super) fn find(root: &Path) -> Result<Vec<Split>, DataError> {
    let folder = root.join("ImageSets").join("Main");
    let all = || vec![Split { name: "all".to_owned(), list: None }];
    if !folder.is_dir() {
        return Ok(all());
    }
    let lists: Vec<PathBuf> =
        entries(&folder)?.into_iter().filter(|path| has_ending(path, &["txt"]) && path.is_file()).collect();
    let names: HashSet<String> = lists.iter().map(|list| stem(list)).collect();
    let mut splits = Vec::new();
    for list in lists {
        if !is_of_one_class(&list, &names)? {
            splits.push(Split { name: stem(&list), list: Some(list) });
        }
    }
    Ok(if splits.is_empty() { all() } else { splits })
}

/// Reads a list: one picture a line.
pub(super) fn read(list: &Path) -> Result<Vec<Listed>, DataError> {
    let content = text::read_possibly_empty(list)?;
    let lines = (1..).zip(content.lines()).filter(|(_, line)| !line.trim().is_empty());
    Ok(lines
        .map(|(number, line): (usize, &str)| Listed {
            name: line.trim().to_owned(),
            file: list.to_path_buf(),
            record: format!("line {number}"),
        })
        .collect())
}

/// The list with every picture once, and a finding for each repetition.
pub(super) fn without_repeats(listed: Vec<Listed>) -> (Vec<Listed>, Vec<Finding>) {
    let (mut seen, mut findings) = (HashSet::new(), Vec::new());
    let kept = listed.into_iter().filter(|listed| {
        let is_new = seen.insert(listed.name.clone());
        if !is_new {
            let reason = format!("`{}` is listed a second time", listed.name);
            let defect = Defect::new(FindingKind::DuplicateId, reason, "used once; delete the line");
            findings.push(defect.at(&listed.file, &listed.record));
        }
        is_new
    });
    let kept = kept.collect();
    (kept, findings)
}

/// Whether this is a list such as `cat_train.txt`, whose lines end in -1, 0 or 1. An empty list tells nothing by its
/// lines; it counts as one when the rest of its name is a list too.
fn is_of_one_class(list: &Path, names: &HashSet<String>) -> Result<bool, DataError> {
    let content = text::read_possibly_empty(list)?;
    let mut lines = content.lines().filter(|line| !line.trim().is_empty()).peekable();
    if lines.peek().is_none() {
        return Ok(stem(list).rsplit_once('_').is_some_and(|(_, rest)| names.contains(rest)));
    }
    Ok(lines.all(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words.as_slice(), [_, "-1" | "0" | "1"])
    }))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
