//! The losses of a detector as plain Rust: value and gradient together, over slices of f32, f16 or bf16, without tensors.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `examples` | [`Examples`], what goes in: values, targets, who takes part, for how much |
//! | `targets` | [`Targets`], what a classification loss is compared with: dense, or one class a row |
//! | `output` | [`Output`], what comes out: gradient, losses one by one; their mean or sum |
//! | `real` | [`Real`]: f32, f16 or bf16 |
//! | `density` | [`GradientDensity`], the state of GHM: its settings, its counts |
//! | `regions` | the bins of each class, [`BinWeights`], the factor of each |
//! | `exact` | [`ExactDensity`], the density without bins |
//! | `windows` | how many gradient norms lie in the window around each |
//! | `partition`, `ranks` | gradient norms in order but for a little; how many are below any number |
//! | `counts` | [`Counts`], the counts by bin of one worker or of several |
//! | `ghm_c` | [`ghm_c`](fn@ghm_c), binary cross entropy harmonised |
//! | `softmax` | [`softmax_ghm_c`] and [`softmax_cross_entropy`], for one class out of several |
//! | `asl1` | [`asl1`](fn@asl1), and [`ghm_r`], the same harmonised |
//! | `focal`, `cross_entropy` | [`focal`](fn@focal) and [`cross_entropy`](fn@cross_entropy), which GHM-C is compared with |
//! | `balanced_cross_entropy` | [`balanced_cross_entropy`](fn@balanced_cross_entropy): positives against negatives, class against class |
//! | `ohem` | [`ohem`](fn@ohem), cross entropy of the hardest examples alone |
//! | `quality_focal`, `varifocal` | [`quality_focal`](fn@quality_focal) and [`varifocal`](fn@varifocal), whose targets are qualities from 0 to 1 |
//! | `smooth_l1`, `balanced_l1` | [`smooth_l1`](fn@smooth_l1), [`l1`] and [`balanced_l1`](fn@balanced_l1), which GHM-R is compared with |
//! | `giou`, `diou`, `ciou` | [`giou`](fn@giou), [`diou`](fn@diou) and [`ciou`](fn@ciou), losses of whole boxes |
//! | `rows` | checked rows of logits, and the softmax of one |
//! | `family` | [`LossConfig`] and [`Loss`]: every loss by its name |
//! | `focus` | losses that are cross entropy times a power |
//! | `overlap` | what is measured on two boxes, with derivatives |
//! | `boxes` | checked boxes, and the pass of a sum over them |
//! | `histogram`, `sums`, `harmonise` | the pass that counts, the pass that writes, and both together |
//! | `spectrum` | [`Spectrum`], how the gradient of a loss is shared out over gradient norms |
//! | `sum` | a sum in f64 of many f32 |
//! | `blocks`, `block` | checked slices, handed out in blocks of fixed size; such a block |
//! | `vector` | loops compiled for each width of vectors |
//! | `logistic`, `number` | sigmoid and cross entropy of one logit; of one number or of the sixteen of a register |
//! | `edges`, `logit_edges`, `places` | the bin of a gradient norm, of a logit, of each element of a block |
//! | `sieve`, `factors` | both passes for few bins in registers of AVX-512 |
//! | `registers`, `tally`, `prefetch` | tables in registers, counting there, having memory ready |
//! | `largest` | finding the largest of many numbers without sorting them |
//! | `error` | [`LossError`], what can be wrong with the input |
//!
//! Common to all: arithmetic is f32, sums are f64 (of four terms each, which are added up in f32 first) over chunks of fixed
//! size in fixed order, and the work is shared among
//! the threads of rayon's pool; value and gradient are bit-equal for any number of threads and on any machine (but for a
//! focusing exponent other than 2, whose power is the platform's). Nothing panics on any input, finite values give a finite
//! loss, and what is not finite shows in the value.
//!
//! ```
//! use ghm_loss::{BACKGROUND, DensityConfig, Ema, Examples, GradientDensity, Targets, ghm_c};
//!
//! // Three anchors of two classes: one of class 1, two background.
//! let logits = [-2.0, 0.5, -3.0, -4.0, -3.5, 1.0];
//! let targets = Targets::ClassIndex { rows: &[1, BACKGROUND, BACKGROUND], classes: 2 };
//! let mut density = GradientDensity::new(DensityConfig { ema: Ema::Corrected, ..DensityConfig::default() })?;
//!
//! let mut gradient = [0.0; 6];
//! let value = ghm_c(&Examples::new(&logits, targets), &mut density, &mut gradient)?;
//! assert!(value > 0.0 && gradient[1] < 0.0 && gradient[5] > 0.0);
//! // The lonely hard negative weighs more than the easy ones, which share their bins.
//! assert!(gradient[5] > 10.0 * gradient[2]);
//! # Ok::<(), ghm_loss::LossError>(())
//! ```

// The one shape in which the tests call every loss, for those in here as for those outside.
#[cfg(test)]
#[path = "../tests/it/calls.rs"]
#[allow(dead_code, reason = "some losses are called from outside alone")]
mod calls;
#[cfg(test)]
extern crate self as ghm_loss;

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod asl1;
mod balanced_cross_entropy;
mod balanced_l1;
mod block;
mod blocks;
mod boxes;
mod ciou;
mod counts;
mod cross_entropy;
mod density;
mod diou;
mod edges;
mod error;
mod exact;
mod examples;
#[cfg(target_arch = "x86_64")]
mod factors;
mod family;
mod focal;
mod focus;
mod ghm_c;
mod giou;
mod harmonise;
mod histogram;
mod largest;
mod logistic;
mod logit_edges;
mod number;
mod ohem;
mod output;
mod overlap;
mod partition;
mod places;
#[cfg(target_arch = "x86_64")]
mod prefetch;
mod quality_focal;
mod ranks;
mod real;
mod regions;
#[cfg(target_arch = "x86_64")]
mod registers;
mod rows;
#[cfg(target_arch = "x86_64")]
mod sieve;
mod smooth_l1;
mod softmax;
mod spectrum;
mod sum;
mod sums;
#[cfg(target_arch = "x86_64")]
mod tally;
mod targets;
mod varifocal;
mod vector;
mod windows;

pub use asl1::{asl1, ghm_r};
pub use balanced_cross_entropy::{BalancedCrossEntropyConfig, balanced_cross_entropy};
pub use balanced_l1::{BalancedL1Config, balanced_l1};
pub use ciou::ciou;
pub use counts::Counts;
pub use cross_entropy::cross_entropy;
pub use density::{Between, DensityConfig, Ema, GradientDensity, Normalise};
pub use diou::diou;
pub use error::LossError;
pub use exact::ExactDensity;
pub use examples::Examples;
pub use family::{Kind, Loss, LossConfig};
pub use focal::{FocalConfig, focal};
pub use ghm_c::ghm_c;
pub use giou::giou;
pub use harmonise::Density;
pub use ohem::{OhemConfig, ohem};
pub use output::{Output, Reduction};
pub use quality_focal::{QualityFocalConfig, quality_focal};
pub use real::Real;
pub use regions::{BinWeights, MAX_BINS};
pub use smooth_l1::{l1, smooth_l1};
pub use softmax::{SoftmaxNorm, softmax_cross_entropy, softmax_ghm_c};
pub use spectrum::{Side, Spectrum};
pub use targets::{BACKGROUND, IGNORED, Targets};
pub use varifocal::{VarifocalConfig, varifocal};
