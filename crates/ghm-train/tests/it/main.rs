//! Whole runs: from a data set to a trained detector.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accumulation;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
#[path = "../../../ghm-gpu/tests/it/device.rs"]
mod device;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod gpu;
mod imagenet;
mod learning;
