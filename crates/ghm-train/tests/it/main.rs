//! Whole runs: from a data set to a trained detector.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accumulation;
mod learning;
