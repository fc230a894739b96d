//! The losses of `ghm-loss` on burn tensors.
//!
//! The plain kernel computes value and gradient in one pass; here they enter the graph as constants, so that backward
//! costs one multiplication. On the CPU device nothing but a copy of the logits is added.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`config`] | which losses, with which options: what a recipe says under `loss` |
//! | [`attach`](mod@attach) | a value and a gradient as a scalar tensor |
//! | [`criterion`] | the two losses of a detector over a batch, with their densities |
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use ghm_burn::{BatchTargets, Criterion, LossConfig};
//!
//! let device = Device::flex().autodiff();
//! let logits = Tensor::<3>::zeros([1, 4, 2], &device).require_grad(); // one level: 1 picture, 4 anchors, 2 classes
//! let deltas = Tensor::<3>::ones([1, 4, 4], &device).require_grad();
//! let mut criterion = Criterion::new(LossConfig::default())?;
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
pub mod config;
pub mod criterion;

pub use attach::attach;
pub use config::{
    ClassificationConfig, ClassificationKind, LossConfig, OptionError, RegressionConfig, RegressionKind, Scope,
};
pub use criterion::{BatchTargets, Criterion, CriterionState, DetectionLoss};
pub use ghm_loss::{Ema, GradientDensity, LossError, Normalise};
