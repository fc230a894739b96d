//! A summary of detections, of whatever network, without a run.

use std::collections::HashMap;

use ghm_boxes::Bbox;
use ghm_data::Dataset;
use ghm_eval::Detection;
use rayon::prelude::*;

use crate::summary::{LabelSummary, Look, Origin, Seen, Summary, cross_entropy};

/// A detection speaks of a label from this IoU on.
const ABOUT: f32 = 0.4;

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

/// What detections say of the labels. Those of unknown pictures and classes are passed over.
///
/// A label's scores are those of the best detections about it, of its class and of any other; what is about no label was seen
/// without one.
pub fn from_detections(detections: &[Detection], dataset: &Dataset) -> Summary {
    let of_image = by_image(detections, dataset);
    let of_picture = |(image, record): (usize, &ghm_data::ImageRecord)| {
        let found = of_image.get(&record.id).map_or(&[][..], Vec::as_slice);
        let objects = record.objects.iter().enumerate().filter(|(_, object)| !object.ignored);
        let labels: Vec<LabelSummary> = objects
            .map(|(index, object)| label((image, index), object.class_index, object.bbox_in_image, found))
            .collect();
        let seen = found.iter().map(|found| Seen { image, class: found.class, score: found.score, bbox: found.bbox });
        let unlabelled: Vec<Seen> = seen.filter(|seen| !seen.is_labelled(dataset)).collect();
        (labels, unlabelled)
    };
    let pictures: Vec<_> = dataset.images.par_iter().enumerate().map(of_picture).collect();
    let (labels, unlabelled): (Vec<_>, Vec<_>) = pictures.into_iter().unzip();
    Summary { labels: labels.concat(), unlabelled: unlabelled.concat(), origin: Origin::Detections }
}

fn label((image, object): (usize, usize), class: usize, bbox: Bbox, found: &[Found]) -> LabelSummary {
    let about = || found.iter().filter(|found| found.bbox.iou(bbox) >= ABOUT);
    let best =
        |own: bool| about().filter(|found| (found.class == class) == own).max_by(|a, b| a.score.total_cmp(&b.score));
    let own = best(true).map_or(0.0, |found| found.score);
    let other = best(false).map_or((class, 0.0), |found| (found.class, found.score));
    let surest = about().max_by(|a, b| a.score.total_cmp(&b.score));
    let iou = surest.map_or(0.0, |found| found.bbox.iou(bbox));
    LabelSummary {
        image,
        object,
        looks: vec![Look { epoch: 0, own, other: other.1, iou }],
        own,
        best: own,
        cross_entropy: cross_entropy(own),
        other,
        box_norm: 0.0,
        iou,
        bbox: surest.map_or(bbox, |found| found.bbox),
    }
}
