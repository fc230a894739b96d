//! The gradient density as part of a burn module: saved in its record, not trained.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::{Content, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use ghm_loss::{DensityConfig, GradientDensity, LossError};

/// A density that calls change as they count, shared by the clones of a module, as burn's running statistics are.
///
/// It lies on the host, or on the GPU whose kernels count, from which it comes back when it is asked for.
///
/// In a record it is a float tensor `[3, bins + 1]` (`[3, C * bins + 1]` for a density by classes): the accumulated counts
/// and, in the last column, the number of calls, each in three parts of single precision whose sum is exact.
#[derive(Clone, Debug)]
pub struct DensityState {
    id: ParamId,
    device: Device,
    held: Arc<Mutex<Held>>,
}

/// A density where it is used.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// Not up to date while there is one on a device.
    plain: GradientDensity,
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    on_device: Option<ghm_gpu::DeviceDensity>,
}

impl Held {
    pub fn new(plain: GradientDensity) -> Self {
        Self {
            plain,
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            on_device: None,
        }
    }

    /// Its settings.
    pub fn config(&self) -> &DensityConfig {
        self.plain.config()
    }

    /// A copy of it as it is now; the host waits for a device that has it.
    ///
    /// # Errors
    /// [`LossError::Device`] where that fails.
    pub fn current(&self) -> Result<GradientDensity, LossError> {
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        if let Some(density) = &self.on_device {
            return density.to_plain().map_err(crate::kernels::loss_error);
        }
        Ok(self.plain.clone())
    }

    /// On the host, brought back from a device where it is on one; the host waits for the device then.
    ///
    /// # Errors
    /// [`LossError::Device`] where that fails; the density stays on the device.
    pub fn plain(&mut self) -> Result<&mut GradientDensity, LossError> {
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        if let Some(density) = &self.on_device {
            self.plain = density.to_plain().map_err(crate::kernels::loss_error)?;
            self.on_device = None;
        }
        Ok(&mut self.plain)
    }

    /// On `device`, brought there from where it is.
    ///
    /// # Errors
    /// Those of the kernels, which not every density and not every device has.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    pub fn on(&mut self, device: &Device) -> Result<&mut ghm_gpu::DeviceDensity, LossError> {
        if self.on_device.as_ref().is_some_and(|density| density.device() != *device) {
            self.plain()?;
        }
        match &mut self.on_device {
            Some(density) => Ok(density),
            none => {
                let density = ghm_gpu::DeviceDensity::from_plain(&self.plain, device);
                Ok(none.insert(density.map_err(crate::kernels::loss_error)?))
            }
        }
    }
}

/// Parts of single precision that hold a number of double precision: 3 times 24 bits are enough for 53.
const PARTS: usize = 3;

impl DensityState {
    /// `density`, whose record is read on `device`.
    pub fn new(density: GradientDensity, device: &Device) -> Self {
        Self { id: ParamId::new(), device: device.clone().inner(), held: Arc::new(Mutex::new(Held::new(density))) }
    }

    /// The density as it is now.
    ///
    /// # Errors
    /// [`LossError::Device`] where it is on a device that fails.
    pub fn density(&self) -> Result<GradientDensity, LossError> {
        self.lock().current()
    }

    /// The density, for as long as it is held.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a device fails, as the density was when it was last on the host: a module cannot refuse to be visited.
    fn to_tensor(&self) -> Tensor<2> {
        let held = self.lock();
        let current = held.current();
        parts_of(current.as_ref().unwrap_or(&held.plain), &self.device)
    }

    /// Takes over what a record holds; what no density can have left changes nothing.
    fn take(&self, tensor: Tensor<2>) {
        let data = tensor.into_data().convert::<f32>();
        let parts = data.as_slice::<f32>().unwrap_or_default();
        let columns = parts.len() / PARTS;
        let number = |column: usize| (0..PARTS).map(|part| f64::from(parts[part * columns + column])).sum::<f64>();
        let Some(bins) = columns.checked_sub(1) else { return };
        let counts: Vec<f64> = (0..bins).map(number).collect();
        let mut held = self.lock();
        if let Ok(restored) = GradientDensity::resumed(*held.config(), counts, number(bins) as u64) {
            *held = Held::new(restored);
        }
    }
}

/// A density as a tensor.
fn parts_of(density: &GradientDensity, device: &Device) -> Tensor<2> {
    let numbers: Vec<f64> = density.counts().iter().copied().chain([density.steps() as f64]).collect();
    let mut parts = Vec::with_capacity(PARTS * numbers.len());
    let mut rest = numbers.clone();
    for _ in 0..PARTS {
        for rest in &mut rest {
            let part = *rest as f32;
            *rest -= f64::from(part);
            parts.push(part);
        }
    }
    Tensor::from_data(TensorData::new(parts, [PARTS, numbers.len()]), device)
}

impl Module for DensityState {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        visitor.visit_float(&Param::initialized(self.id, self.to_tensor()));
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let (_, tensor, _) = mapper.map_float(Param::initialized(self.id, self.to_tensor())).consume();
        self.take(tensor.without_autodiff());
        self
    }

    fn collect_devices(&self, mut devices: Vec<Device>) -> Vec<Device> {
        if !devices.contains(&self.device) {
            devices.push(self.device.clone());
        }
        devices
    }

    fn to_device(self, device: &Device) -> Self {
        Self { device: device.clone().inner(), ..self }
    }

    fn fork(self, device: &Device) -> Self {
        self.to_device(device)
    }

    fn materialize(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn train(self) -> Self {
        self
    }
}

impl ModuleDisplayDefault for DensityState {
    fn content(&self, content: Content) -> Option<Content> {
        let density = self.density().ok()?;
        let text = format!("{} bins, {} calls", density.counts().len(), density.steps());
        content.add_formatted(&text).optional()
    }
}

impl ModuleDisplay for DensityState {}
