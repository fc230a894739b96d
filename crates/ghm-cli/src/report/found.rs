//! What was found in the validation split: curves, confusions, calibration, and parts of pictures.

use std::collections::HashMap;

use anyhow::Result;
use ghm_boxes::Bbox;
use ghm_data::Dataset;
use ghm_eval::{Curve, Detection, GroundTruth, Review, read_detections, review};
use ghm_report::{Block, Chart, ChartAxis, Mark, Matrix, Point, Series};

use super::gallery::{Wanted, gallery, spread};
use super::{Subject, figures, heading};
use crate::table::counted;

/// Classes of which each has a curve, and a row of the confusions; of more the most mistaken ones.
const CURVES: usize = 7;
const ROWS: usize = 25;

/// Parts of pictures of each kind.
const SHOWN: usize = 12;

/// IoU from which a label is shown beside a wrong box.
const BESIDE: f32 = 0.1;

pub fn blocks(subject: &Subject) -> Result<Vec<Block>> {
    let path = subject.directory.detections_path();
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let Some(dataset) = &subject.validation else {
        return Ok(vec![
            heading("Precision and recall"),
            Block::Text(
                "The validation split cannot be read any more, so what was found cannot be compared with it.".into(),
            ),
        ]);
    };
    let detections = read_detections(&path)?;
    let split = subject.recipe.data.validation.as_deref().unwrap_or_default();
    let truth = GroundTruth::from_coco_json(ghm_data::to_coco_json(dataset), split)?;
    let review = match review(&truth, &detections) {
        Ok(review) => review,
        // The labels may be others by now.
        Err(error) => {
            return Ok(vec![heading("Precision and recall"), Block::Text(format!("No longer known: {error}"))]);
        }
    };
    let mut blocks = precision(&review)?;
    blocks.extend(confusion(&review));
    blocks.extend(galleries(&review, dataset, &detections));
    Ok(blocks)
}

fn precision(review: &Review) -> Result<Vec<Block>> {
    let counts = &review.at_score;
    let words = format!(
        "At IoU 0.5 the balance of precision and recall (F1) is best from a score of {:.3} on: precision {:.3}, recall {:.3}, F1 {:.3} \
         ({} of {} are right, {} to find). What follows the curves counts those alone.",
        review.score,
        counts.precision(),
        counts.recall(),
        counts.f1(),
        counts.right,
        counted(counts.found, "detection"),
        counted(counts.objects, "object"),
    );
    let curves = |title: &str, curves: &[&Curve]| Chart {
        title: title.into(),
        x: ChartAxis::of("recall").from_to(0.0, 1.0),
        y: ChartAxis::of("precision").from_to(0.0, 1.05),
        series: curves.iter().map(|curve| series(curve)).collect(),
    };
    let by_iou: Vec<&Curve> = review.curves_by_iou.iter().collect();
    let by_class = most_mistaken(&review.curves_by_class);
    let of_classes = match review.curves_by_class.len() {
        all if all > CURVES => format!("Precision over recall, IoU 0.5, the {CURVES} weakest of {all} classes"),
        _ => "Precision over recall of the classes, IoU 0.5".to_owned(),
    };
    let charts = [
        curves("Precision over recall, mean over classes", &by_iou),
        curves(&of_classes, &by_class),
        calibration(review),
    ];
    Ok(vec![heading("Precision and recall"), Block::Text(words), figures(charts)?])
}

fn series(curve: &Curve) -> Series {
    let points = curve.points.iter().map(|[recall, precision]| Point::new(*recall, *precision));
    Series { name: curve.name.clone(), mark: Mark::Line, points: points.collect() }
}

/// All, or if they are many those with the least area.
fn most_mistaken(curves: &[Curve]) -> Vec<&Curve> {
    let area = |curve: &Curve| curve.points.iter().map(|point| point[1]).sum::<f64>();
    let mut chosen: Vec<&Curve> = curves.iter().collect();
    if chosen.len() > CURVES {
        chosen.sort_by(|a, b| area(a).total_cmp(&area(b)));
        chosen.truncate(CURVES);
    }
    chosen
}

fn calibration(review: &Review) -> Chart {
    let measured = review.calibration.bins.iter().map(|(score, right, _)| Point::new(*score, *right));
    let ideal = [Point::new(0.0, 0.0), Point::new(1.0, 1.0)];
    let measured = Series { name: "measured".into(), mark: Mark::DotsAndLine, points: measured.collect() };
    let ideal = Series { name: "as promised".into(), mark: Mark::Line, points: ideal.into() };
    Chart {
        title: format!("Calibration, all detections: error {:.3}", review.calibration.error),
        x: ChartAxis::of("score").from_to(0.0, 1.0),
        y: ChartAxis::of("share that is right at IoU 0.5").from_to(0.0, 1.05),
        series: vec![measured, ideal],
    }
}

fn confusion(review: &Review) -> Vec<Block> {
    let confusion = &review.confusion;
    let nothing = confusion.classes.len();
    let mistakes = |class: &usize| {
        let of = |other: usize| confusion.get(*class, other) + confusion.get(other, *class);
        (0..=nothing).filter(|other| other != class).map(of).sum::<u64>()
    };
    let mut shown: Vec<usize> = (0..nothing).collect();
    let mut words =
        "Rows are what is there, columns what was seen; boxes are matched at IoU 0.5 whatever their classes."
            .to_owned();
    if nothing > ROWS {
        shown.sort_by_cached_key(|class| std::cmp::Reverse(mistakes(class)));
        shown.truncate(ROWS);
        words += &format!(" Of {nothing} classes the {ROWS} with the most mistakes.");
    }
    shown.push(nothing);
    let names = |last: &str| {
        let name = |class: &usize| confusion.classes.get(*class).cloned().unwrap_or_else(|| last.to_owned());
        shown.iter().map(name).collect::<Vec<_>>()
    };
    let matrix = Matrix {
        corner: "there \\ seen".into(),
        rows: names("nothing"),
        columns: names("not seen"),
        counts: shown.iter().flat_map(|there| shown.iter().map(|seen| confusion.get(*there, *seen))).collect(),
    };
    vec![heading("Confusions"), Block::Text(words), Block::Matrix(matrix)]
}

fn galleries(review: &Review, dataset: &Dataset, detections: &[Detection]) -> Vec<Block> {
    let names: HashMap<u64, &str> = dataset.categories.iter().map(|c| (c.id, c.name.as_str())).collect();
    let name = |id: u64| names.get(&id).copied().unwrap_or_default();
    let of = |wanted: bool| {
        let chosen = detections.iter().zip(&review.right).filter(|(_, right)| **right == Some(wanted));
        let mut chosen: Vec<&Detection> = chosen.map(|(detection, _)| detection).collect();
        chosen.sort_by(|a, b| b.score.total_cmp(&a.score));
        chosen
    };
    let seen = |detection: &Detection| {
        let bbox = Bbox::from_xywh(detection.bbox.map(|side| side as f32));
        let caption = format!("{} {:.2}", name(detection.category_id), detection.score);
        let (label, caption) = match nearest(dataset, detection.image_id, bbox) {
            Some((class, label)) => {
                let class = dataset.categories.get(class).map_or("", |category| category.name.as_str());
                (Some(label), format!("{caption}; label: {class}, IoU {:.2}", bbox.iou(label)))
            }
            None => (None, caption + "; no label"),
        };
        Wanted { image_id: detection.image_id, label, seen: Some(bbox), caption }
    };
    let missed = |missed: &ghm_eval::Missed| Wanted {
        image_id: missed.image_id,
        label: Some(Bbox::from_xywh(missed.bbox.map(|side| side as f32))),
        seen: None,
        caption: name(missed.category_id).to_owned(),
    };
    let (right, mut wrong) = (of(true), of(false));
    let sizes = (right.len(), wrong.len(), review.missed.len());
    wrong.truncate(SHOWN);
    vec![
        heading(&format!("Wrong ones, the surest first ({} of {})", wrong.len(), sizes.1)),
        Block::Text("Labels are red, what was found is green and dashed.".into()),
        gallery(dataset, wrong.into_iter().map(seen).collect()),
        heading(&format!("Missed ones ({} of {})", sizes.2.min(SHOWN), sizes.2)),
        gallery(dataset, spread(review.missed.iter().collect(), SHOWN).into_iter().map(missed).collect()),
        heading(&format!("Right ones, from the surest to the least sure ({} of {})", sizes.0.min(SHOWN), sizes.0)),
        gallery(dataset, spread(right, SHOWN).into_iter().map(seen).collect()),
    ]
}

/// The label that overlaps most, if any does: its class and its box.
fn nearest(dataset: &Dataset, image_id: u64, bbox: Bbox) -> Option<(usize, Bbox)> {
    let image = dataset.images.iter().find(|image| image.id == image_id)?;
    let labels = image.objects.iter().map(|object| (object.class_index, object.bbox_in_image));
    let best = labels.max_by(|a, b| a.1.iou(bbox).total_cmp(&b.1.iou(bbox)))?;
    (best.1.iou(bbox) >= BESIDE).then_some(best)
}
