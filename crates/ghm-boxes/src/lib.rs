//! Boxes, and what a single-stage detector does with them, without tensors.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`bbox`] | one box by its corners, IoU |
//! | [`anchors`] | anchors of a feature pyramid |
//! | [`coder`] | a box as four offsets from an anchor, and back |
//! | [`matching`] | which anchor answers for which object |
//! | [`nms`] | non-maximum suppression per class |
//!
//! ```
//! use ghm_boxes::{AnchorConfig, Bbox, DeltaCoder, Label, MatchConfig, match_anchors};
//!
//! let anchors = AnchorConfig::default().level_anchors(0, &[[4, 4]]); // P3 of a 32x32 picture
//! let object = Bbox::new(2.0, 3.0, 30.0, 28.0);
//! let labels = match_anchors(&anchors, &[object], &[], &MatchConfig::default());
//! let coder = DeltaCoder::default();
//! for (anchor, label) in anchors.iter().zip(&labels) {
//!     if *label == Label::Positive(0) {
//!         let delta = coder.delta_from_box(*anchor, object);
//!         assert!((coder.box_from_delta(*anchor, delta).x1 - object.x1).abs() < 1e-3);
//!     }
//! }
//! ```

pub mod anchors;
pub mod bbox;
pub mod coder;
pub mod matching;
pub mod nms;

pub use anchors::{AnchorConfig, AnchorError, LevelAnchors, Rounding};
pub use bbox::Bbox;
pub use coder::DeltaCoder;
pub use matching::{Label, MatchConfig, MatchError, match_anchors};
pub use nms::{Candidate, suppress};
