//! A summary of detections, of whatever network, without a run.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use ghm_boxes::Bbox;
use ghm_data::Dataset;
use ghm_eval::Detection;
use rayon::prelude::*;

use crate::summary::{LabelSummary, Look, Origin, Seen, Summary, cross_entropy, leading};

/// A detection speaks of a label from this IoU on, unless another label fits it better by more than the margin.
const ABOUT: f32 = 0.4;
const MARGIN: f32 = 0.3;

/// A detection as the data set numbers it.
pub(crate) struct Found {
    pub class: usize,
    pub score: f32,
    pub bbox: Bbox,
}

/// Detections by picture; those of unknown classes are passed over.
pub(crate) fn by_image(detections: &[Detection], dataset: &Dataset) -> HashMap<u64, Vec<Found>> {
    let class_of: HashMap<u64, usize> =
        dataset.categories.iter().enumerate().map(|(index, category)| (category.id, index)).collect();
    let mut of_image: HashMap<u64, Vec<Found>> = HashMap::new();
    for detection in detections {
        if let Some(&class) = class_of.get(&detection.category_id) {
            let bbox = Bbox::from_xywh(detection.bbox.map(|number| number as f32));
            of_image.entry(detection.image_id).or_default().push(Found { class, score: detection.score as f32, bbox });
        }
    }
    of_image
}

/// What one network found in the pictures that it was shown.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// The pictures that it has looked at, with or without finding anything.
    pub image_ids: Vec<u64>,
    /// What it found; what is in other pictures is passed over, and so are unknown classes.
    pub detections: Cow<'a, [Detection]>,
}

/// What detections in all pictures of a data set say of its labels; [`from_networks`] of one network.
pub fn from_detections(detections: &[Detection], dataset: &Dataset) -> Summary {
    let image_ids = dataset.images.iter().map(|image| image.id).collect();
    from_networks(&[Shown { image_ids, detections: detections.into() }], dataset)
}

/// What the detections of several networks say of the labels, where each picture was shown to one of them at most. Labels in
/// pictures that none was shown have no look.
///
/// A label's scores are those of the best detections about it, of its class and of any other; what is about no label was seen
/// without one.
pub fn from_networks(networks: &[Shown], dataset: &Dataset) -> Summary {
    let mut of_image: HashMap<u64, (u32, Vec<Found>)> = HashMap::new();
    for (number, shown) in (0..).zip(networks) {
        let mut found = by_image(&shown.detections, dataset);
        of_image.extend(shown.image_ids.iter().map(|id| (*id, (number, found.remove(id).unwrap_or_default()))));
    }
    let of_picture = |(image, record): (usize, &ghm_data::ImageRecord)| {
        let shown = of_image.get(&record.id);
        let found = shown.map_or(&[][..], |(_, found)| found);
        let objects = || record.objects.iter().enumerate().filter(|(_, object)| !object.ignored);
        let nearest =
            |found: &Found| objects().map(|(_, object)| object.bbox_in_image.iou(found.bbox)).fold(0.0, f32::max);
        let of_classes =
            |seen: &Found| best_of_classes(found.iter().filter(|other| seen.bbox.iou(other.bbox) >= ABOUT));
        let near: Vec<(&Found, f32)> = found.iter().map(|found| (found, nearest(found))).collect();
        let labels: Vec<LabelSummary> = objects()
            .map(|(index, object)| {
                let unseen = LabelSummary::unseen((image, index), object.class_index, object.bbox_in_image);
                shown.map_or(unseen.clone(), |(number, _)| label(unseen, *number, &near))
            })
            .collect();
        let seen = found.iter().map(|found| Seen {
            image,
            class: found.class,
            class_share: found.score / of_classes(found).values().sum::<f32>().max(f32::MIN_POSITIVE),
            score: found.score,
            looks: 1,
            epochs: shown.map_or(0, |(number, _)| u64::from(*number)),
            scores: shown.iter().map(|(number, _)| (*number, found.score)).collect(),
            bbox: found.bbox,
        });
        let unlabelled: Vec<Seen> = seen.filter(|seen| !seen.is_labelled(dataset)).collect();
        (labels, unlabelled)
    };
    let pictures: Vec<_> = dataset.images.par_iter().enumerate().map(of_picture).collect();
    let (labels, unlabelled): (Vec<_>, Vec<_>) = pictures.into_iter().unzip();
    Summary { labels: labels.concat(), unlabelled: unlabelled.concat(), origin: Origin::Detections }
}

/// The best score of each class.
pub(crate) fn best_of_classes<'a>(found: impl Iterator<Item = &'a Found>) -> BTreeMap<usize, f32> {
    let mut best = BTreeMap::new();
    for found in found {
        let score: &mut f32 = best.entry(found.class).or_default();
        *score = score.max(found.score);
    }
    best
}

/// What is said of a label by what was found, each with its IoU with the label that it fits best.
fn label(unseen: LabelSummary, network: u32, found: &[(&Found, f32)]) -> LabelSummary {
    let (class, bbox) = (unseen.other.0, unseen.bbox);
    let about = || {
        let about = found.iter().filter(|(found, nearest)| found.bbox.iou(bbox) >= ABOUT.max(nearest - MARGIN));
        about.map(|(found, _)| *found)
    };
    let mut others = best_of_classes(about());
    let own = others.remove(&class).unwrap_or(0.0);
    let (other, other_share) =
        leading(&others).map_or(((class, 0.0), 0.0), |(class, share)| ((class, others[&class]), share));
    let surest = about().max_by(|a, b| a.score.total_cmp(&b.score));
    let iou = surest.map_or(0.0, |found| found.bbox.iou(bbox));
    LabelSummary {
        looks: vec![Look { epoch: network, own, best: own, other: other.1, iou }],
        own,
        best: own,
        cross_entropy: cross_entropy(own),
        other,
        other_share,
        iou,
        bbox: surest.map_or(bbox, |found| found.bbox),
        ..unseen
    }
}
