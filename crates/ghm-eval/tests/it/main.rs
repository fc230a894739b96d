//! The crate against pycocotools and against malformed input.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its fixture should stop")]

mod golden;
mod malformed_detections;
mod malformed_truth;
mod real_data;
