//! Losses on a GPU that has kernels for them.

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Tensor};
use ghm_gpu::{Compared, GpuError, has_kernel};
use ghm_loss::LossError;

use crate::examples::{Examples, Gate, Targets};
use crate::loss::{LossConfig, Reduction};
use crate::state::Held;

/// The loss by the kernels of the device that the values are on; `None` where it has none, or none for this call.
///
/// # Errors
/// [`LossError`] where shapes do not fit or the device fails.
pub(crate) fn forward<const D: usize>(
    config: &LossConfig,
    examples: &Examples<D>,
    held: Option<&mut Held>,
) -> Result<Option<Tensor<1>>, LossError> {
    let device = examples.values.device().inner();
    let typed = matches!(examples.values.dtype(), DType::F32 | DType::F16 | DType::BF16);
    if !typed || !matches!(device.as_dispatch(), DispatchDevice::Cube(_)) || !has_kernel(&config.loss) {
        return Ok(None);
    }
    if examples.weights.is_some() || !examples.on(&device) {
        return Ok(None);
    }
    match (config.reduction, held) {
        (Reduction::Mean, Some(held)) => {
            let Some(compared) = compared(&config.loss, examples)? else { return Ok(None) };
            let density = held.on(&device)?;
            let factors = compared.count(density).and_then(|counts| density.take_in(&counts)).map_err(loss_error)?;
            compared.harmonised(&factors, 1.0).map(Some).map_err(loss_error)
        }
        (Reduction::Sum, None) => Ok(compared(&config.loss, examples)?.map(|compared| compared.sum(1.0))),
        _ => Ok(None),
    }
}

/// The examples as the kernels take them.
fn compared<const D: usize>(
    loss: &ghm_loss::LossConfig,
    examples: &Examples<D>,
) -> Result<Option<Compared>, LossError> {
    let elements = examples.values.shape().num_elements();
    let values = examples.values.clone();
    let found = match (&examples.targets, &examples.gate) {
        (Targets::Classes { rows, classes }, Gate::Open) if *classes > 0 => {
            Compared::classes(values, rows.clone(), loss)
        }
        (Targets::Classes { .. }, _) => return Ok(None),
        (Targets::Dense(targets), gate) => {
            let gates = match gate {
                Gate::Open => None,
                Gate::AboveZero(gates) => Some(gates.clone()),
                Gate::Except(mask) => Some(mask.clone().bool_not().float()),
            };
            Compared::dense(values.reshape([elements]), targets.clone(), gates, loss)
        }
    };
    found.map(Some).map_err(loss_error)
}

impl<const D: usize> Examples<D> {
    /// Whether everything else is on `device`, too.
    fn on(&self, device: &burn::tensor::Device) -> bool {
        let targets = match &self.targets {
            Targets::Dense(targets) => targets.device(),
            Targets::Classes { rows, .. } => rows.device(),
        };
        let gates = match &self.gate {
            Gate::Open => None,
            Gate::AboveZero(gates) => Some(gates.device()),
            Gate::Except(mask) => Some(mask.device()),
        };
        targets.inner() == *device && gates.is_none_or(|gates| gates.inner() == *device)
    }
}

/// The same in the words of the plain losses.
pub(crate) fn loss_error(error: GpuError) -> LossError {
    match error {
        GpuError::Loss(error) => error,
        GpuError::Shape { name, found, wanted } => LossError::Length {
            name,
            length: found.iter().product(),
            other: "the values",
            other_length: wanted.iter().product(),
        },
        other => LossError::Device { reason: other.to_string() },
    }
}
