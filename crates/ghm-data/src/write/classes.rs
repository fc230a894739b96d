//! One list of classes for all splits, where a format has one alone.

use super::WrittenSplit;
use crate::dataset::{Category, Dataset};

/// The splits with the classes of them all, by name in the order in which they are met; as they are where all have the same.
pub(super) fn unified(splits: &[WrittenSplit]) -> Vec<(String, Dataset)> {
    let same = splits.windows(2).all(|pair| pair[0].dataset.categories == pair[1].dataset.categories);
    let mut all: Vec<Category> = Vec::new();
    for category in splits.iter().flat_map(|split| &split.dataset.categories) {
        if !all.iter().any(|known| known.name == category.name) {
            all.push(category.clone());
        }
    }
    let with_all = |split: &WrittenSplit| {
        let mut dataset = split.dataset.clone();
        let place = |category: &Category| all.iter().position(|known| known.name == category.name).unwrap_or(0);
        let places: Vec<usize> = dataset.categories.iter().map(place).collect();
        dataset
            .images
            .iter_mut()
            .flat_map(|image| &mut image.objects)
            .for_each(|o| o.class_index = places[o.class_index]);
        dataset.categories.clone_from(&all);
        dataset
    };
    splits
        .iter()
        .map(|split| (split.name.clone(), if same { split.dataset.clone() } else { with_all(split) }))
        .collect()
}
