//! The device by its name.

use burn::tensor::{Device, FloatDType};
use ghm_detector::Precision;

use crate::TrainError;

/// A device for inference, with what should be said about it; `.autodiff()` makes it one for training.
///
/// `cpu` is always there. `cuda` and `cuda:N` need a build with the feature `cuda`, `wgpu` (any GPU of Vulkan, Metal or
/// DirectX 12) one with the feature `wgpu`; without it, or without such a GPU, the CPU is taken and the second value says
/// so.
pub fn open_device(name: &str) -> Result<(Device, Option<String>), TrainError> {
    let unknown = || TrainError::Device(name.to_owned());
    match name.split_once(':') {
        None if name == "cpu" => Ok((Device::flex(), None)),
        None if name == "cuda" => Ok(cuda(0)),
        None if name == "wgpu" => Ok(wgpu()),
        Some(("cuda", index)) => Ok(cuda(index.parse().map_err(|_| unknown())?)),
        _ => Err(unknown()),
    }
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> (Device, Option<String>) {
    opened(&format!("cuda:{index}"), || Device::cuda(index))
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> (Device, Option<String>) {
    without_feature(&format!("cuda:{index}"), "cuda")
}

#[cfg(feature = "wgpu")]
fn wgpu() -> (Device, Option<String>) {
    opened("wgpu", || Device::wgpu(burn::tensor::DeviceKind::DefaultDevice))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> (Device, Option<String>) {
    without_feature("wgpu", "wgpu")
}

/// Refuses a precision that a device cannot compute in.
pub fn expect_precision(precision: Precision, device: &Device) -> Result<(), TrainError> {
    match precision {
        Precision::Bf16 if !device.supports_dtype(FloatDType::BF16) => Err(TrainError::Precision { precision: "bf16" }),
        _ => Ok(()),
    }
}

/// The device that `open` gives, if it can hold a tensor.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn opened(name: &str, open: impl FnOnce() -> Device) -> (Device, Option<String>) {
    // The driver is opened at run time, and its absence shows as a panic of the first allocation.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let device = open();
        burn::tensor::Tensor::<1>::zeros([1], &device).into_data();
        device
    }));
    std::panic::set_hook(hook);
    match found {
        Ok(device) => (device, None),
        Err(_) => (Device::flex(), Some(format!("{name} cannot be opened on this machine; running on the CPU"))),
    }
}

#[cfg(not(all(feature = "cuda", feature = "wgpu")))]
fn without_feature(name: &str, feature: &str) -> (Device, Option<String>) {
    let message = format!("{name}: this binary is built without the feature `{feature}`; running on the CPU");
    (Device::flex(), Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_device_is_refused_with_the_known_ones() {
        for name in ["tpu", "cuda:x", ""] {
            let message = open_device(name).unwrap_err().to_string();
            assert!(message.contains("cpu, cuda, cuda:N or wgpu"), "{message}");
        }
    }

    #[test]
    fn the_cpu_needs_no_words() {
        assert!(open_device("cpu").unwrap().1.is_none());
    }
}
