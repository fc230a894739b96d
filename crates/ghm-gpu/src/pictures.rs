//! Pictures that come to a device as their bytes.

use burn::backend::Dispatch;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::backend::KernelOps;
use crate::density::expect_gpu;
use crate::error::GpuError;

/// What a plane's bytes become: `factor * byte + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Of each plane, in the order of the planes.
    pub factors: [f32; 3],
    /// Of each plane.
    pub offsets: [f32; 3],
    /// Whether the planes are blue, green, red; else red, green, blue.
    pub bgr: bool,
}

/// Makes planes of bytes on one device: a quarter of the traffic that planes of f32 would take to get there.
#[derive(Clone, Debug)]
pub struct Pictures {
    factors: Tensor<1>,
    offsets: Tensor<1>,
    bgr: bool,
    device: Device,
}

impl Pictures {
    /// For pictures of one kind on a device.
    ///
    /// # Errors
    /// [`GpuError::Device`] for a device without these kernels.
    pub fn new(affine: Affine, device: &Device) -> Result<Self, GpuError> {
        let device = device.clone().inner();
        expect_gpu("the pictures", &device)?;
        let of = |numbers: [f32; 3]| Tensor::<1>::from_data(TensorData::from(numbers), (&device, DType::F32));
        let (factors, offsets) = (of(affine.factors), of(affine.offsets));
        Ok(Self { factors, offsets, bgr: affine.bgr, device })
    }

    /// `[N, 3, H, W]` in f32 of pixels `[N, H, W, 3]`, red, green, blue; 0 outside each picture's content, whose width and
    /// height are in `sizes`.
    ///
    /// # Errors
    /// [`GpuError::Shape`] where `N H W` pixels or `N` sizes are not there, or `W` is not a multiple of four.
    pub fn planes(
        &self,
        pixels: Vec<u8>,
        [n, h, w]: [usize; 3],
        sizes: &[(usize, usize)],
    ) -> Result<Tensor<4>, GpuError> {
        if pixels.len() != n * h * w * 3 || !w.is_multiple_of(4) {
            let (found, wanted) = (vec![pixels.len()], vec![n, h, w.next_multiple_of(4), 3]);
            return Err(GpuError::Shape { name: "the pixels", found, wanted });
        }
        if sizes.len() != n {
            return Err(GpuError::Shape { name: "the sizes", found: vec![sizes.len(), 2], wanted: vec![n, 2] });
        }
        let words = TensorData::from_bytes_vec(pixels, [n, h, w / 4 * 3], DType::U32);
        let sizes: Vec<u32> = sizes.iter().flat_map(|(width, height)| [*width as u32, *height as u32]).collect();
        let words = Tensor::<3, Int>::from_data(words, (&self.device, DType::U32));
        let sizes = Tensor::<2, Int>::from_data(TensorData::new(sizes, [n, 2]), (&self.device, DType::U32));
        let (factors, offsets) = (self.factors.clone().into_dispatch(), self.offsets.clone().into_dispatch());
        let planes = Dispatch::planes(words.into_dispatch(), sizes.into_dispatch(), factors, offsets, self.bgr);
        Ok(Tensor::from_dispatch(planes))
    }
}
