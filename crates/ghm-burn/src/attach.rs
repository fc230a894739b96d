//! Values and gradients that were computed elsewhere, as a tensor of the graph.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, DispatchDevice, Flex};
use burn::tensor::{DType, FloatDType, GradientCheckpointingStrategy, Tensor, TensorData};
use ghm_loss::Real;

/// A tensor `[values]` whose elements are `values` and whose gradients in `x` are `gradient`.
///
/// The elements of `x`, row by row, are shared out among the values in equal parts: all belong to a single value, one
/// to each of as many values, `C` to each value of rows of `C`. The gradient of `x` is then `gradient` times the gradient
/// that its value gets; where that is 1 it is `gradient` itself, without a copy.
///
/// Values are f32 whatever `x` is; a finite one beyond f32 becomes the largest.
///
/// # Shapes
/// `gradient` has the elements of `x`, row by row, and its type; the number of `values` divides theirs.
pub fn attach<const D: usize, T: Real + burn::tensor::Element>(
    x: Tensor<D>,
    values: &[f64],
    gradient: Vec<T>,
) -> Tensor<1> {
    let values: Vec<f32> = values.iter().map(|&value| held(value)).collect();
    let gradient = TensorData::new(gradient, x.shape());
    if !x.is_autodiff() {
        return Tensor::from_data(TensorData::from(&values[..]), (&x.device(), DType::F32));
    }
    if is_plain(&x) { attach_here(x, &values, gradient) } else { attach_anywhere(x, &values, gradient) }
}

/// Saturated where it is finite.
fn held(value: f64) -> f32 {
    let most = f64::from(f32::MAX);
    if value.is_finite() { value.clamp(-most, most) as f32 } else { value as f32 }
}

/// Whether the tensor lies on the CPU device and keeps its activations.
fn is_plain<const D: usize>(x: &Tensor<D>) -> bool {
    let on_cpu = matches!(x.device().inner().as_dispatch(), DispatchDevice::Flex(_));
    let keeps = x.gradient_checkpointing_strategy().is_none_or(|s| s == GradientCheckpointingStrategy::default());
    on_cpu && keeps
}

/// One node of the graph, whose backward is the gradient itself.
fn attach_here<const D: usize>(x: Tensor<D>, values: &[f32], gradient: TensorData) -> Tensor<1> {
    let x: FloatTensor<Autodiff<Flex>> = match x.try_into_primitive::<Autodiff<Flex>>() {
        Ok(primitive) => primitive,
        Err(_) => unreachable!("the device was checked"),
    };
    let output = FlexTensor::from_data(TensorData::from(values));
    let output = match Attached.prepare::<NoCheckpointing>([x.node()]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(FlexTensor::from_data(gradient), output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

#[derive(Debug)]
struct Attached;

impl Backward<Flex, 1> for Attached {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x] = ops.parents;
        let outgoing = grads.consume::<Flex>(&ops.node);
        if let Some(x) = x {
            let outgoing = outgoing.to_contiguous();
            grads.register::<Flex>(x.id, times(ops.state, outgoing.as_slice().unwrap_or_default()));
        }
    }
}

/// `gradient` with the elements of each value times its factor.
fn times(gradient: FlexTensor, factors: &[f32]) -> FlexTensor {
    if factors.iter().all(|&factor| factor == 1.0) {
        return gradient;
    }
    let (shape, dtype) = (gradient.layout().shape().clone(), gradient.dtype());
    let parts = [factors.len(), shape.num_elements() / factors.len().max(1)];
    let gradient = Tensor::<2>::from_primitive::<Flex>(gradient.reshape(parts.into()));
    let factors = TensorData::new(factors.to_vec(), [factors.len(), 1]);
    let factors = Tensor::<2>::from_data(factors, (&gradient.device(), dtype));
    match (gradient * factors).try_into_primitive::<Flex>() {
        Ok(product) => product.reshape(shape),
        Err(_) => unreachable!("it is a product of tensors of the CPU device"),
    }
}

/// The sums of `x` times `gradient`, with their values replaced: burn's graph carries the gradient through without knowing
/// the loss. Where `x` holds something infinite the values are NaN, as the loss itself then is.
fn attach_anywhere<const D: usize>(x: Tensor<D>, values: &[f32], gradient: TensorData) -> Tensor<1> {
    let parts = [values.len(), x.shape().num_elements() / values.len().max(1)];
    let constant = Tensor::<D>::from_data(gradient, (&x.device(), x.dtype())).reshape(parts);
    let carrier = (x.reshape(parts) * constant).sum_dim(1).reshape([values.len()]).cast(FloatDType::F32);
    let without = carrier.clone().detach();
    let values = Tensor::<1>::from_data(TensorData::from(values), (&without.device(), DType::F32));
    carrier - without + values
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn devices() -> [Device; 2] {
        let device = Device::flex().autodiff();
        [device.clone(), Device::flex().autodiff().gradient_checkpointing()]
    }

    #[test]
    fn value_and_gradient_are_those_given_with_and_without_checkpointing() {
        for device in devices() {
            let x = Tensor::<2>::from_floats([[1.0, -2.0], [3.0, 0.5]], &device).require_grad();
            let loss = attach(x.clone(), &[42.0], vec![0.1f32, 0.2, -0.3, 0.0]);
            let gradients = (loss.clone() * 2.0).backward();
            assert_eq!(loss.into_scalar::<f32>(), 42.0);
            let gradient = x.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
            assert_eq!(gradient, [0.2, 0.4, -0.6, 0.0]);
        }
    }

    #[test]
    fn each_value_hands_its_own_gradient_to_its_own_part() {
        for device in devices() {
            let x = Tensor::<2>::from_floats([[1.0, -2.0], [3.0, 0.5]], &device).require_grad();
            let losses = attach(x.clone(), &[7.0, 8.0], vec![0.5f32, 1.0, -1.0, 2.0]);
            let factors = Tensor::<1>::from_floats([3.0, -1.0], &device);
            let gradients = (losses.clone() * factors).sum().backward();
            assert_eq!(losses.into_data().try_into_vec::<f32>().unwrap(), [7.0, 8.0]);
            let gradient = x.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
            assert_eq!(gradient, [1.5, 3.0, 1.0, -2.0]);
        }
    }

    #[test]
    fn a_finite_value_beyond_f32_is_the_largest_and_nan_stays() {
        let x = Tensor::<1>::from_floats([1.0], &Device::flex());
        let value_of = |value: f64| attach(x.clone(), &[value], vec![0.0f32]).into_scalar::<f32>();
        assert_eq!(value_of(1e300), f32::MAX);
        assert!(value_of(f64::NAN).is_nan());
    }
}
