//! A value and a gradient as a scalar tensor.

use burn::tensor::{Tensor, TensorData};

/// A scalar whose value is `value` and whose gradient in `x` is `gradient`, both computed elsewhere.
///
/// It is `sum(x * gradient)` with its value replaced, so burn's graph carries the gradient through without knowing the
/// loss. Where `x` holds something infinite the value is NaN, as the loss itself then is.
///
/// # Shapes
/// `gradient` has the elements of `x`, row by row; the result is `[1]`.
pub fn attach<const D: usize>(x: Tensor<D>, value: f64, gradient: Vec<f32>) -> Tensor<1> {
    let constant = Tensor::<D>::from_data(TensorData::new(gradient, x.shape()), &x.device());
    // A non-finite logit makes the sum non-finite: the value is put in place of it, never added to it.
    let carrier = (x * constant).sum();
    let without = carrier.clone().detach();
    let value = without.zeros_like() + value;
    carrier - without + value
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn value_and_gradient_are_those_given() {
        let x = Tensor::<2>::from_floats([[1.0, -2.0], [3.0, 0.5]], &Device::flex().autodiff()).require_grad();
        let loss = attach(x.clone(), 42.0, vec![0.1, 0.2, -0.3, 0.0]);
        let gradients = (loss.clone() * 2.0).backward();
        assert_eq!(loss.into_scalar::<f32>(), 42.0);
        let gradient = x.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(gradient, [0.2, 0.4, -0.6, 0.0]);
    }
}
