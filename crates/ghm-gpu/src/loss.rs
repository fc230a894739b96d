//! GHM-C and GHM-R on burn tensors that lie on a GPU.

use burn::backend::Dispatch;
use burn::backend::{DispatchTensor, FloatDType, IntDType};
use burn::tensor::{DType, Int, Tensor};
use ghm_loss::{Examples, LossError, Targets};

use crate::backend::{AttachOps, Goal, HarmonisedOps};
use crate::density::{DeviceDensity, expect_gpu};
use crate::element::ElementLoss;
use crate::error::GpuError;
use crate::plan::Plan;

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
    let [count, classes] = logits.dims();
    if rows.dims() != [count] || classes == 0 {
        let [rows] = rows.dims();
        return Err(LossError::Rows { rows, classes, logits: count * classes }.into());
    }
    expect_device("rows", &rows.device().inner(), density)?;
    let rows = rows.without_autodiff();
    let rows = if rows.dtype() == DType::I32 { rows } else { rows.cast(IntDType::I32) };
    harmonise(logits, Goal::Rows(rows.into_dispatch()), density, (ElementLoss::CrossEntropy, 0.0), scale)
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
    let goal = dense(&logits, targets, gates, density)?;
    harmonise(logits, goal, density, (ElementLoss::CrossEntropy, 0.0), scale)
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
    // The plain loss knows what a mu may be.
    ghm_loss::asl1(&Examples::<f32>::new(&[], Targets::Dense(&[])), mu, &mut [])?;
    let goal = dense(&predictions, targets, gates, density)?;
    harmonise(predictions, goal, density, (ElementLoss::Asl1, mu), scale)
}

/// Targets and gates in the type of the values.
fn dense<const D: usize>(
    values: &Tensor<D>,
    targets: Tensor<D>,
    gates: Option<Tensor<D>>,
    density: &DeviceDensity,
) -> Result<Goal<Dispatch>, GpuError> {
    let element = element(values)?;
    let checked = |name: &'static str, tensor: Tensor<D>| -> Result<DispatchTensor, GpuError> {
        if tensor.dims() != values.dims() {
            let (found, wanted) = (tensor.dims().to_vec(), values.dims().to_vec());
            return Err(GpuError::Shape { name, found, wanted });
        }
        expect_device(name, &tensor.device().inner(), density)?;
        let tensor = tensor.without_autodiff();
        let fits = tensor.dtype() == values.dtype();
        Ok(if fits { tensor } else { tensor.cast(element) }.into_dispatch())
    };
    let targets = checked("targets", targets)?;
    Ok(match gates {
        Some(gates) => Goal::Gated(targets, checked("gates", gates)?),
        None => Goal::Dense(targets),
    })
}

/// Runs the kernels without autodiff and puts what they find into the graph of `values`.
fn harmonise<const D: usize>(
    values: Tensor<D>,
    goal: Goal<Dispatch>,
    density: &mut DeviceDensity,
    (loss, mu): (ElementLoss, f32),
    scale: f32,
) -> Result<Tensor<1>, GpuError> {
    expect_device("the values", &values.device().inner(), density)?;
    element(&values)?;
    let elements = values.shape().num_elements();
    if elements >= 1 << 31 {
        return Err(GpuError::Elements { elements });
    }
    let plan = Plan::new(density.config(), density.steps().saturating_add(1), loss, mu, scale);
    let (edges, counts) = (density.edges.clone().into_dispatch(), density.counts.clone().into_dispatch());
    let plain = values.clone().without_autodiff().into_dispatch();
    let (value, gradient, counts) = Dispatch::harmonised(plain, goal, edges, counts, plan);
    density.advance(Tensor::from_dispatch(counts));
    Ok(Tensor::from_dispatch(Dispatch::attach(values.into_dispatch(), value, gradient)))
}

fn element<const D: usize>(values: &Tensor<D>) -> Result<FloatDType, GpuError> {
    match values.dtype() {
        DType::F32 => Ok(FloatDType::F32),
        DType::F16 => Ok(FloatDType::F16),
        DType::BF16 => Ok(FloatDType::BF16),
        other => Err(GpuError::Element { found: format!("{other:?}") }),
    }
}

fn expect_device(name: &'static str, device: &burn::tensor::Device, density: &DeviceDensity) -> Result<(), GpuError> {
    expect_gpu(name, device)?;
    let wanted = density.device();
    if *device != wanted {
        let wanted = format!("the density's {wanted:?}");
        return Err(GpuError::Device { name, found: format!("{device:?}"), wanted });
    }
    Ok(())
}
