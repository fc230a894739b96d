//! GHM-C and GHM-R on burn tensors that lie on a GPU.

use burn::tensor::{Int, Tensor};
use ghm_loss::LossConfig;

use crate::compared::Compared;
use crate::density::DeviceDensity;
use crate::error::GpuError;

/// GHM-C (Li et al. 2019, eq. 8 and 11) with one class a row: the value `[1]` in f32, whose gradient in the logits is
/// `factor * (sigmoid(logit) - target)` with the factors as constants.
///
/// Everything happens on the device, and the host waits for nothing.
///
/// ```no_run
/// use burn::tensor::{Device, Int, Tensor};
/// use ghm_gpu::{DeviceDensity, ghm_c};
/// use ghm_loss::{DensityConfig, Ema};
///
/// # fn on(device: Device) -> Result<(), ghm_gpu::GpuError> {
/// let config = DensityConfig { ema: Ema::Corrected, ..DensityConfig::default() };
/// let mut density = DeviceDensity::new(config, &device)?;
///
/// let logits = Tensor::<2>::zeros([3, 2], &device.clone().autodiff()).require_grad();
/// let rows = Tensor::<1, Int>::from_ints([1, -1, -2], &device); // a class, background, left out
/// let loss = ghm_c(logits.clone(), rows, &mut density, 1.0)?;
/// let gradients = loss.backward();
/// assert!(logits.grad(&gradients).is_some());
/// # Ok(())
/// # }
/// ```
///
/// # Shapes
/// `logits [rows, C]`, `rows [rows]`: a class in `0..C`, -1 for background, -2 for a row that is left out; of the last
/// kind nothing counts and the gradient is 0, even where logits are NaN. `scale` multiplies value and gradient.
///
/// # Not finite
/// A NaN or an infinite logit that takes part makes the value NaN, and so does a class index that is none: the host
/// does not see them. A NaN's own entry of the gradient is NaN, and so are those of a row of unknown class.
///
/// # Errors
/// [`GpuError`] where shapes, devices or types do not fit; `density` is untouched then.
///
/// # Deviations
/// [`ghm_loss::ghm_c()`] sums in f64 and returns infinite values as such.
pub fn ghm_c(
    logits: Tensor<2>,
    rows: Tensor<1, Int>,
    density: &mut DeviceDensity,
    scale: f32,
) -> Result<Tensor<1>, GpuError> {
    harmonise(Compared::classes(logits, rows, &LossConfig::CrossEntropy)?, density, scale)
}

/// GHM-C with a target an element: as [`ghm_c`], for soft targets or several classes a row.
///
/// # Shapes
/// `logits`, `targets` (in `[0, 1]`) and `gates` are of one shape. An element takes part when there are no gates or its
/// gate is above 0.
///
/// # Not finite
/// As [`ghm_c`]; a target outside `[0, 1]` makes the value NaN.
///
/// # Errors
/// [`GpuError`] where shapes, devices or types do not fit; `density` is untouched then.
pub fn ghm_c_dense<const D: usize>(
    logits: Tensor<D>,
    targets: Tensor<D>,
    gates: Option<Tensor<D>>,
    density: &mut DeviceDensity,
    scale: f32,
) -> Result<Tensor<1>, GpuError> {
    harmonise(Compared::dense(logits, targets, gates, &LossConfig::CrossEntropy)?, density, scale)
}

/// GHM-R (Li et al. 2019): ASL1 of `predictions - targets`, harmonised; as [`ghm_c`].
///
/// # Shapes
/// `predictions`, `targets` and `gates` are of one shape. An element takes part when there are no gates or its gate is
/// above 0. `mu`, 1e-15 to 1e15, is in the unit of the predictions; the paper has 0.02.
///
/// # Not finite
/// A NaN that takes part makes the value NaN, and so does a difference beyond 1e19, whose square is no f32.
///
/// # Errors
/// [`GpuError`] where shapes, devices, types or `mu` do not fit; `density` is untouched then.
pub fn ghm_r<const D: usize>(
    predictions: Tensor<D>,
    targets: Tensor<D>,
    gates: Option<Tensor<D>>,
    mu: f32,
    density: &mut DeviceDensity,
    scale: f32,
) -> Result<Tensor<1>, GpuError> {
    harmonise(Compared::dense(predictions, targets, gates, &LossConfig::Asl1 { mu })?, density, scale)
}

fn harmonise(compared: Compared, density: &mut DeviceDensity, scale: f32) -> Result<Tensor<1>, GpuError> {
    let factors = density.take_in(&compared.count(density)?)?;
    compared.harmonised(&factors, scale)
}
