//! What is usual among labels at one time, so that each can be compared with the others.

use std::collections::BTreeMap;

use ghm_data::Dataset;

use crate::summary::{Look, Summary};

/// A score that is this share of the usual counts as nothing.
const LITTLE: f32 = 0.1;

/// A spread of IoUs below which no network is trusted.
const LEAST_SPREAD: f32 = 0.05;

/// Labels of one class, at least, that are compared with each other.
const OF_ONE_CLASS: usize = 10;

/// Labels of about one size, at least, and into how many sizes they are sorted, at most.
const OF_ONE_SIZE: usize = 20;
const SIZES: usize = 10;

/// Which labels a label is like.
#[derive(Clone, Copy)]
pub(crate) struct Alike {
    class: usize,
    size: usize,
}

/// What is usual in one epoch, or for one network: medians over labels that something speaks of.
pub(crate) struct Usual {
    /// Objectness.
    pub objectness: f32,
    /// Best score of the own class, or the objectness where that is more.
    pub best: f32,
    /// IoU.
    pub iou: f32,
    /// How far the upper quartile of IoUs is above their median.
    pub spread: f32,
    /// Objectness of labels of one size.
    of_size: Vec<f32>,
    /// [`Usual::ratio`] of labels of one class.
    of_class: Vec<f32>,
}

impl Usual {
    fn new(looks: &[(Alike, Look)]) -> Self {
        let mut ious: Vec<f32> = looks.iter().map(|(_, look)| look.iou).collect();
        let (iou, upper) = (quantile(&mut ious, 0.5), quantile(&mut ious, 0.75));
        let mut usual = Self {
            objectness: positive(median_of(looks.iter().map(|(_, look)| look.objectness()))),
            best: positive(median_of(looks.iter().map(|(_, look)| look.best.max(look.objectness())))),
            iou,
            spread: (upper - iou).max(LEAST_SPREAD),
            of_size: Vec::new(),
            of_class: Vec::new(),
        };
        usual.of_size = grouped(looks, |alike| alike.size, |look| look.objectness())
            .into_iter()
            .map(|values| positive(median_of(values)))
            .collect();
        usual.of_class = grouped(looks, |alike| alike.class, |look| usual.ratio(look))
            .into_iter()
            .map(|values| if values.len() < OF_ONE_CLASS { 1.0 } else { median_of(values) })
            .collect();
        usual
    }

    /// How much more of another class was seen than of the label's own.
    pub fn ratio(&self, look: &Look) -> f32 {
        let little = LITTLE * self.objectness;
        (look.other + little) / (look.own + little)
    }

    /// The usual [`Usual::ratio`] of labels of the same class.
    pub fn ratio_of_class(&self, alike: Alike) -> f32 {
        self.of_class.get(alike.class).copied().unwrap_or(1.0)
    }

    /// The usual objectness of labels of about the same size.
    pub fn objectness_of_size(&self, alike: Alike) -> f32 {
        self.of_size.get(alike.size).copied().unwrap_or(self.objectness)
    }
}

/// What is usual in each epoch; `alike` has one for each label.
pub(crate) fn usual(summary: &Summary, alike: &[Alike]) -> BTreeMap<u32, Usual> {
    let looks =
        || summary.labels.iter().zip(alike).flat_map(|(label, alike)| label.looks.iter().map(|look| (*alike, *look)));
    let mut all: BTreeMap<u32, Usual> = BTreeMap::new();
    // An epoch at a time: of a large data set they are many.
    for (_, look) in looks() {
        all.entry(look.epoch).or_insert_with(|| {
            Usual::new(
                &looks().filter(|(_, other)| other.epoch == look.epoch && other.objectness() > 0.0).collect::<Vec<_>>(),
            )
        });
    }
    all
}

/// Which labels each is like.
pub(crate) fn alike(summary: &Summary, dataset: &Dataset) -> Vec<Alike> {
    let object = |index: usize| {
        let label = &summary.labels[index];
        &dataset.images[label.image].objects[label.object]
    };
    let labels = 0..summary.labels.len();
    let mut by_size: Vec<usize> = labels.clone().filter(|index| !summary.labels[*index].looks.is_empty()).collect();
    let area = |index: &usize| object(*index).bbox_in_image.area();
    by_size.sort_by(|a, b| area(a).total_cmp(&area(b)));
    let sizes = (by_size.len() / OF_ONE_SIZE).clamp(1, SIZES);
    let mut alike: Vec<Alike> = labels.map(|index| Alike { class: object(index).class_index, size: 0 }).collect();
    for (size, labels) in by_size.chunks(by_size.len().div_ceil(sizes).max(1)).enumerate() {
        labels.iter().for_each(|index| alike[*index].size = size);
    }
    alike
}

/// Values of looks by what their labels have in common.
fn grouped(looks: &[(Alike, Look)], by: impl Fn(&Alike) -> usize, value: impl Fn(&Look) -> f32) -> Vec<Vec<f32>> {
    let mut groups: Vec<Vec<f32>> = Vec::new();
    for (alike, look) in looks {
        let group = by(alike);
        if groups.len() <= group {
            groups.resize(group + 1, Vec::new());
        }
        groups[group].push(value(look));
    }
    groups
}

fn positive(value: f32) -> f32 {
    value.max(f32::MIN_POSITIVE)
}

/// The lower median; 0 of nothing.
pub(crate) fn median_of(values: impl IntoIterator<Item = f32>) -> f32 {
    quantile(&mut values.into_iter().collect::<Vec<_>>(), 0.5)
}

/// The value below which this share of the values lies; 0 of nothing.
fn quantile(values: &mut [f32], share: f32) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let place = share * values.len().saturating_sub(1) as f32;
    values.get(place as usize).copied().unwrap_or(0.0)
}
