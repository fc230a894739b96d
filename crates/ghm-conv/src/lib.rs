//! 2D convolution and batch norm with what follows them fused in, forward and backward, for burn on the CPU.
//!
//! burn-flex computes convolution gradients by general paths and element-wise work on one thread; a detector's step is
//! almost all convolution, so this crate gives the CPU device its own: columns of a tile (im2col), one packed matrix
//! product, bias and ReLU while the tile is in cache. On every other device [`conv2d`] is burn's own.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`geometry`] | sizes, stride and padding of one convolution |
//! | [`columns`] | a tile of the input as a matrix, and its gradient back |
//! | [`gemm`] | the matrix product behind a checked, safe door |
//! | [`kernel`] | forward and backward over slices |
//! | `winograd`, `tile` | 3x3 convolutions of stride 1 in a quarter of the products, and the arithmetic of one tile |
//! | `grouped` | convolutions in groups of channels |
//! | [`op`] | the same on burn tensors, with autodiff |
//! | [`norm_kernel`], [`norm`] | batch norm in training with its residual and ReLU: over slices, on burn tensors |
//! | [`group_kernel`], [`group`] | group norm with its ReLU, likewise |
//! | [`pool`] | the stem's max-pool on burn tensors |
//! | `relu`, `primitive`, `scratch` | the gradient of a ReLU; burn's CPU tensors as slices; buffers used again |
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use ghm_conv::{Activation, ConvSpec, Epilogue, conv2d};
//!
//! let device = Device::flex();
//! let x = Tensor::<4>::ones([1, 2, 4, 4], &device);
//! let weight = Tensor::<4>::ones([3, 2, 3, 3], &device);
//! let y = conv2d(x, weight, Epilogue::new(Activation::Relu), ConvSpec { stride: 1, padding: 1, groups: 1 });
//! assert_eq!(y.dims(), [1, 3, 4, 4]);
//! assert_eq!(y.max().into_scalar::<f32>(), 18.0);
//! ```

pub mod columns;
pub mod gemm;
pub mod geometry;
pub mod group;
pub mod group_kernel;
mod grouped;
pub mod kernel;
pub mod norm;
pub mod norm_kernel;
pub mod op;
pub mod pool;
mod primitive;
mod relu;
mod scratch;
#[cfg(test)]
mod testing;
mod tile;
mod winograd;

pub use geometry::{Activation, ConvSpec, Geometry};
pub use group::group_norm;
pub use norm::{NormParameters, Normalised, batch_norm_training};
pub use op::{Epilogue, conv2d};
pub use pool::max_pool_stem;
