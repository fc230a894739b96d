//! The gradient density as it lies on a device.

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use ghm_loss::{Between, DensityConfig, GradientDensity};

use crate::backend::KernelOps;
use crate::error::GpuError;
use crate::plan::Intake;

/// A [`GradientDensity`] on a GPU. A call replaces the counts by new ones there; nothing comes back to the host until
/// [`DeviceDensity::to_plain`] asks for it.
///
/// Counts are f32 on the device and f64 in the plain density. What a device has counted is therefore kept exactly by
/// [`to_plain`](Self::to_plain) and [`from_plain`](Self::from_plain), while plain counts are rounded once on their way
/// there. A moving average of f32 is off by about 6e-8 / (1 - momentum).
#[derive(Clone, Debug)]
pub struct DeviceDensity {
    config: DensityConfig,
    /// `[M]`.
    pub(crate) counts: Tensor<1>,
    /// `[M + 1]`: `j / M`, the quotients of the host.
    pub(crate) edges: Tensor<1>,
    steps: u64,
}

impl DeviceDensity {
    /// A density that has seen nothing.
    ///
    /// # Errors
    /// [`GpuError::Loss`] for settings outside their range, [`GpuError::Setting`] for those that the kernels cannot do,
    /// [`GpuError::Device`] for a device without these kernels.
    pub fn new(config: DensityConfig, device: &Device) -> Result<Self, GpuError> {
        Self::from_plain(&GradientDensity::new(config)?, device)
    }

    /// The same density on `device`.
    ///
    /// # Errors
    /// [`GpuError::Device`] for a device without these kernels, [`GpuError::Setting`] for what the kernels cannot do.
    pub fn from_plain(density: &GradientDensity, device: &Device) -> Result<Self, GpuError> {
        let device = device.clone().inner();
        expect_gpu("the density", &device)?;
        let config = *density.config();
        if !has_kernel(&config) {
            return Err(GpuError::Setting { config });
        }
        let vector = |values: Vec<f32>| {
            let shape = [values.len()];
            Tensor::<1>::from_data(TensorData::new(values, shape), (&device, DType::F32))
        };
        let counts = density.counts().iter().map(|&count| count as f32).collect();
        let edges = (0..=config.bins).map(|edge| edge as f32 / config.bins as f32).collect();
        Ok(Self { config, counts: vector(counts), edges: vector(edges), steps: density.steps() })
    }

    /// The density as a plain value, to be saved. Waits for the device.
    ///
    /// # Errors
    /// [`GpuError::Read`] where the device fails.
    pub fn to_plain(&self) -> Result<GradientDensity, GpuError> {
        let data = self.counts.clone().try_into_data().map_err(|error| GpuError::Read { reason: error.to_string() })?;
        let counts = data.iter::<f64>().collect();
        Ok(GradientDensity::resumed(self.config, counts, self.steps)?)
    }

    /// Its settings.
    pub fn config(&self) -> &DensityConfig {
        &self.config
    }

    /// Number of calls so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Where it lies.
    pub fn device(&self) -> Device {
        self.counts.device()
    }

    /// Takes in the counts of one call, or the sum of those of several, and gives the factor of each bin.
    ///
    /// # Errors
    /// [`GpuError::Device`] for counts of another device, [`GpuError::Shape`] for those of other bins; the density is
    /// untouched then.
    pub fn take_in(&mut self, counts: &DeviceCounts) -> Result<DeviceFactors, GpuError> {
        let (found, wanted) = (counts.bins.device(), self.device());
        if found != wanted {
            let (found, wanted) = (format!("{found:?}"), format!("the density's {wanted:?}"));
            return Err(GpuError::Device { name: "the counts", found, wanted });
        }
        counts.expect_bins(self.config.bins)?;
        let steps = self.steps.saturating_add(1);
        let intake = Intake::new(&self.config, steps);
        let (histogram, before) = (counts.bins.clone().into_dispatch(), self.counts.clone().into_dispatch());
        let (after, factors) = Dispatch::take_in(histogram, before, intake);
        (self.counts, self.steps) = (Tensor::from_dispatch(after), steps);
        Ok(DeviceFactors { edges: self.edges.clone(), factors: Tensor::from_dispatch(factors) })
    }
}

/// How many examples of one or several calls fall into each bin, `[M]`.
#[derive(Clone, Debug)]
pub struct DeviceCounts {
    /// u32 `[M]`.
    pub(crate) bins: Tensor<1, Int>,
    /// Of all calls; no count can be larger.
    pub(crate) elements: u64,
}

impl DeviceCounts {
    /// Where they lie.
    pub fn device(&self) -> Device {
        self.bins.device()
    }

    /// Adds the counts of another call.
    ///
    /// # Errors
    /// [`GpuError::Shape`] where it has other bins, [`GpuError::Counts`] where a count might not fit in 32 bits any more.
    pub fn merge(&mut self, other: &Self) -> Result<(), GpuError> {
        other.expect_bins(self.bins.dims()[0])?;
        let elements = self.elements + other.elements;
        if elements > u64::from(u32::MAX) {
            return Err(GpuError::Counts { elements });
        }
        (self.bins, self.elements) = (self.bins.clone() + other.bins.clone(), elements);
        Ok(())
    }

    fn expect_bins(&self, bins: usize) -> Result<(), GpuError> {
        let [found] = self.bins.dims();
        if found != bins {
            return Err(GpuError::Shape { name: "the counts", found: vec![found], wanted: vec![bins] });
        }
        Ok(())
    }
}

/// What a density makes of counts: the factor of each bin, on its device.
#[derive(Clone, Debug)]
pub struct DeviceFactors {
    /// `[M + 1]`.
    pub(crate) edges: Tensor<1>,
    /// `[M]`.
    pub(crate) factors: Tensor<1>,
}

/// Whether the kernels can do a density.
pub(crate) fn has_kernel(config: &DensityConfig) -> bool {
    config.between == Between::Step && config.classes.is_none()
}

/// Whether kernels can run on a device.
pub(crate) fn expect_gpu(name: &'static str, device: &Device) -> Result<(), GpuError> {
    match device.as_dispatch() {
        DispatchDevice::Cube(_) => Ok(()),
        other => Err(GpuError::Device { name, found: format!("{other:?}"), wanted: "a device of wgpu or CUDA".into() }),
    }
}
