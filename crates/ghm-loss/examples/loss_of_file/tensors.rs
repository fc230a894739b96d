//! Tensors from and to a file, and why one is refused.

use std::fmt;
use std::path::{Path, PathBuf};

use ghm_loss::Real;
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// Why nothing was computed: file, tensor where it is one's fault, reason, remedy.
#[derive(Debug)]
pub struct Refusal {
    pub file: PathBuf,
    pub tensor: Option<String>,
    pub reason: String,
    pub remedy: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let tensor = self.tensor.as_ref().map_or(String::new(), |name| format!("tensor `{name}`: "));
        write!(formatter, "{}: {tensor}{}\nhint: {}", self.file.display(), self.reason, self.remedy)
    }
}

/// A file of which every byte has been read.
pub struct File<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

/// A tensor and its name.
pub struct Tensor<'a> {
    pub name: &'static str,
    pub view: TensorView<'a>,
}

impl<'a> File<'a> {
    pub fn open(path: &'a Path, bytes: &'a [u8]) -> Result<Self, Refusal> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| Refusal {
            file: path.to_owned(),
            tensor: None,
            reason: format!("not a whole safetensors file: {error}"),
            remedy: "write it with safetensors.torch.save_file, or copy it again".into(),
        })?;
        Ok(Self { path, tensors })
    }

    /// The tensor of this name, where there is one.
    pub fn tensor(&self, name: &'static str) -> Option<Tensor<'a>> {
        self.tensors.tensor(name).ok().map(|view| Tensor { name, view })
    }

    /// What is wrong with the file, or with a tensor of it.
    pub fn refuse(&self, tensor: Option<&str>, reason: impl Into<String>, remedy: impl Into<String>) -> Refusal {
        let tensor = tensor.map(ToOwned::to_owned);
        Refusal { file: self.path.to_owned(), tensor, reason: reason.into(), remedy: remedy.into() }
    }

    /// A tensor of another type than any of `expected`.
    pub fn refuse_type(&self, tensor: &Tensor, expected: &str) -> Refusal {
        self.refuse(
            Some(tensor.name),
            format!("is of type {:?}, expected {expected}", tensor.view.dtype()),
            "convert it before you save it",
        )
    }

    /// A tensor of another shape than `expected`.
    pub fn refuse_shape(&self, tensor: &Tensor, expected: &str) -> Refusal {
        self.refuse(
            Some(tensor.name),
            format!("is of shape {:?}, expected {expected}", tensor.view.shape()),
            "reshape or expand it before you save it; --help says which shapes go together",
        )
    }
}

/// Numbers as they lie in a file.
pub trait Stored: Real {
    const DTYPE: Dtype;

    fn read(bytes: &[u8]) -> Vec<Self>;

    fn bytes(values: &[Self]) -> Vec<u8>;
}

macro_rules! stored {
    ($type:ty, $size:literal, $dtype:expr) => {
        impl Stored for $type {
            const DTYPE: Dtype = $dtype;

            fn read(bytes: &[u8]) -> Vec<Self> {
                bytes.as_chunks::<$size>().0.iter().map(|&entry| Self::from_le_bytes(entry)).collect()
            }

            fn bytes(values: &[Self]) -> Vec<u8> {
                values.iter().flat_map(|value| value.to_le_bytes()).collect()
            }
        }
    };
}

stored!(f32, 4, Dtype::F32);
stored!(f16, 2, Dtype::F16);
stored!(bf16, 2, Dtype::BF16);
