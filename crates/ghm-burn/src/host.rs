//! Elements of tensors where the plain losses read them: in place on the CPU device, copied from any other.

use burn::backend::flex::FlexTensor;
use burn::backend::{DispatchDevice, Flex};
use burn::tensor::{DType, Int, Tensor, TensorData, bf16, f16};

/// The elements of a float tensor, row by row.
pub(crate) enum Host {
    /// Those of a tensor of the CPU device, shared with it.
    Shared(FlexTensor),
    /// A copy.
    Copied(TensorData),
}

/// The same, typed.
pub(crate) enum Elements<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
    Bf16(&'a [bf16]),
}

impl Host {
    /// Without its graph. A type other than f32, f16 and bf16 becomes f32.
    pub fn of<const D: usize>(tensor: &Tensor<D>) -> Self {
        let tensor = tensor.clone().without_autodiff();
        if !matches!(tensor.device().as_dispatch(), DispatchDevice::Flex(_)) || !is_typed(tensor.dtype()) {
            return Self::Copied(typed(tensor.into_data()));
        }
        match tensor.try_into_primitive::<Flex>() {
            Ok(primitive) => Self::Shared(primitive.to_contiguous()),
            Err(_) => unreachable!("the device was checked"),
        }
    }

    pub fn elements(&self) -> Elements<'_> {
        match self {
            Self::Shared(tensor) => match tensor.dtype() {
                DType::F16 => Elements::F16(tensor.as_slice().unwrap_or_default()),
                DType::BF16 => Elements::Bf16(tensor.as_slice().unwrap_or_default()),
                _ => Elements::F32(tensor.as_slice().unwrap_or_default()),
            },
            Self::Copied(data) => match data.dtype() {
                DType::F16 => Elements::F16(data.as_slice().unwrap_or_default()),
                DType::BF16 => Elements::Bf16(data.as_slice().unwrap_or_default()),
                _ => Elements::F32(data.as_slice().unwrap_or_default()),
            },
        }
    }
}

/// The elements as f32: in place where they are.
pub(crate) struct Floats(Host);

impl Floats {
    pub fn of<const D: usize>(tensor: &Tensor<D>) -> Self {
        match tensor.dtype() {
            DType::F32 => Self(Host::of(tensor)),
            _ => Self(Host::Copied(tensor.clone().without_autodiff().into_data().convert::<f32>())),
        }
    }

    pub fn as_slice(&self) -> &[f32] {
        match self.0.elements() {
            Elements::F32(elements) => elements,
            Elements::F16(_) | Elements::Bf16(_) => &[],
        }
    }
}

/// Classes of rows, copied: there is one a row.
pub(crate) fn classes(rows: &Tensor<1, Int>) -> Vec<i32> {
    let data = rows.clone().into_data().convert::<i32>();
    data.as_slice::<i32>().map(<[i32]>::to_vec).unwrap_or_default()
}

fn is_typed(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F16 | DType::BF16)
}

fn typed(data: TensorData) -> TensorData {
    if is_typed(data.dtype()) { data } else { data.convert::<f32>() }
}
