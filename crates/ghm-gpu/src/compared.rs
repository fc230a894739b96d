//! Values on a GPU beside what they are compared with, and the passes of a loss over them.

use burn::backend::{Dispatch, DispatchTensor, FloatDType, IntDType};
use burn::tensor::{DType, Device, Int, Tensor};
use ghm_loss::{LossConfig, LossError};

use crate::backend::{AttachOps, Factors, Goal, KernelOps};
use crate::density::{DeviceCounts, DeviceDensity, DeviceFactors, expect_gpu, has_kernel as density_has_kernel};
use crate::error::GpuError;
use crate::plan::Terms;

/// Whether a loss has kernels: GHM-C, GHM-R (with a density that steps from bin to bin and is one for all classes), cross
/// entropy, balanced cross entropy without class weights, focal loss, ASL1, smooth L1 and L1.
pub fn has_kernel(loss: &LossConfig) -> bool {
    matches!(Terms::of(loss), Ok(Some(_))) && loss.density().is_none_or(density_has_kernel)
}

/// Values, what each is compared with, and by which loss; all on one device.
///
/// Of a harmonised loss this is the loss before it is harmonised: cross entropy of GHM-C, ASL1 of GHM-R.
#[derive(Clone, Debug)]
pub struct Compared {
    /// With the graph.
    values: DispatchTensor,
    goal: Goal<Dispatch>,
    terms: Terms,
    device: Device,
    elements: u64,
}

impl Compared {
    /// Logits with one class a row.
    ///
    /// # Shapes
    /// `logits [.., C]`; `rows`: for each row of `C` logits a class in `0..C`, -1 for background, -2 for a row that is left
    /// out. Of the last kind nothing counts and the gradient is 0, even where logits are NaN.
    ///
    /// # Errors
    /// [`GpuError`] where shapes, devices, types or a setting do not fit, or the loss has no kernel.
    pub fn classes<const D: usize>(
        logits: Tensor<D>,
        rows: Tensor<1, Int>,
        loss: &LossConfig,
    ) -> Result<Self, GpuError> {
        let (device, _) = checked(&logits)?;
        let (elements, classes) = (logits.shape().num_elements(), logits.dims()[D - 1]);
        let [count] = rows.dims();
        if classes == 0 || count * classes != elements {
            return Err(LossError::Rows { rows: count, classes, logits: elements }.into());
        }
        expect_device("rows", &rows.device().inner(), &device)?;
        let rows = rows.without_autodiff();
        let rows = if rows.dtype() == DType::I32 { rows } else { rows.cast(IntDType::I32) };
        let goal = Goal::Rows(rows.into_dispatch());
        Ok(Self { values: logits.into_dispatch(), goal, terms: terms(loss)?, device, elements: elements as u64 })
    }

    /// Predictions with a target each.
    ///
    /// # Shapes
    /// All the same. Targets of logits are in `[0, 1]`. An element takes part when there are no gates or its gate is above 0.
    ///
    /// # Errors
    /// As [`Compared::classes`].
    pub fn dense<const D: usize>(
        values: Tensor<D>,
        targets: Tensor<D>,
        gates: Option<Tensor<D>>,
        loss: &LossConfig,
    ) -> Result<Self, GpuError> {
        let (device, element) = checked(&values)?;
        let beside = |name: &'static str, tensor: Tensor<D>| -> Result<DispatchTensor, GpuError> {
            if tensor.dims() != values.dims() {
                let (found, wanted) = (tensor.dims().to_vec(), values.dims().to_vec());
                return Err(GpuError::Shape { name, found, wanted });
            }
            expect_device(name, &tensor.device().inner(), &device)?;
            let tensor = tensor.without_autodiff();
            let fits = tensor.dtype() == values.dtype();
            Ok(if fits { tensor } else { tensor.cast(element) }.into_dispatch())
        };
        let targets = beside("targets", targets)?;
        let gates = gates.map(|gates| beside("gates", gates)).transpose()?;
        let goal = match gates {
            Some(gates) => Goal::Gated(targets, gates),
            None => Goal::Dense(targets),
        };
        let elements = values.shape().num_elements() as u64;
        Ok(Self { values: values.into_dispatch(), goal, terms: terms(loss)?, device, elements })
    }

    /// Counts the examples by their gradient norm, in the bins of `density`, which stays as it is.
    ///
    /// # Errors
    /// [`GpuError::Device`] where the density is elsewhere.
    pub fn count(&self, density: &DeviceDensity) -> Result<DeviceCounts, GpuError> {
        expect_device("the density", &density.device(), &self.device)?;
        let edges = density.edges.clone().into_dispatch();
        let counts = Dispatch::count_bins(self.plain(), self.goal.clone(), edges, self.terms);
        Ok(DeviceCounts { bins: Tensor::from_dispatch(counts), elements: self.elements })
    }

    /// The loss `[1]` in f32 with each example times the factor of its bin: its part of the mean over all examples that the
    /// factors are made of. `scale` multiplies value and gradient.
    ///
    /// # Errors
    /// [`GpuError::Device`] where the factors are elsewhere.
    pub fn harmonised(self, factors: &DeviceFactors, scale: f32) -> Result<Tensor<1>, GpuError> {
        expect_device("the factors", &factors.factors.device(), &self.device)?;
        let (edges, factors) = (factors.edges.clone(), factors.factors.clone());
        Ok(self.apply(Factors::Bins(edges.into_dispatch(), factors.into_dispatch()), scale))
    }

    /// The sum `[1]` of the losses in f32. `scale` multiplies value and gradient.
    pub fn sum(self, scale: f32) -> Tensor<1> {
        self.apply(Factors::None, scale)
    }

    /// Runs the kernels without autodiff and puts what they find into the graph of the values.
    fn apply(self, factors: Factors<Dispatch>, scale: f32) -> Tensor<1> {
        let (value, gradient) = Dispatch::apply(self.plain(), self.goal.clone(), factors, self.terms, scale);
        Tensor::from_dispatch(Dispatch::attach(self.values, value, gradient))
    }

    fn plain(&self) -> DispatchTensor {
        // Any number of dimensions: the kernels see elements.
        Tensor::<1>::from_dispatch(self.values.clone()).without_autodiff().into_dispatch()
    }
}

fn terms(loss: &LossConfig) -> Result<Terms, GpuError> {
    Terms::of(loss)?.ok_or_else(|| GpuError::Kernel { loss: loss.name() })
}

/// The device of values that the kernels can read, and their type.
fn checked<const D: usize>(values: &Tensor<D>) -> Result<(Device, FloatDType), GpuError> {
    let device = values.device().inner();
    expect_gpu("the values", &device)?;
    let elements = values.shape().num_elements();
    if elements >= 1 << 31 {
        return Err(GpuError::Elements { elements });
    }
    match values.dtype() {
        DType::F32 => Ok((device, FloatDType::F32)),
        DType::F16 => Ok((device, FloatDType::F16)),
        DType::BF16 => Ok((device, FloatDType::BF16)),
        other => Err(GpuError::Element { found: format!("{other:?}") }),
    }
}

fn expect_device(name: &'static str, device: &Device, wanted: &Device) -> Result<(), GpuError> {
    expect_gpu(name, device)?;
    if device != wanted {
        let wanted = format!("the values' {wanted:?}");
        return Err(GpuError::Device { name, found: format!("{device:?}"), wanted });
    }
    Ok(())
}
