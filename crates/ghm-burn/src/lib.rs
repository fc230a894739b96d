//! The losses of `ghm-loss` on burn tensors.
//!
//! The plain kernel computes value and gradient together; they enter the graph as one node whose backward hands the
//! gradient on. On the CPU device logits are read where they are and nothing is copied. With the feature `wgpu` or `cuda`
//! the losses of a GPU's tensors are computed on the GPU, if it has kernels for them.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`loss`] | [`LossConfig`] and [`Loss`]: every loss as a burn module, for whatever you train |
//! | [`examples`] | [`Examples`], what goes into it |
//! | [`state`] | the gradient density in a module's record |
//! | [`criterion`] | the two losses of a detector over a batch, with their densities |
//! | [`config`] | which two, with which options: what a recipe says under `loss` |
//! | [`attach`](mod@attach) | values and a gradient as a tensor of the graph |
//! | [`awaited`] | [`Awaited`], a number that a device may still be computing |
//! | `levels`, `device_levels` | one loss over the levels of a pyramid, on the host and on a GPU |
//! | `host` | elements of tensors where the plain losses read them |
//! | `kernels` | losses on a GPU that has kernels for them (features `wgpu`, `cuda`) |
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use ghm_burn::{BatchTargets, Criterion, CriterionConfig};
//!
//! let device = Device::flex().autodiff();
//! let logits = Tensor::<3>::zeros([1, 4, 2], &device).require_grad(); // one level: 1 picture, 4 anchors, 2 classes
//! let deltas = Tensor::<3>::ones([1, 4, 4], &device).require_grad();
//! let mut criterion = Criterion::new(CriterionConfig::default(), 2)?;
//! let mut delta_weights = vec![0.0; 16];
//! delta_weights[..4].fill(1.0);
//! let targets = BatchTargets {
//!     classes: &[1, -1, -1, -2], // anchor 0 is of class 1, anchor 3 is left out
//!     deltas: &[0.0; 16],
//!     delta_weights: &delta_weights,
//! };
//! let loss = criterion.forward(&[logits.clone()], &[deltas], &targets, 1.0)?;
//! let gradients = loss.total.backward();
//! assert!(logits.grad(&gradients).is_some());
//! # Ok::<(), ghm_burn::LossError>(())
//! ```

pub mod attach;
pub mod awaited;
mod boxes;
pub mod config;
pub mod criterion;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod device_levels;
pub mod examples;
mod host;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod kernels;
mod levels;
pub mod loss;
pub mod state;

pub use attach::attach;
pub use awaited::Awaited;
pub use config::{
    ClassificationConfig, ClassificationKind, CriterionConfig, OptionError, RegressionConfig, RegressionKind, Scope,
};
pub use criterion::{BatchCounts, BatchTargets, BatchWeights, Criterion, CriterionState, DetectionLoss};
pub use examples::Examples;
pub use ghm_loss::{Ema, GradientDensity, LossError, Normalise};
pub use loss::{Loss, LossConfig, Reduction};
pub use state::DensityState;
