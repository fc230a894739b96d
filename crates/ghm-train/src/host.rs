//! Tensors of the CPU device as plain vectors and back, without a copy where nobody else holds them.

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device, Shape, Tensor, TensorData};

/// Whether a tensor lies on the CPU device in single precision, so that its elements can be worked on in place.
pub fn on_host<const D: usize>(tensor: &Tensor<D>) -> bool {
    matches!(tensor.device().as_dispatch(), DispatchDevice::Flex(_)) && tensor.dtype() == DType::F32
}

/// The elements of a tensor that is [`on_host`], in reading order.
pub fn take<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    match tensor.into_data().try_into_vec() {
        Ok(elements) => elements,
        Err(_) => unreachable!("single precision was asked for"),
    }
}

/// The tensor of these elements.
pub fn give<const D: usize>(elements: Vec<f32>, shape: Shape, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(elements, shape), device)
}
