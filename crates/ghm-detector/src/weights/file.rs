//! A file of weights by name: safetensors, or what `torch.save` writes. Shapes are known at once, numbers read when asked for.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use pytorch_reader::PytorchReader;
use safetensors::tensor::{Dtype, SafeTensors};
use serde_json::{Value, json};

use super::numpy;
use crate::DetectorError;
use crate::config::{ModelConfig, Style};

/// Under which key the header of a safetensors file of ghm says, in JSON, what its network is.
pub const DESCRIPTION: &str = "ghm";

/// Under what checkpoints keep their weights; what else lies beside it, as an optimiser's history, is left out.
const WRAPPERS: [&str; 5] = ["state_dict.", "model_state_dict.", "model.", "module.", "blobs."];

/// Where a tape archive says that it is one, and so how much of a file tells its kind.
const TAR: Range<usize> = 257..262;
const LONGEST_START: u64 = TAR.end as u64;

/// Bytes that all tensors together may claim for each byte of their file: some share their storage.
const MOST_CLAIMED: u64 = 2;

/// How a pickle starts.
const PICKLE: u8 = 0x80;

/// The longest header that safetensors allows.
const LONGEST_HEADER: u64 = 100_000_000;

/// The tensors of a file.
pub(crate) struct WeightsFile {
    path: PathBuf,
    /// The whole file, where it is safetensors.
    bytes: Vec<u8>,
    tensors: BTreeMap<String, Stored>,
    /// What the header of a safetensors file says beside its tensors.
    pub(crate) metadata: HashMap<String, String>,
}

struct Stored {
    shape: Vec<usize>,
    place: Place,
}

enum Place {
    Bytes(Range<usize>, Dtype),
    Torch(pytorch_reader::Tensor),
    Numpy(numpy::Array),
}

impl WeightsFile {
    /// The network that the header tells of.
    pub(crate) fn described(&self) -> Option<ModelConfig> {
        let mut said: Value = serde_json::from_str(self.metadata.get(DESCRIPTION)?).ok()?;
        let config: ModelConfig = serde_json::from_value(said.get_mut("model")?.take()).ok()?;
        Some(ModelConfig { weights: None, ..config })
    }

    /// How many numbers the tensors have, all together.
    pub(crate) fn numbers(&self) -> u128 {
        let of_one = |stored: &Stored| stored.shape.iter().map(|side| *side as u128).product::<u128>();
        self.tensors.values().map(of_one).sum()
    }

    /// The style that the header states; an error for one that nobody is known to mean.
    pub(crate) fn style(&self) -> Result<Option<Style>, DetectorError> {
        let Some(stated) = self.metadata.get("style") else { return Ok(self.described().map(|config| config.style)) };
        serde_json::from_value(json!(stated)).map(Some).map_err(|_| {
            let problem = format!("  the file says style = \"{stated}\": known are \"pytorch\" and \"caffe\"");
            DetectorError::Mismatch { path: self.path.clone(), problems: vec![problem] }
        })
    }

    /// Opens a file, whose kind is found by its first bytes. No code that a pickle names is run.
    pub(crate) fn open(path: &Path) -> Result<Self, DetectorError> {
        let io = |source| DetectorError::Io { path: path.into(), source };
        let mut start = Vec::new();
        if path.is_dir() {
            let reason = "it is a folder; a run's weights are in its checkpoints/best/model.safetensors";
            return Err(not_weights(path, reason.to_owned()));
        }
        std::fs::File::open(path).and_then(|file| file.take(LONGEST_START).read_to_end(&mut start)).map_err(io)?;
        if start.is_empty() {
            return Err(not_weights(path, "it is empty".to_owned()));
        }
        if is_safetensors(&start) {
            Self::safetensors(path, std::fs::read(path).map_err(io)?)
        } else if start.get(TAR) == Some(b"ustar") {
            // Its sparse entries can be of any size once they are read.
            let reason =
                "a checkpoint of PyTorch before 0.1.10, which is not read: load it in PyTorch and save it anew";
            Err(not_weights(path, reason.to_owned()))
        } else if start[0] == PICKLE && path.extension().is_some_and(|extension| extension == "pkl") {
            Self::numpy(path)?.map_or_else(|| Self::torch(path), Ok)
        } else {
            Self::torch(path)
        }
    }

    fn safetensors(path: &Path, bytes: Vec<u8>) -> Result<Self, DetectorError> {
        let refuse = |error: safetensors::SafeTensorError| {
            let cut = matches!(error, safetensors::SafeTensorError::MetadataIncompleteBuffer);
            let advice = if cut { " (cut short? get it again)" } else { "" };
            not_weights(path, format!("safetensors: {error}{advice}"))
        };
        let (header, info) = SafeTensors::read_metadata(&bytes).map_err(refuse)?;
        SafeTensors::deserialize(&bytes).map_err(refuse)?;
        let start = 8 + header;
        let stored = |(name, tensor): (String, &safetensors::tensor::TensorInfo)| {
            let (from, to) = tensor.data_offsets;
            (name, Stored { shape: tensor.shape.clone(), place: Place::Bytes(start + from..start + to, tensor.dtype) })
        };
        let tensors = info.tensors().into_iter().map(stored).collect();
        let metadata = info.metadata().clone().unwrap_or_default();
        Ok(Self { path: path.into(), bytes, tensors, metadata })
    }

    /// A pickle of numpy's arrays; `None` where it holds none.
    fn numpy(path: &Path) -> Result<Option<Self>, DetectorError> {
        let bytes = std::fs::read(path).map_err(|source| DetectorError::Io { path: path.into(), source })?;
        let arrays = numpy::arrays(&bytes).map_err(|reason| not_weights(path, reason))?;
        let stored = |(name, array): (String, numpy::Array)| {
            (name, Stored { shape: array.shape.clone(), place: Place::Numpy(array) })
        };
        let tensors = unwrapped(arrays.into_iter().map(stored).collect());
        let file = Self { path: path.into(), bytes: Vec::new(), tensors, metadata: HashMap::new() };
        Ok((!file.tensors.is_empty()).then_some(file))
    }

    fn torch(path: &Path) -> Result<Self, DetectorError> {
        // The reader is made for hostile files; should it give up all the same, that is the file's fault.
        let opened = catch_unwind(AssertUnwindSafe(|| PytorchReader::new(path)));
        let reader = match opened {
            Ok(Ok(reader)) => reader,
            Ok(Err(error)) => return Err(not_weights(path, error.to_string())),
            Err(_) => return Err(not_weights(path, "its pickle cannot be followed".to_owned())),
        };
        // A view can repeat its storage any number of times.
        let length = std::fs::metadata(path).map_err(|source| DetectorError::Io { path: path.into(), source })?.len();
        let sizes = reader.tensors().values().map(|tensor| tensor.byte_len() as u64);
        let claimed = sizes.fold(0u64, u64::saturating_add);
        if claimed > MOST_CLAIMED.saturating_mul(length) {
            let reason = format!("its tensors claim {claimed} bytes, and the file has {length}");
            return Err(not_weights(path, reason));
        }
        let stored = |(name, tensor): (String, pytorch_reader::Tensor)| {
            (name, Stored { shape: tensor.shape().to_vec(), place: Place::Torch(tensor) })
        };
        let tensors = unwrapped(reader.into_tensors().into_iter().map(stored).collect());
        Ok(Self { path: path.into(), bytes: Vec::new(), tensors, metadata: HashMap::new() })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// All names, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Sizes of a tensor, if it is there.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|stored| &stored.shape[..])
    }

    /// The numbers of a tensor that is there, in single precision.
    ///
    /// # Errors
    /// [`DetectorError::NotWeights`] where they are no floating-point numbers or the file ends before them.
    pub(crate) fn values(&self, name: &str) -> Result<Vec<f32>, DetectorError> {
        let refuse = |reason: String| not_weights(&self.path, reason);
        let Some(stored) = self.tensors.get(name) else { return Err(refuse(format!("there is no tensor {name}"))) };
        let (bytes, number) = match &stored.place {
            Place::Bytes(range, dtype) => (std::borrow::Cow::from(&self.bytes[range.clone()]), of_safetensors(*dtype)),
            Place::Torch(tensor) => {
                let bytes = tensor.read().map_err(|error| refuse(error.to_string()))?;
                (bytes.into(), of_torch(tensor.dtype()))
            }
            Place::Numpy(array) => (std::borrow::Cow::from(&array.bytes[..]), of_numpy(&array.dtype)),
        };
        let number =
            number.map_err(|found| refuse(format!("tensor {name} holds {found}; floating point is needed")))?;
        Ok(number.all(&bytes))
    }
}

fn not_weights(path: &Path, reason: String) -> DetectorError {
    DetectorError::NotWeights { path: path.into(), reason }
}

/// A length of the header, and its first brace.
fn is_safetensors(start: &[u8]) -> bool {
    let length = start.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
    length.is_some_and(|length| length <= LONGEST_HEADER) && start.get(8) == Some(&b'{')
}

/// The tensors under the wrappers that there are, without them.
fn unwrapped(mut tensors: BTreeMap<String, Stored>) -> BTreeMap<String, Stored> {
    while let Some(wrapper) = WRAPPERS.into_iter().find(|wrapper| tensors.keys().any(|name| name.starts_with(wrapper)))
    {
        let inner =
            tensors.into_iter().filter_map(|(name, stored)| Some((name.strip_prefix(wrapper)?.to_owned(), stored)));
        tensors = inner.collect();
    }
    tensors
}

/// Types of floating point.
#[derive(Clone, Copy)]
enum Number {
    F64,
    F32,
    F16,
    Bf16,
}

impl Number {
    fn all(self, bytes: &[u8]) -> Vec<f32> {
        let twos = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
        match self {
            Self::F64 => {
                let eights = bytes.chunks_exact(8).map(|b| std::array::from_fn(|i| b[i]));
                eights.map(|b| f64::from_le_bytes(b) as f32).collect()
            }
            Self::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Self::F16 => twos().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            Self::Bf16 => twos().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
        }
    }
}

fn of_safetensors(dtype: Dtype) -> Result<Number, String> {
    match dtype {
        Dtype::F64 => Ok(Number::F64),
        Dtype::F32 => Ok(Number::F32),
        Dtype::F16 => Ok(Number::F16),
        Dtype::BF16 => Ok(Number::Bf16),
        other => Err(format!("{other:?}")),
    }
}

fn of_torch(dtype: pytorch_reader::DType) -> Result<Number, String> {
    match dtype {
        pytorch_reader::DType::F64 => Ok(Number::F64),
        pytorch_reader::DType::F32 => Ok(Number::F32),
        pytorch_reader::DType::F16 => Ok(Number::F16),
        pytorch_reader::DType::BF16 => Ok(Number::Bf16),
        other => Err(format!("{other:?}")),
    }
}

fn of_numpy(dtype: &str) -> Result<Number, String> {
    match dtype {
        "<f8" => Ok(Number::F64),
        "<f4" => Ok(Number::F32),
        "<f2" => Ok(Number::F16),
        other => Err(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `fixtures/retinanet/generate.py`.
    fn checkpoint(container: &str) -> WeightsFile {
        let name = format!("../../fixtures/retinanet/checkpoint_{container}.pth");
        WeightsFile::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
    }

    #[test]
    fn what_torch_saved_is_read_from_both_its_containers_without_wrappers_and_history() {
        for container in ["zip", "legacy"] {
            let file = checkpoint(container);
            let names: Vec<&str> = file.names().collect();
            assert_eq!(names, ["brain", "double", "half", "num_batches_tracked", "transposed"], "{container}");
            assert_eq!(file.shape("transposed"), Some(&[3, 2][..]));
            assert_eq!(file.values("transposed").unwrap(), [3.0, 6.0, 4.0, 7.0, 5.0, 8.0]);
            assert_eq!(file.values("half").unwrap(), [0.5, -2.0]);
            assert_eq!(file.values("brain").unwrap(), [1.5, -0.25]);
            assert_eq!(file.values("double").unwrap(), [0.1]);
            let message = file.values("num_batches_tracked").unwrap_err().to_string();
            assert!(message.contains("num_batches_tracked holds I64"), "{message}");
            assert!(file.values("absent").is_err() && file.shape("absent").is_none());
        }
    }

    #[test]
    fn a_pickle_of_arrays_is_read_without_its_wrapper() {
        let name = "../../fixtures/retinanet/arrays_4.pkl";
        let file = WeightsFile::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        assert_eq!(file.names().collect::<Vec<_>>(), ["conv1_b", "conv1_w", "half", "steps"]);
        assert_eq!(file.values("conv1_w").unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 200.5]);
        assert_eq!((file.values("conv1_b").unwrap(), file.values("half").unwrap()), (vec![0.1], vec![0.5]));
        assert!(file.values("steps").unwrap_err().to_string().contains("steps holds <i8"));
    }

    #[test]
    fn a_view_that_repeats_one_number_two_hundred_million_times_is_refused() {
        let name = "../../fixtures/retinanet/checkpoint_claims.pth";
        let opened = WeightsFile::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
        let message = opened.map(drop).unwrap_err().to_string();
        assert!(message.contains("claim 805306368 bytes"), "{message}");
    }

    #[test]
    fn what_torch_saved_and_was_cut_is_refused() {
        for container in ["zip", "legacy"] {
            let whole = std::fs::read(checkpoint(container).path()).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("cut.pth");
            for length in [10, whole.len() / 2, whole.len() - 1] {
                std::fs::write(&path, &whole[..length]).unwrap();
                let opened = WeightsFile::open(&path);
                let read = opened.and_then(|file| {
                    let names: Vec<String> =
                        file.names().filter(|n| !n.ends_with("tracked")).map(str::to_owned).collect();
                    names.iter().try_for_each(|name| file.values(name).map(drop))
                });
                assert!(matches!(read, Err(DetectorError::NotWeights { .. })), "{container}, {length} bytes");
            }
        }
    }
}
