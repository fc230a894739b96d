//! Parts of pictures with a label, with what was found, or with both.

use std::collections::HashMap;

use ghm_boxes::Bbox;
use ghm_data::{Dataset, ImageRecord};
use ghm_report::{Block, Crop, Shown};

use crate::samples::open_picture;

/// A part of a picture that is to be shown.
pub struct Wanted {
    pub image_id: u64,
    /// A label.
    pub label: Option<Bbox>,
    /// What was found or is suggested.
    pub seen: Option<Bbox>,
    pub caption: String,
}

/// Cuts all of them out, those left out whose picture cannot be read.
pub fn gallery(dataset: &Dataset, wanted: Vec<Wanted>) -> Block {
    let images: HashMap<u64, &ImageRecord> = dataset.images.iter().map(|image| (image.id, image)).collect();
    let shown = wanted.into_iter().filter_map(|wanted| {
        let image = images.get(&wanted.image_id)?;
        let crop = Crop::new(&open_picture(&image.path).ok()?, wanted.label, wanted.seen)?;
        Some(Shown { caption: format!("{} · {}", wanted.caption, image.file_name), crop })
    });
    Block::Gallery(shown.collect())
}

/// So many of them, spread evenly from the first to the last.
pub fn spread<T>(all: Vec<T>, count: usize) -> Vec<T> {
    let (length, shown) = (all.len(), count.min(all.len()));
    let mut places = (0..shown).map(|place| place * (length - 1) / (shown - 1).max(1)).peekable();
    let kept = all.into_iter().enumerate().filter(|(place, _)| places.next_if_eq(place).is_some());
    kept.map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_kept_with_the_first_and_the_last() {
        let shown = |count: usize| spread((1..=count).collect(), 5);
        assert_eq!(shown(16), [1, 4, 8, 12, 16]);
        assert_eq!(shown(2), [1, 2]);
        assert_eq!((shown(1), shown(0)), (vec![1], vec![]));
        assert_eq!(spread(vec![1, 2, 3], 1), [1]);
    }
}
