//! A number that a device may still be computing.

use burn::tensor::Tensor;
use ghm_loss::LossError;

/// A number of the host, or one of a device, to be read when it is wanted: reading waits for the device.
#[derive(Clone, Debug)]
pub enum Awaited {
    /// Known.
    Known(f64),
    /// `[1]`, on a device.
    OnDevice(Box<Tensor<1>>),
}

impl Awaited {
    /// A tensor `[1]`, without its graph.
    pub fn of(tensor: Tensor<1>) -> Self {
        Self::OnDevice(Box::new(tensor.without_autodiff()))
    }

    /// All numbers, those of devices by one read.
    ///
    /// # Errors
    /// [`LossError::Device`] where the device fails.
    pub fn read_all(numbers: Vec<Self>) -> Result<Vec<f64>, LossError> {
        let waiting = |number: &Self| match number {
            Self::Known(_) => None,
            Self::OnDevice(tensor) => Some((**tensor).clone()),
        };
        let waiting: Vec<Tensor<1>> = numbers.iter().filter_map(waiting).collect();
        let read = if waiting.is_empty() { Vec::new() } else { values(Tensor::cat(waiting, 0))? };
        let mut read = read.into_iter();
        let number = |number| match number {
            Self::Known(number) => number,
            Self::OnDevice(_) => read.next().unwrap_or(f64::NAN),
        };
        Ok(numbers.into_iter().map(number).collect())
    }

    /// The number.
    ///
    /// # Errors
    /// [`LossError::Device`] where the device fails.
    pub fn read(self) -> Result<f64, LossError> {
        Ok(Self::read_all(vec![self])?.pop().unwrap_or(f64::NAN))
    }
}

fn values(tensor: Tensor<1>) -> Result<Vec<f64>, LossError> {
    let data = tensor.try_into_data().map_err(|error| LossError::Device { reason: error.to_string() })?;
    Ok(data.iter::<f64>().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn numbers_of_the_host_and_of_a_device_are_read_in_their_order() {
        let tensor = |x: f32| Awaited::of(Tensor::from_floats([x], &Device::flex().autodiff()));
        let numbers = vec![tensor(1.5), Awaited::Known(0.1), tensor(-2.0), Awaited::Known(f64::INFINITY)];
        assert_eq!(Awaited::read_all(numbers).unwrap(), [1.5, 0.1, -2.0, f64::INFINITY]);
        assert_eq!(Awaited::Known(3.0).read().unwrap(), 3.0);
    }
}
