//! Tensors of any device as plain vectors.

use burn::tensor::Tensor;

/// A tensor's elements on the host in reading order, whatever its precision; the host waits for a GPU that has them.
pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap_or_default()
}
