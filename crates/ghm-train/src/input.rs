//! The way of a batch's pixels to a device.

use burn::tensor::{Device, Tensor, TensorData};
use ghm_data::{Batch, NormaliseConfig, PixelForm, Pixels};

/// Brings batches to one device: to a GPU that has kernels for it as bytes, which are normalised there; to others as
/// numbers.
#[derive(Clone, Debug)]
pub struct Input {
    device: Device,
    normalise: NormaliseConfig,
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    pictures: Option<ghm_gpu::Pictures>,
}

impl Input {
    /// For pictures that are normalised in one way.
    pub fn new(normalise: NormaliseConfig, device: &Device) -> Self {
        Self {
            device: device.clone(),
            normalise,
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            pictures: ghm_gpu::Pictures::new(affine(&normalise), device).ok(),
        }
    }

    /// The form that costs the device least.
    pub fn form(&self) -> PixelForm {
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        if self.pictures.is_some() {
            return PixelForm::Bytes;
        }
        PixelForm::Planes
    }

    /// A batch's pixels on the device, `[N, 3, H, W]`.
    pub fn tensor(&self, batch: &Batch) -> Tensor<4> {
        let sizes: Vec<(usize, usize)> = batch.samples.iter().map(|sample| sample.content_size).collect();
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        if let (Some(pictures), Pixels::Bytes(bytes)) = (&self.pictures, &batch.pixels) {
            let [n, _, h, w] = batch.shape;
            if let Ok(planes) = pictures.planes(bytes.clone(), [n, h, w], &sizes) {
                return if self.device.is_autodiff() { planes.autodiff() } else { planes };
            }
        }
        let planes = match &batch.pixels {
            Pixels::Planes(planes) => planes.clone(),
            bytes => bytes.planes(batch.shape, &sizes, &self.normalise),
        };
        Tensor::from_data(TensorData::new(planes, batch.shape), &self.device)
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn affine(normalise: &NormaliseConfig) -> ghm_gpu::Affine {
    let planes = normalise.affine();
    ghm_gpu::Affine {
        factors: planes.map(|plane| plane.0),
        offsets: planes.map(|plane| plane.1),
        bgr: normalise.order == ghm_data::ColourOrder::Bgr,
    }
}
