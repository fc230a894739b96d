//! A split in numbers.

use serde::Serialize;

use super::Part;
use super::reach::AnchorReach;

/// A split in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitTally {
    /// Its name.
    pub split: String,
    /// Pictures that can be used.
    pub pictures: usize,
    /// Of them, those without an object.
    pub without_objects: usize,
    /// Objects that can be used, ignored ones too.
    pub objects: usize,
    /// Of them, crowds and difficult ones.
    pub ignored: usize,
    /// Class by class, in the data set's order.
    pub classes: Vec<ClassTally>,
    /// Objects of one picture.
    pub objects_per_picture: Spread,
    /// Square roots of the boxes' areas, in pixels.
    pub sizes: Spread,
    /// Widths over heights of the boxes.
    pub shapes: Spread,
    /// Share of boxes that no anchor of the recipe has an IoU of 0.5 with; `None` without a recipe or boxes.
    pub unreached: Option<f64>,
}

/// A class of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassTally {
    /// Its name.
    pub name: String,
    /// Its objects.
    pub objects: usize,
    /// Pictures with one of them.
    pub pictures: usize,
}

/// How numbers are spread: least, tenth part, median, nine tenths, most. All 0 where there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// A tenth is below it.
    pub tenth: f64,
    /// Half is below it.
    pub median: f64,
    /// A tenth is above it.
    pub ninetieth: f64,
    /// The most.
    pub most: f64,
}

impl SplitTally {
    pub(super) fn new(part: &Part, reach: Option<&AnchorReach>) -> Self {
        let images = &part.dataset.images;
        let objects = || images.iter().flat_map(|image| &image.objects);
        let class = |(index, category): (usize, &crate::dataset::Category)| ClassTally {
            name: category.name.clone(),
            objects: objects().filter(|object| object.class_index == index).count(),
            pictures: images.iter().filter(|i| i.objects.iter().any(|object| object.class_index == index)).count(),
        };
        let bboxes = || objects().filter(|object| !object.ignored).map(|object| object.bbox_in_image);
        Self {
            split: part.name.clone(),
            pictures: images.len(),
            without_objects: images.iter().filter(|image| image.objects.is_empty()).count(),
            objects: objects().count(),
            ignored: objects().filter(|object| object.ignored).count(),
            classes: part.dataset.categories.iter().enumerate().map(class).collect(),
            objects_per_picture: Spread::of(images.iter().map(|image| image.objects.len() as f64)),
            sizes: Spread::of(bboxes().map(|bbox| f64::from(bbox.area()).sqrt())),
            shapes: Spread::of(bboxes().map(|bbox| f64::from(bbox.width()) / f64::from(bbox.height()))),
            unreached: reach.and_then(|reach| reach.unreached(part)),
        }
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        let Some(last) = values.len().checked_sub(1) else { return Self::default() };
        let at = |share: f64| values[(share * last as f64).round() as usize];
        Self { least: at(0.0), tenth: at(0.1), median: at(0.5), ninetieth: at(0.9), most: at(1.0) }
    }
}
