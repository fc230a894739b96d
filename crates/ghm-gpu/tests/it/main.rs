//! The kernels against the plain losses, on every device of wgpu and CUDA that this machine has: software Vulkan counts.
#![cfg(any(feature = "wgpu", feature = "cuda"))]
#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod agreement;
mod behaviour;
mod device;
mod fixture;
mod passes;
mod pictures;
mod refusals;
mod state;
