//! Detections and ground truth in, numbers out: hotcoco fed with its own types.

use hotcoco::params::IouType;
use hotcoco::{AccumulatedEval, Annotation, COCO, COCOeval, Dataset, Params};

use crate::check::check_detections;
use crate::detection::Detection;
use crate::error::EvalError;
use crate::evaluation::{ClassNumbers, Evaluation, PerClass};
use crate::truth::GroundTruth;

/// The COCO box evaluation of `detections`: IoU 0.50 to 0.95, at most 100 detections a picture and class.
///
/// No detections at all is a valid result: every number that is defined is 0.
///
/// # Errors
/// The detections do not fit the ground truth: unknown picture or class, score outside `[0, 1]`, a number that is not
/// finite, a box without size, boxes that are corners. All of them are listed ([`EvalError::Findings`]).
///
/// # Deviations
/// pycocotools marks a match with the annotation's id and so counts a match with annotation 0 as a miss; here it
/// counts as the match it is. Files whose annotations are numbered from 1 are not affected.
pub fn evaluate(truth: &GroundTruth, detections: &[Detection]) -> Result<Evaluation, EvalError> {
    let warnings = check_detections(truth, detections)?;
    let mut engine = COCOeval::new(truth.coco.clone(), results_of(detections), IouType::Bbox);
    engine.evaluate()?;
    engine.accumulate();
    // Unlike `summarize`, this prints nothing.
    engine.summarize_lines();
    let (Some(stats), Some(curves)) = (engine.stats(), engine.accumulated()) else {
        return Err(not_twelve(0));
    };
    let &[ap, ap50, ap75, ap_small, ap_medium, ap_large, ar_1, ar_10, ar_100, ar_small, ar_medium, ar_large] = stats
    else {
        return Err(not_twelve(stats.len()));
    };
    Ok(Evaluation {
        ap: defined(ap),
        ap50: defined(ap50),
        ap75: defined(ap75),
        ap_small: defined(ap_small),
        ap_medium: defined(ap_medium),
        ap_large: defined(ap_large),
        ar_1: defined(ar_1),
        ar_10: defined(ar_10),
        ar_100: defined(ar_100),
        ar_small: defined(ar_small),
        ar_medium: defined(ar_medium),
        ar_large: defined(ar_large),
        per_class: per_class(truth, detections, curves, &engine.params),
        warnings,
    })
}

/// -1 is how pycocotools, and hotcoco with it, writes "undefined".
fn defined(number: f64) -> Option<f64> {
    (number >= 0.0).then_some(number)
}

fn not_twelve(count: usize) -> EvalError {
    hotcoco::Error::InvalidState(format!("{count} summary numbers came back, expected 12")).into()
}

/// As pycocotools' `loadRes`: numbered from 1 in the given order, area from the box, no crowds.
pub(crate) fn results_of(detections: &[Detection]) -> COCO {
    let annotation = |(id, detection): (u64, &Detection)| Annotation {
        id,
        image_id: detection.image_id,
        category_id: detection.category_id,
        bbox: Some(detection.bbox),
        area: Some(detection.bbox[2] * detection.bbox[3]),
        score: Some(detection.score),
        ..Annotation::default()
    };
    COCO::from_dataset(Dataset { annotations: (1..).zip(detections).map(annotation).collect(), ..Dataset::default() })
}

fn per_class(truth: &GroundTruth, detections: &[Detection], curves: &AccumulatedEval, params: &Params) -> PerClass {
    let mut detected = vec![0usize; truth.classes.len()];
    for detection in detections {
        if let Some(index) = truth.class_index(detection.category_id) {
            detected[index] += 1;
        }
    }
    let numbers = truth.classes.iter().zip(detected).map(|(class, detections)| {
        let column = curves.cat_ids.iter().position(|&id| id == class.category_id);
        let mean = |thresholds: &[usize]| column.and_then(|column| mean_precision(curves, params, thresholds, column));
        let all: Vec<usize> = (0..curves.shape.t).collect();
        let at = |threshold: f64| params.iou_thr_idx(threshold).and_then(|index| mean(&[index]));
        let numbers = ClassNumbers {
            ap: mean(&all),
            ap50: at(0.5),
            ap75: at(0.75),
            ground_truth: class.ground_truth,
            detections,
        };
        (class.name.clone(), numbers)
    });
    PerClass::new(numbers.collect())
}

/// The mean of one class's precision over recall and the given IoU thresholds, for all areas and 100 detections.
fn mean_precision(curves: &AccumulatedEval, params: &Params, thresholds: &[usize], column: usize) -> Option<f64> {
    let (area, cap) = (params.all_area_idx(), params.max_det_idx());
    let recalls = 0..curves.shape.r;
    let at = |&t: &usize| recalls.clone().map(move |r| curves.precision[curves.precision_idx(t, r, column, area, cap)]);
    let computed: Vec<f64> = thresholds.iter().flat_map(at).filter(|&precision| precision >= 0.0).collect();
    (!computed.is_empty()).then(|| computed.iter().sum::<f64>() / computed.len() as f64)
}
