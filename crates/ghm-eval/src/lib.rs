//! COCO box evaluation with checked input: the numbers of pycocotools, and a list of defects instead of a wrong number.
//!
//! The average precision itself is hotcoco's; this crate reads, checks, names and presents.
//!
//! | Module | What lives there |
//! | --- | --- |
//! | `truth` | [`GroundTruth`]: a COCO annotation file, checked |
//! | `truth_records` | the checks of its pictures, categories and annotations |
//! | `detection` | [`Detection`], [`read_detections`], [`write_detections`] |
//! | `check` | detections against the ground truth: every defect at once |
//! | `evaluate` | [`evaluate`]: hand both to the evaluator |
//! | `evaluation` | [`Evaluation`]: the twelve numbers and the per-class table |
//! | `review` | [`review`](fn@review): curves, confusions, calibration, and which boxes are right |
//! | `evidence` | [`Evidence`]: what a network said of every label while it learned |
//! | `finding` | [`Finding`], [`Problem`]: what is wrong, where, and the way out |
//! | `error` | [`EvalError`] |
//! | `json_text`, `loose`, `field` | from bytes to typed fields, keeping the place of whatever does not fit |
//!
//! ```
//! use ghm_eval::{Detection, GroundTruth, evaluate};
//!
//! let truth = serde_json::json!({
//!     "images": [{"id": 42, "file_name": "a.jpg", "width": 640, "height": 480}],
//!     "categories": [{"id": 1, "name": "cell"}],
//!     "annotations": [{"id": 1, "image_id": 42, "category_id": 1, "bbox": [10, 10, 100, 100], "area": 10000, "iscrowd": 0}]
//! });
//! let truth = GroundTruth::from_coco_json(truth, "example")?;
//! let found = Detection { image_id: 42, category_id: 1, bbox: [10.0, 10.0, 100.0, 90.0], score: 0.9 };
//! let evaluation = evaluate(&truth, &[found])?;
//! assert!(evaluation.ap50.is_some_and(|ap50| ap50 > 0.999));
//! assert_eq!(evaluation.ap_small, None); // no small object: undefined, not zero
//!
//! let mut wrong = found;
//! wrong.image_id = 7;
//! let message = evaluate(&truth, &[wrong]).unwrap_err().to_string();
//! assert!(message.contains("detections[0] (image 7)"));
//! # Ok::<(), ghm_eval::EvalError>(())
//! ```

mod check;
mod detection;
mod error;
mod evaluate;
mod evaluation;
mod evidence;
mod field;
mod finding;
mod json_text;
mod loose;
mod review;
mod truth;
mod truth_records;

pub use detection::{Detection, read_detections, write_detections};
pub use error::EvalError;
pub use evaluate::evaluate;
pub use evaluation::{ClassNumbers, Evaluation, PerClass, Warning};
pub use evidence::{BackgroundEvidence, Evidence, LabelEvidence};
pub use finding::{Finding, IdRange, List, Problem, SHOWN_FINDINGS};
pub use review::{Calibration, Confusion, Counts, Curve, Missed, Review, review};
pub use truth::GroundTruth;
