//! Putting together the pictures of a format that numbers neither pictures nor objects.

use std::path::{Path, PathBuf};

use super::{Loaded, empty_split};
use crate::dataset::{Category, Dataset, ImageRecord};
use crate::error::DataError;
use crate::finding::Finding;

/// What was read of one listed picture.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// The picture, its objects numbered from 1; `None` when it cannot be used.
    pub image: Option<ImageRecord>,
    /// Its defects.
    pub findings: Vec<Finding>,
    /// The picture that a finding left out, where it is there.
    pub left_out: Option<PathBuf>,
    /// How many objects its label file lists, the defective ones included.
    pub objects_listed: u64,
}

impl Entry {
    /// A picture that is left out.
    pub fn left_out(finding: Finding) -> Self {
        Self { findings: vec![finding], ..Self::default() }
    }

    /// The same of one that is there.
    pub fn without(self, picture: Option<&Path>) -> Self {
        Self { left_out: picture.map(Path::to_path_buf), ..self }
    }
}

/// Numbers pictures and objects through from 1 in reading order. What is left out keeps its number, so that mending one
/// record renumbers no other.
///
/// # Errors
///
/// [`DataError::EmptySplit`] when no picture is left.
pub(crate) fn assemble(
    entries: Vec<Entry>,
    categories: Vec<Category>,
    (list, split): (&Path, &str),
    mut findings: Vec<Finding>,
) -> Result<Loaded, DataError> {
    let (mut images, mut left_out, mut objects_before) = (Vec::with_capacity(entries.len()), Vec::new(), 0);
    for (id, entry) in (1..).zip(entries) {
        if let Some(mut image) = entry.image {
            image.id = id;
            for object in &mut image.objects {
                object.annotation_id += objects_before;
            }
            images.push(image);
        }
        objects_before += entry.objects_listed;
        findings.extend(entry.findings);
        left_out.extend(entry.left_out);
    }
    if images.is_empty() {
        return Err(empty_split(list, split, &findings));
    }
    Ok(Loaded { dataset: Dataset { categories, images }, findings, left_out })
}
