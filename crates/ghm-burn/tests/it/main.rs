//! The losses as burn modules, from outside.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod accumulation;
mod boxes;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod criterion;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
#[path = "../../../ghm-gpu/tests/it/device.rs"]
mod device;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod kernels;
mod module;
mod readme;
mod record;
