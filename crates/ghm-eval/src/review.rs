//! What is behind the numbers: curves, confusions, calibration, and which boxes are right.

use std::collections::HashMap;

use hotcoco::params::IouType;
use hotcoco::{AccumulatedEval, COCOeval, Params};

use crate::check::check_detections;
use crate::detection::Detection;
use crate::error::EvalError;
use crate::evaluate::results_of;
use crate::truth::GroundTruth;

/// IoU from which a detection is right.
const RIGHT: f64 = 0.5;

/// Bins of scores of the calibration.
const SCORE_BINS: usize = 10;

/// What is behind the numbers of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    /// The mean over classes at several IoUs, the lowest first.
    pub curves_by_iou: Vec<Curve>,
    /// Each class that has objects, at IoU 0.5, in the ground truth's order.
    pub curves_by_class: Vec<Curve>,
    /// How scores are to be read.
    pub calibration: Calibration,
    /// The score from which F1 is best, over all classes at IoU 0.5; what is below it counts as not found in what follows.
    pub score: f64,
    /// Precision, recall and their harmonic mean from that score on.
    pub at_score: Counts,
    /// Which class is taken for which.
    pub confusion: Confusion,
    /// For each detection whether it is right; `None` for those in crowds, those that are not among the hundred best of their picture and
    /// class, and those below the score.
    pub right: Vec<Option<bool>>,
    /// Objects that no detection found.
    pub missed: Vec<Missed>,
}

/// Precision over recall.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What of: a class, or an IoU.
    pub name: String,
    /// Recall and precision, both 0 to 1, for recalls 0, 0.01 to 1; precision is the best at that recall or above.
    pub points: Vec<[f64; 2]>,
}

/// How many detections of some score are right, at IoU 0.5.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Expected calibration error: the mean difference between score and share of right ones, 0 to 1.
    pub error: f64,
    /// Tenths of the scores that hold any: mean score, share of right ones, detections.
    pub bins: Vec<(f64, f64, usize)>,
}

/// Right ones, wrong ones, objects.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Detections that are right.
    pub right: usize,
    /// Detections.
    pub found: usize,
    /// Objects to find.
    pub objects: usize,
}

/// Which class is taken for which, at IoU 0.5: boxes are matched whatever their classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    /// Names of the classes; another row and another column, the last ones, are of nothing.
    pub classes: Vec<String>,
    /// `[C + 1, C + 1]`: rows are what is there, columns what was seen.
    pub counts: Vec<u64>,
}

/// An object that no detection found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Missed {
    /// Its picture.
    pub image_id: u64,
    /// Its class.
    pub category_id: u64,
    /// `[x, y, width, height]` in pixels.
    pub bbox: [f64; 4],
}

impl Counts {
    /// Share of the detections that are right; 1 without any.
    pub fn precision(&self) -> f64 {
        if self.found == 0 { 1.0 } else { self.right as f64 / self.found as f64 }
    }

    /// Share of the objects that were found; 1 without any.
    pub fn recall(&self) -> f64 {
        if self.objects == 0 { 1.0 } else { self.right as f64 / self.objects as f64 }
    }

    /// The harmonic mean of both; 0 where there is neither an object nor a detection.
    pub fn f1(&self) -> f64 {
        let all = self.found + self.objects;
        if all == 0 { 0.0 } else { 2.0 * self.right as f64 / all as f64 }
    }
}

impl Confusion {
    /// What is there, and what was seen in its place; the number of classes stands for nothing, and beyond it there is nothing.
    pub fn get(&self, there: usize, seen: usize) -> u64 {
        let side = self.classes.len() + 1;
        if there.max(seen) < side { self.counts[there * side + seen] } else { 0 }
    }
}

/// Looks behind the numbers of an evaluation.
///
/// # Errors
/// As of [`evaluate`](crate::evaluate).
pub fn review(truth: &GroundTruth, detections: &[Detection]) -> Result<Review, EvalError> {
    check_detections(truth, detections)?;
    let mut engine = COCOeval::new(truth.coco.clone(), results_of(detections), IouType::Bbox);
    engine.evaluate()?;
    engine.accumulate();
    let boxes = Boxes::new(&engine, detections)?;
    let score = boxes.best_score();
    let (curves_by_iou, curves_by_class) = match engine.accumulated() {
        Some(curves) => (by_iou(curves, &engine.params), by_class(truth, curves, &engine.params)),
        None => Default::default(),
    };
    Ok(Review {
        curves_by_iou,
        curves_by_class,
        calibration: calibration(&engine)?,
        score,
        at_score: boxes.from(score),
        confusion: confusion(truth, &engine, score),
        right: boxes.right.iter().zip(detections).map(|(right, one)| right.filter(|_| one.score >= score)).collect(),
        missed: missed(truth, &boxes, detections, score),
    })
}

/// Which detections are right, and which objects they are.
struct Boxes {
    /// A detection's; `None` where it does not count.
    right: Vec<Option<bool>>,
    /// Scores and whether they are right of those that count, the best first.
    ranked: Vec<(f64, bool)>,
    /// The detection that found an object, by the object's id; `None` where none did.
    found_by: HashMap<u64, Option<usize>>,
}

impl Boxes {
    fn new(engine: &COCOeval, detections: &[Detection]) -> Result<Self, EvalError> {
        let index = engine.image_diagnostics(RIGHT, 1.0)?.annotations;
        let of = |place: usize| index.dt_status.get(&(place as u64 + 1)).map(|status| *status == hotcoco::DtStatus::Tp);
        let right: Vec<Option<bool>> = (0..detections.len()).map(of).collect();
        let counted = detections.iter().zip(&right).filter_map(|(one, right)| right.map(|right| (one.score, right)));
        let mut ranked: Vec<(f64, bool)> = counted.collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
        let finder = |id: &u64| index.gt_match.get(id).map(|detection| *detection as usize - 1);
        let found_by = index.gt_status.keys().map(|id| (*id, finder(id))).collect();
        Ok(Self { right, ranked, found_by })
    }

    /// Where F1 is best; of equal ones the highest score, and 0 where nothing is right.
    fn best_score(&self) -> f64 {
        let (mut counts, mut best, mut score) =
            (Counts { objects: self.found_by.len(), ..Counts::default() }, 0.0, 0.0);
        for (place, (own, right)) in self.ranked.iter().enumerate() {
            counts.found += 1;
            counts.right += usize::from(*right);
            // Detections of one score come or go together.
            let last = self.ranked.get(place + 1).is_none_or(|next| next.0 < *own);
            if last && counts.f1() > best {
                (best, score) = (counts.f1(), *own);
            }
        }
        score
    }

    fn from(&self, score: f64) -> Counts {
        let kept = self.ranked.iter().take_while(|(own, _)| *own >= score);
        let (found, right) = kept.fold((0, 0), |(found, right), (_, own)| (found + 1, right + usize::from(*own)));
        Counts { right, found, objects: self.found_by.len() }
    }
}

fn by_iou(curves: &AccumulatedEval, params: &Params) -> Vec<Curve> {
    let all: Vec<usize> = (0..curves.shape.k).collect();
    let ious = [0.5, 0.6, 0.7, 0.8, 0.9];
    let curve = |iou: &f64| {
        let points = points(curves, params, params.iou_thr_idx(*iou)?, &all)?;
        Some(Curve { name: format!("IoU {iou}"), points })
    };
    ious.iter().filter_map(curve).collect()
}

fn by_class(truth: &GroundTruth, curves: &AccumulatedEval, params: &Params) -> Vec<Curve> {
    let Some(iou) = params.iou_thr_idx(RIGHT) else { return Vec::new() };
    let curve = |class: &crate::truth::Class| {
        let column = curves.cat_ids.iter().position(|&id| id == class.category_id)?;
        Some(Curve { name: class.name.clone(), points: points(curves, params, iou, &[column])? })
    };
    truth.classes.iter().filter_map(curve).collect()
}

/// The mean over those of some classes that have objects; `None` where none has.
fn points(curves: &AccumulatedEval, params: &Params, iou: usize, columns: &[usize]) -> Option<Vec<[f64; 2]>> {
    let (area, cap) = (params.all_area_idx(), params.max_det_idx());
    let at = |recall: usize, column: usize| curves.precision[curves.precision_idx(iou, recall, column, area, cap)];
    let defined: Vec<usize> = columns.iter().copied().filter(|column| at(0, *column) >= 0.0).collect();
    let mean = |recall: usize| defined.iter().map(|column| at(recall, *column)).sum::<f64>() / defined.len() as f64;
    let last = (curves.shape.r.max(2) - 1) as f64;
    let point = |recall: usize| [recall as f64 / last, mean(recall)];
    (!defined.is_empty()).then(|| (0..curves.shape.r).map(point).collect())
}

fn calibration(engine: &COCOeval) -> Result<Calibration, EvalError> {
    let measured = engine.calibration(SCORE_BINS, RIGHT)?;
    let held = measured.bins.iter().filter(|bin| bin.count > 0);
    Ok(Calibration {
        error: measured.ece,
        bins: held.map(|bin| (bin.avg_confidence, bin.avg_accuracy, bin.count)).collect(),
    })
}

/// The evaluator's classes are in the order of their ids, the ground truth's in the order of the file.
fn confusion(truth: &GroundTruth, engine: &COCOeval, score: f64) -> Confusion {
    let measured = engine.confusion_matrix(RIGHT, None, Some(score));
    let place = |index: usize| match truth.classes.get(index) {
        Some(class) => measured.cat_ids.iter().position(|id| *id == class.category_id),
        None => Some(measured.num_cats),
    };
    let side = 0..=truth.classes.len();
    let places: Vec<Option<usize>> = side.map(place).collect();
    let cell = |there: Option<usize>, seen: Option<usize>| there.zip(seen).map_or(0, |(a, b)| measured.get(a, b));
    Confusion {
        classes: truth.classes.iter().map(|class| class.name.clone()).collect(),
        counts: places.iter().flat_map(|there| places.iter().map(|seen| cell(*there, *seen))).collect(),
    }
}

/// In the ground truth's order.
fn missed(truth: &GroundTruth, boxes: &Boxes, detections: &[Detection], score: f64) -> Vec<Missed> {
    let is_missed = |id: &u64| match boxes.found_by.get(id) {
        Some(Some(detection)) => detections[*detection].score < score,
        Some(None) => true,
        None => false,
    };
    let annotations = truth.coco.dataset.annotations.iter().filter(|annotation| is_missed(&annotation.id));
    let missed = annotations.filter_map(|annotation| {
        let (image_id, category_id) = (annotation.image_id, annotation.category_id);
        Some(Missed { image_id, category_id, bbox: annotation.bbox? })
    });
    missed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const A: [f64; 4] = [10.0, 10.0, 40.0, 40.0];
    const B: [f64; 4] = [100.0, 10.0, 40.0, 40.0];
    const C: [f64; 4] = [200.0, 10.0, 40.0, 40.0];
    const NOWHERE: [f64; 4] = [300.0, 200.0, 40.0, 40.0];

    /// Class 7 is at A and B, class 3 at C, a crowd of class 3 where nothing else is; the file has class 7 first.
    fn truth() -> GroundTruth {
        let annotation = |id: u64, category_id: u64, bbox: [f64; 4], iscrowd: u8| {
            json!({
                "id": id, "image_id": 1, "category_id": category_id, "bbox": bbox, "area": 1600, "iscrowd": iscrowd
            })
        };
        let json = json!({
            "images": [{"id": 1, "file_name": "a.jpg", "width": 400, "height": 300}],
            "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}, {"id": 9, "name": "never"}],
            "annotations": [
                annotation(1, 7, A, 0), annotation(2, 7, B, 0), annotation(3, 3, C, 0), annotation(4, 3, [0.0, 200.0, 60.0, 60.0], 1)
            ],
        });
        GroundTruth::from_coco_json(json, "test").unwrap()
    }

    fn found(category_id: u64, bbox: [f64; 4], score: f64) -> Detection {
        Detection { image_id: 1, category_id, bbox, score }
    }

    #[test]
    fn what_is_right_wrong_missed_and_confused_is_told_apart() {
        let detections = [
            found(7, A, 0.9),
            found(3, B, 0.8),                        // a cat taken for a dog
            found(3, [5.0, 205.0, 20.0, 20.0], 0.7), // in the crowd
            found(7, NOWHERE, 0.2),                  // below the score that is best
        ];
        let review = review(&truth(), &detections).unwrap();
        // One of one right gives F1 0.5, one of two 0.4.
        assert_eq!(review.score, 0.9);
        assert_eq!(review.at_score, Counts { right: 1, found: 1, objects: 3 });
        assert_eq!(review.right, [Some(true), None, None, None]);
        assert_eq!(review.missed.iter().map(|missed| missed.bbox).collect::<Vec<_>>(), [B, C]);
        assert_eq!(review.missed[1].category_id, 3);

        let of = |names: [f64; 2]| {
            let mut all = detections;
            (all[1].score, all[3].score) = (names[0], names[1]);
            super::review(&truth(), &all).unwrap()
        };
        // With the confused one first both are kept: F1 is 0.4 at its best.
        let review = of([0.95, 0.2]);
        assert_eq!((review.score, review.right[1]), (0.9, Some(false)));
        let confusion = &review.confusion;
        assert_eq!(confusion.classes, ["cat", "dog", "never"]);
        assert_eq!(confusion.get(0, 0), 1);
        assert_eq!(confusion.get(0, 1), 1, "a cat seen as a dog");
        assert_eq!(confusion.get(1, 3), 1, "a dog not seen");
        // What lies in the crowd is below the score.
        assert_eq!((confusion.counts.iter().sum::<u64>(), confusion.get(3, 1)), (3, 0));
    }

    #[test]
    fn curves_are_of_the_classes_that_have_objects_and_their_area_is_the_average_precision() {
        let detections = [found(7, A, 0.9), found(7, NOWHERE, 0.8), found(7, B, 0.7), found(3, C, 0.6)];
        let review = review(&truth(), &detections).unwrap();
        let numbers = crate::evaluate(&truth(), &detections).unwrap();
        let area = |curve: &Curve| curve.points.iter().map(|[_, precision]| precision).sum::<f64>() / 101.0;
        let names: Vec<&str> = review.curves_by_class.iter().map(|curve| curve.name.as_str()).collect();
        assert_eq!(names, ["cat", "dog"]);
        for curve in &review.curves_by_class {
            let ap50 = numbers.per_class.get(&curve.name).unwrap().ap50.unwrap();
            assert!((area(curve) - ap50).abs() < 1e-12, "{}: {} {ap50}", curve.name, area(curve));
        }
        assert_eq!(review.curves_by_iou.len(), 5);
        assert!((area(&review.curves_by_iou[0]) - numbers.ap50.unwrap()).abs() < 1e-12);
        assert_eq!(review.curves_by_iou[0].points.last().unwrap()[0], 1.0);
    }

    #[test]
    fn scores_that_promise_too_much_show_as_an_error() {
        let detections = [found(7, A, 0.95), found(7, NOWHERE, 0.95), found(3, C, 0.35)];
        let calibration = review(&truth(), &detections).unwrap().calibration;
        assert_eq!(calibration.bins.len(), 2);
        assert_eq!(calibration.bins[0].2, 1);
        assert_eq!((calibration.bins[1].1, calibration.bins[1].2), (0.5, 2));
        assert!((calibration.error - (2.0 * 0.45 + 0.65) / 3.0).abs() < 1e-9, "{}", calibration.error);
    }

    #[test]
    fn without_any_detection_everything_is_missed() {
        let review = review(&truth(), &[]).unwrap();
        assert_eq!((review.missed.len(), review.score, review.at_score.f1()), (3, 0.0, 0.0));
        assert!(review.calibration.bins.is_empty());
        assert!(review.curves_by_class.iter().all(|curve| curve.points.iter().all(|point| point[1] == 0.0)));
    }
}
