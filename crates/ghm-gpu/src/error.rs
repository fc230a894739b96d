//! What can be wrong with a call.

use ghm_loss::{DensityConfig, LossError};
use thiserror::Error;

/// Why a loss was not computed. Nothing has been counted then.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum GpuError {
    /// What the plain losses refuse as well.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// A density that only the plain losses know.
    #[error("no kernel for {config:?}: the density of a GPU steps from bin to bin and is one for all classes")]
    Setting {
        /// Its settings.
        config: DensityConfig,
    },
    /// A loss that only the host computes.
    #[error("no kernel for the loss {loss}")]
    Kernel {
        /// Its name.
        loss: &'static str,
    },
    /// A tensor that no kernel can reach.
    #[error("{name} lies on {found}: expected {wanted}")]
    Device {
        /// The tensor.
        name: &'static str,
        /// Where it is.
        found: String,
        /// Where it has to be.
        wanted: String,
    },
    /// Two tensors that describe the same elements differ in shape.
    #[error("{name} has shape {found:?}, but the values {wanted:?}")]
    Shape {
        /// The tensor that does not fit.
        name: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it has to have.
        wanted: Vec<usize>,
    },
    /// A type of elements the kernels are not made for.
    #[error("the values are {found}: expected f32, f16 or bf16 where the device has them")]
    Element {
        /// The type.
        found: String,
    },
    /// More elements than 32-bit positions can name.
    #[error("{elements} elements in one call: expected fewer than 2147483648")]
    Elements {
        /// How many there are.
        elements: usize,
    },
    /// More examples in the calls of one update than 32-bit counts can hold.
    #[error("{elements} elements in the calls of one update: expected fewer than 4294967296; accumulate fewer batches")]
    Counts {
        /// How many there are.
        elements: u64,
    },
    /// The device could not be read.
    #[error("the density could not be brought back from its device: {reason}")]
    Read {
        /// What burn says.
        reason: String,
    },
}
