//! The device by its name.

use burn::tensor::Device;

use crate::TrainError;

/// A device for inference, with what should be said about it; `.autodiff()` makes it one for training.
///
/// `cpu` is always there. `cuda` and `cuda:N` need a build with the feature `cuda`; without it the CPU is taken and the
/// second value says so.
pub fn open_device(name: &str) -> Result<(Device, Option<String>), TrainError> {
    let unknown = || TrainError::Device(name.to_owned());
    match name.split_once(':') {
        None if name == "cpu" => Ok((Device::flex(), None)),
        None if name == "cuda" => Ok(cuda(0)),
        Some(("cuda", index)) => Ok(cuda(index.parse().map_err(|_| unknown())?)),
        _ => Err(unknown()),
    }
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> (Device, Option<String>) {
    // The driver is opened at run time, and its absence shows as a panic of the first allocation.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let opened = std::panic::catch_unwind(|| {
        let device = Device::cuda(index);
        burn::tensor::Tensor::<1>::zeros([1], &device).into_data();
        device
    });
    std::panic::set_hook(hook);
    match opened {
        Ok(device) => (device, None),
        Err(_) => (Device::flex(), Some(format!("cuda:{index} cannot be opened on this machine; running on the CPU"))),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> (Device, Option<String>) {
    let message = format!("cuda:{index}: this binary is built without the feature `cuda`; running on the CPU");
    (Device::flex(), Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_device_is_refused_with_the_known_ones() {
        for name in ["tpu", "cuda:x", ""] {
            let message = open_device(name).unwrap_err().to_string();
            assert!(message.contains("cpu, cuda or cuda:N"), "{message}");
        }
    }

    #[test]
    fn the_cpu_needs_no_words() {
        assert!(open_device("cpu").unwrap().1.is_none());
    }
}
