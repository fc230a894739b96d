//! Weights in and out, as safetensors files in which every key is accounted for.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::module::Module;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::config::Style;
use crate::names::{named_tensors, replace_tensors, torchvision_name};
use crate::{DetectorError, RetinaNet};

/// What a file's tensors went to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WeightsReport {
    /// How many tensors were loaded.
    pub loaded: usize,
    /// Tensors of the file that a detector has no use for: the classifier, batch counters.
    pub unused: Vec<String>,
}

/// A checkpoint's tensors in single precision.
struct WeightsFile {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    metadata: HashMap<String, String>,
}

impl WeightsFile {
    fn read(path: &Path) -> Result<Self, DetectorError> {
        let bytes = std::fs::read(path).map_err(|source| DetectorError::Io { path: path.into(), source })?;
        let refuse = |reason: String| DetectorError::NotSafetensors { path: path.into(), reason };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| refuse(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| refuse(e.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            if name.ends_with("num_batches_tracked") {
                tensors.insert(name, (view.shape().to_vec(), Vec::new()));
                continue;
            }
            let values = values(&view)
                .ok_or_else(|| refuse(format!("tensor {name} holds {:?}; floating point is needed", view.dtype())))?;
            tensors.insert(name, (view.shape().to_vec(), values));
        }
        Ok(Self { tensors, metadata: header.metadata().clone().unwrap_or_default() })
    }
}

fn values(view: &TensorView) -> Option<Vec<f32>> {
    let bytes = view.data();
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    let eights = || bytes.chunks_exact(8).map(|b| std::array::from_fn(|i| b[i]));
    match view.dtype() {
        Dtype::F32 => Some(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        Dtype::F16 => Some(pairs().map(|b| f16::from_le_bytes(b).to_f32()).collect()),
        Dtype::BF16 => Some(pairs().map(|b| bf16::from_le_bytes(b).to_f32()).collect()),
        Dtype::F64 => Some(eights().map(|b| f64::from_le_bytes(b) as f32).collect()),
        _ => None,
    }
}

/// Loads a backbone from a classifier's safetensors file with torchvision's names.
///
/// `fc.*` and `num_batches_tracked` are reported as unused; anything else that is missing, unexpected or of another
/// shape is an error that lists all of it. A file whose metadata names a `style` other than `style` is refused, since
/// its weights expect other pixels.
pub fn load_backbone(
    network: RetinaNet,
    path: &Path,
    style: Style,
) -> Result<(RetinaNet, WeightsReport), DetectorError> {
    let file = WeightsFile::read(path).map_err(|error| match error {
        DetectorError::Io { path, source } => DetectorError::Weights { path, source },
        other => other,
    })?;
    if file.tensors.keys().any(|name| name.starts_with("backbone.")) {
        let problem = "  it holds a whole detector; model.weights takes a backbone alone, with torchvision's names (conv1.weight, \
                       layer1.0.conv1.weight, ...)";
        return Err(DetectorError::Mismatch { path: path.into(), problems: vec![problem.to_owned()] });
    }
    let wanted = match style {
        Style::Caffe => "caffe",
        Style::Pytorch => "pytorch",
    };
    if let Some(stated) = file.metadata.get("style").filter(|stated| *stated != wanted) {
        let problem = format!("the file says style = \"{stated}\": set model.style = \"{stated}\" (now \"{wanted}\")");
        return Err(DetectorError::Mismatch { path: path.into(), problems: vec![problem] });
    }
    let unused = |name: &str| name.starts_with("fc.") || name.ends_with("num_batches_tracked");
    load(network, path, file, torchvision_name, unused)
}

/// Loads a whole network that [`save_model`] wrote.
pub fn load_model(network: RetinaNet, path: &Path) -> Result<RetinaNet, DetectorError> {
    let file = WeightsFile::read(path)?;
    load(network, path, file, |name| Some(name.to_owned()), |_| false).map(|(network, _)| network)
}

fn load(
    network: RetinaNet,
    path: &Path,
    mut file: WeightsFile,
    name_in_file: impl Fn(&str) -> Option<String>,
    is_unused: impl Fn(&str) -> bool,
) -> Result<(RetinaNet, WeightsReport), DetectorError> {
    let mut ready = HashMap::new();
    let mut missing = Vec::new();
    let mut problems = Vec::new();
    for ours in named_tensors(&network) {
        let Some(theirs) = name_in_file(&ours.name) else { continue };
        match file.tensors.remove(&theirs) {
            None => missing.push(theirs),
            Some((shape, _)) if shape != ours.shape => {
                problems.push(format!("  {theirs}: {shape:?} in the file, {:?} in the network", ours.shape));
            }
            Some((_, values)) => drop(ready.insert(ours.name, values)),
        }
    }
    let (unused, unexpected): (Vec<_>, Vec<_>) = file.tensors.into_keys().partition(|name| is_unused(name));
    problems.extend(missing.iter().map(|name| match nearest(name, &unexpected) {
        Some(near) => format!("  {name}: missing (the file has {near})"),
        None => format!("  {name}: missing"),
    }));
    problems.extend(unexpected.iter().map(|name| format!("  {name}: in the file, not in the network")));
    if !problems.is_empty() {
        return Err(DetectorError::Mismatch { path: path.into(), problems });
    }
    let loaded = ready.len();
    let network = replace_tensors(network, |name| ready.remove(name));
    Ok((network, WeightsReport { loaded, unused }))
}

fn nearest<'a>(name: &str, among: &'a [String]) -> Option<&'a String> {
    let closest = among.iter().max_by(|a, b| strsim::jaro(name, a).total_cmp(&strsim::jaro(name, b)))?;
    (strsim::jaro(name, closest) > 0.85).then_some(closest)
}

/// The network's tensors as a safetensors file's bytes, under its own names, with `metadata` in the header.
pub fn save_model<M: Module>(network: &M, metadata: HashMap<String, String>) -> Result<Vec<u8>, DetectorError> {
    let tensors = named_tensors(network);
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|t| t.values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let refuse = |e: safetensors::SafeTensorError| DetectorError::Mismatch {
        path: "network".into(),
        problems: vec![e.to_string()],
    };
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(t, b)| Ok((t.name.clone(), TensorView::new(Dtype::F32, t.shape.clone(), b).map_err(refuse)?)))
        .collect::<Result<Vec<_>, DetectorError>>()?;
    safetensors::serialize(views, Some(metadata)).map_err(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelConfig;
    use burn::tensor::Device;

    fn small() -> ModelConfig {
        ModelConfig { backbone: crate::Backbone::Resnet18, channels: 16, head_depth: 1, ..ModelConfig::default() }
    }

    fn network(seed: u64) -> RetinaNet {
        RetinaNet::new(&small(), 2, seed, &Device::flex()).unwrap()
    }

    fn write(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn flat(network: &RetinaNet) -> Vec<f32> {
        named_tensors(network).into_iter().flat_map(|t| t.values).collect()
    }

    #[test]
    fn a_saved_network_comes_back_bit_for_bit() {
        let (_folder, path) = write("model.safetensors", &save_model(&network(1), HashMap::new()).unwrap());
        let back = load_model(network(2), &path).unwrap();
        assert_eq!(flat(&back), flat(&network(1)));
        assert_ne!(flat(&network(2)), flat(&network(1)));
    }

    #[test]
    fn a_checkpoint_of_another_architecture_is_refused_with_every_difference() {
        let (_folder, path) = write("model.safetensors", &save_model(&network(1), HashMap::new()).unwrap());
        let other = RetinaNet::new(&small(), 5, 0, &Device::flex()).unwrap();
        let message = load_model(other, &path).unwrap_err().to_string();
        assert!(message.contains("classification.output.weight"), "{message}");
        assert!(message.contains("in the network"), "{message}");
    }

    #[test]
    fn a_text_file_is_not_taken_for_weights() {
        let (_folder, path) = write("model.safetensors", b"hello");
        let message = load_model(network(1), &path).unwrap_err().to_string();
        assert!(message.contains("not a safetensors file"), "{message}");
    }

    fn classifier(style: &str, leave_out: &str) -> Vec<u8> {
        let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = named_tensors(&network(3))
            .into_iter()
            .filter_map(|t| Some((torchvision_name(&t.name)?, t)))
            .filter(|(name, _)| name != leave_out)
            .map(|(name, t)| (name, t.shape, t.values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect()))
            .chain([("fc.weight".to_owned(), vec![1, 1], vec![0; 2])])
            .collect();
        let views = tensors.iter().map(|(n, s, b)| (n.clone(), TensorView::new(Dtype::F16, s.clone(), b).unwrap()));
        safetensors::serialize(views, Some(HashMap::from([("style".into(), style.into())]))).unwrap()
    }

    #[test]
    fn a_classifiers_backbone_loads_and_its_last_layer_is_reported() {
        let (_folder, path) = write("r18.safetensors", &classifier("pytorch", ""));
        let (_, report) = load_backbone(network(1), &path, Style::Pytorch).unwrap();
        assert_eq!(report.unused, ["fc.weight"]);
        assert_eq!(report.loaded, 100); // 20 convolutions, each with a weight and four norm vectors
    }

    #[test]
    fn a_missing_tensor_is_named() {
        let (_folder, path) = write("r18.safetensors", &classifier("pytorch", "layer1.0.bn1.bias"));
        let message = load_backbone(network(1), &path, Style::Pytorch).unwrap_err().to_string();
        assert!(message.contains("layer1.0.bn1.bias: missing"), "{message}");
    }

    #[test]
    fn weights_of_the_other_style_are_refused() {
        let (_folder, path) = write("r18.safetensors", &classifier("caffe", ""));
        let message = load_backbone(network(1), &path, Style::Pytorch).unwrap_err().to_string();
        assert!(message.contains("set model.style = \"caffe\""), "{message}");
    }
}
