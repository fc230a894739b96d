//! A detector's losses as GPU kernels on burn tensors, GHM-C and GHM-R first, and its pictures' way from bytes to numbers:
//! one CubeCL source for Vulkan, Metal, DirectX (`wgpu`) and CUDA (`cuda`).
//!
//! Without one of these features the crate is empty. burn's kernel fusion is switched on by the feature `fusion` of
//! this crate, not by burn's own: it wraps the backend, and the kernels have to know.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `loss` | `ghm_c`, `ghm_c_dense` and `ghm_r` on burn tensors |
//! | `compared` | `Compared`, the passes they are made of, for every loss that has kernels |
//! | `density` | `DeviceDensity`, the gradient density as it lies on a device, its counts and factors |
//! | `pictures` | `Pictures`, which normalises bytes on the device |
//! | `plan` | the numbers of a call |
//! | `backend` | the kernels as operations of burn's backends, with autodiff and fusion |
//! | `launch` | the kernels of a call, one after the other |
//! | `count`, `update`, `apply` | the kernels of a loss: count by bin; average and factors; gradient and sum |
//! | `planes` | the kernel of pictures |
//! | `examples`, `terms`, `bin`, `element` | what the kernels read; loss and slope of one example; its bin; its bits |
//! | `error` | `GpuError`, what can be wrong with a call |
//!
//! A call reads nothing back: values, gradients, counts and factors stay on the device, and the number of calls, which
//! the corrected average needs, is known on the host anyway. `docs/gpu.md` says what a call costs.

#![cfg(any(feature = "wgpu", feature = "cuda"))]

mod apply;
mod backend;
mod bin;
mod compared;
mod count;
mod density;
#[cfg(test)]
#[path = "../tests/it/device.rs"]
mod device;
mod element;
mod error;
mod examples;
mod launch;
mod loss;
mod pictures;
mod plan;
mod planes;
mod terms;
#[cfg(test)]
mod testing;
mod update;

pub use compared::{Compared, has_kernel};
pub use density::{DeviceCounts, DeviceDensity, DeviceFactors};
pub use error::GpuError;
pub use loss::{ghm_c, ghm_c_dense, ghm_r};
pub use pictures::{Affine, Pictures};
