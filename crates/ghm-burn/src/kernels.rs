//! Losses on a GPU that has kernels for them.

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Tensor};
use ghm_gpu::GpuError;
use ghm_loss::{Between, DensityConfig, LossError};

use crate::examples::{Examples, Gate, Targets};
use crate::loss::{LossConfig, Reduction};
use crate::state::Held;

/// Which kernel.
#[derive(Clone, Copy)]
enum Kernel {
    GhmC,
    GhmR { mu: f32 },
}

/// The loss by the kernels of the device that the values are on; `None` where it has none, or none for this call.
///
/// # Errors
/// [`LossError`] where shapes do not fit or the device fails.
pub(crate) fn forward<const D: usize>(
    config: &LossConfig,
    examples: &Examples<D>,
    held: &mut Held,
) -> Result<Option<Tensor<1>>, LossError> {
    let device = examples.values.device().inner();
    let typed = matches!(examples.values.dtype(), DType::F32 | DType::F16 | DType::BF16);
    let (Some(kernel), DispatchDevice::Cube(_), true) = (Kernel::of(config), device.as_dispatch(), typed) else {
        return Ok(None);
    };
    if examples.weights.is_some() || !examples.on(&device) {
        return Ok(None);
    }
    let elements = examples.values.shape().num_elements();
    let values = examples.values.clone();
    let value = match (&examples.targets, kernel, &examples.gate) {
        (Targets::Classes { rows, classes }, Kernel::GhmC, Gate::Open) if *classes > 0 => {
            let logits = values.reshape([elements / classes, *classes]);
            ghm_gpu::ghm_c(logits, rows.clone(), held.on(&device)?, 1.0)
        }
        (Targets::Dense(targets), kernel, gate) => {
            let gates = match gate {
                Gate::Open => None,
                Gate::AboveZero(gates) => Some(gates.clone()),
                Gate::Except(mask) => Some(mask.clone().bool_not().float()),
            };
            let (values, targets, density) = (values.reshape([elements]), targets.clone(), held.on(&device)?);
            match kernel {
                Kernel::GhmC => ghm_gpu::ghm_c_dense(values, targets, gates, density, 1.0),
                Kernel::GhmR { mu } => ghm_gpu::ghm_r(values, targets, gates, mu, density, 1.0),
            }
        }
        _ => return Ok(None),
    };
    value.map(Some).map_err(loss_error)
}

impl Kernel {
    fn of(config: &LossConfig) -> Option<Self> {
        let has_kernel = |density: &DensityConfig| density.between == Between::Step && density.classes.is_none();
        match &config.loss {
            _ if config.reduction != Reduction::Mean => None,
            ghm_loss::LossConfig::GhmC(density) if has_kernel(density) => Some(Self::GhmC),
            ghm_loss::LossConfig::GhmR { mu, density } if has_kernel(density) => Some(Self::GhmR { mu: *mu }),
            _ => None,
        }
    }
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
