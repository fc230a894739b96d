//! Burn's CPU tensors as slices, and back.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, DispatchDevice, Flex};
use burn::tensor::{DType, GradientCheckpointingStrategy, Tensor, TensorData};

/// Whether a tensor lies on the CPU device, in single precision, and keeps its activations.
pub(crate) fn runs_here<const D: usize>(tensor: &Tensor<D>) -> bool {
    let on_cpu = matches!(tensor.device().inner().as_dispatch(), DispatchDevice::Flex(_));
    let checkpointed =
        tensor.gradient_checkpointing_strategy().is_some_and(|s| s != GradientCheckpointingStrategy::default());
    on_cpu && !checkpointed && tensor.dtype() == DType::F32
}

/// The primitive of a tensor that [`runs_here`], without its graph.
pub(crate) fn flex<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    match tensor.without_autodiff().try_into_primitive::<Flex>() {
        Ok(primitive) => primitive.to_contiguous(),
        Err(_) => unreachable!("the device was checked"),
    }
}

/// The primitive of a tensor that [`runs_here`], with its graph; a constant when it has none.
pub(crate) fn flex_tracked<const D: usize>(tensor: Tensor<D>) -> FloatTensor<Autodiff<Flex>> {
    let tensor = if tensor.is_autodiff() { tensor } else { tensor.autodiff() };
    match tensor.try_into_primitive::<Autodiff<Flex>>() {
        Ok(primitive) => primitive,
        Err(_) => unreachable!("the device was checked"),
    }
}

/// The elements of a contiguous single-precision tensor.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().unwrap_or(&[])
}

pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
