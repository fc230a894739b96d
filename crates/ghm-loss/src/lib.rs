//! The losses of a detector as plain Rust: value and gradient together, over slices of f32, without tensors.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `targets` | [`Targets`], what a classification loss is compared with: dense, or one class a row |
//! | `density` | [`GradientDensity`], the state of GHM: its settings, its counts, the factor of each bin |
//! | `edges` | cutting the gradient norm into bins |
//! | `exact` | [`ExactDensity`], the density without bins, and the passes of the losses divided by it |
//! | `windows` | how many gradient norms lie in the window around each |
//! | `counts` | [`Counts`], the counts by bin of one worker or of several |
//! | `ghm_c` | [`ghm_c`], binary cross entropy harmonised; [`ghm_c_given`], [`ghm_c_exact`] |
//! | `asl1` | [`asl1`], and [`ghm_r`], the same harmonised; [`ghm_r_given`], [`ghm_r_exact`] |
//! | `focal`, `cross_entropy` | [`focal`] and [`cross_entropy`], which GHM-C is compared with |
//! | `balanced_cross_entropy` | [`balanced_cross_entropy`]: positives against negatives, class against class |
//! | `ohem` | [`ohem`], cross entropy of the hardest examples alone |
//! | `quality_focal`, `varifocal` | [`quality_focal`] and [`varifocal`], whose targets are qualities from 0 to 1 |
//! | `smooth_l1`, `balanced_l1` | [`smooth_l1`], [`l1`] and [`balanced_l1`], which GHM-R is compared with |
//! | `giou`, `diou`, `ciou` | [`giou`], [`diou`] and [`ciou`], losses of whole boxes |
//! | `overlap` | what is measured on two boxes, with derivatives |
//! | `boxes` | checked boxes, and the pass of a sum over them |
//! | `harmonise`, `sums` | the passes of harmonised losses and of plain sums, over any element loss |
//! | `largest` | finding the largest of many numbers without sorting them |
//! | `inputs` | checked slices, handed out in chunks and blocks of fixed size |
//! | `logistic` | sigmoid and cross entropy of one logit |
//! | `error` | [`LossError`], what can be wrong with the input |
//!
//! Common to all: elements are f32, sums are f64 over chunks of fixed size in fixed order, and the work is shared among
//! the threads of rayon's pool; value and gradient are bit-equal for any number of threads. Nothing panics on
//! any input, and what is not finite shows in the value.
//!
//! ```
//! use ghm_loss::{BACKGROUND, DensityConfig, Ema, GradientDensity, Normalise, Targets, ghm_c};
//!
//! // Three anchors of two classes: one of class 1, two background.
//! let logits = [-2.0, 0.5, -3.0, -4.0, -3.5, 1.0];
//! let targets = Targets::ClassIndex { rows: &[1, BACKGROUND, BACKGROUND], classes: 2 };
//! let config = DensityConfig { bins: 30, momentum: 0.75, normalise: Normalise::Nonempty, ema: Ema::Corrected, cap: None };
//! let mut density = GradientDensity::new(config)?;
//!
//! let mut gradient = [0.0; 6];
//! let value = ghm_c(&logits, targets, None, &mut density, 1.0, &mut gradient)?;
//! assert!(value > 0.0 && gradient[1] < 0.0 && gradient[5] > 0.0);
//! // The lonely hard negative weighs more than the easy ones, which share their bins.
//! assert!(gradient[5] > 10.0 * gradient[2]);
//! # Ok::<(), ghm_loss::LossError>(())
//! ```

mod asl1;
mod balanced_cross_entropy;
mod balanced_l1;
mod boxes;
mod ciou;
mod counts;
mod cross_entropy;
mod density;
mod diou;
mod edges;
mod error;
mod exact;
mod focal;
mod ghm_c;
mod giou;
mod harmonise;
mod inputs;
mod largest;
mod logistic;
mod ohem;
mod overlap;
mod quality_focal;
mod smooth_l1;
mod sums;
mod targets;
mod varifocal;
mod windows;

pub use asl1::{asl1, ghm_r, ghm_r_exact, ghm_r_given};
pub use balanced_cross_entropy::{BalancedCrossEntropyConfig, balanced_cross_entropy};
pub use balanced_l1::{BalancedL1Config, balanced_l1};
pub use ciou::ciou;
pub use counts::Counts;
pub use cross_entropy::cross_entropy;
pub use density::{BinWeights, DensityConfig, Ema, GradientDensity, MAX_BINS, Normalise};
pub use diou::diou;
pub use error::LossError;
pub use exact::ExactDensity;
pub use focal::{FocalConfig, focal};
pub use ghm_c::{ghm_c, ghm_c_exact, ghm_c_given};
pub use giou::giou;
pub use ohem::{OhemConfig, ohem};
pub use quality_focal::{QualityFocalConfig, quality_focal};
pub use smooth_l1::{l1, smooth_l1};
pub use targets::{BACKGROUND, IGNORED, Targets};
pub use varifocal::{VarifocalConfig, varifocal};
