//! Weights in and out: in under the names of several libraries, out under our own; every key is accounted for.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

use burn::module::Module;
use safetensors::tensor::{Dtype, TensorView};

use crate::config::{ModelConfig, Style};
use crate::names::{NamedTensor, named_tensors, replace_tensors};
use crate::{DetectorError, RetinaNet};
pub use file::DESCRIPTION;
use file::WeightsFile;
pub use inspect::{MappedTensor, WeightsPart, WeightsSummary, inspect_weights};
pub use layout::Layout;
use settings::between;
use shapes::Shapes;

mod file;
mod inspect;
mod layout;
mod numpy;
mod settings;
mod shapes;

/// What a file's tensors went to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightsReport {
    /// Whose names it has.
    pub layout: Layout,
    /// How many tensors were loaded.
    pub loaded: usize,
    /// Tensors of the file that a detector has no use for: the classifier, batch counters.
    pub unused: Vec<String>,
    /// Tensors of the network that stay fresh: a last layer of other classes, and all but the backbone of a classifier.
    pub fresh: Vec<String>,
    /// Classes of the file's detector, where they are not the network's.
    pub other_classes: Option<usize>,
    /// Settings, as `key=value` of `model`, under which the network would compute what the file's own library does; without
    /// them its boxes are a little off.
    pub advice: Vec<String>,
}

impl fmt::Display for WeightsReport {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}, {} tensors", self.layout.name(), self.loaded)?;
        if let Some(classes) = self.other_classes {
            write!(f, "; it has {classes} classes: the last layer starts fresh")?;
        }
        if !self.advice.is_empty() {
            write!(f, "; to compute as there set {}", self.advice.join(" "))?;
        }
        // Every norm of a PyTorch file has a counter.
        let of_note = |name: &&str| !name.ends_with("num_batches_tracked");
        let unused: Vec<&str> = self.unused.iter().map(String::as_str).filter(of_note).collect();
        if unused.is_empty() { Ok(()) } else { write!(f, "; unused: {}", unused.join(", ")) }
    }
}

/// Loads what another network learned: a classifier's backbone, or a whole RetinaNet, of torchvision, mmdetection,
/// Detectron2, caffe2 or ghm, from safetensors, from what `torch.save` writes or from a pickle of numpy's arrays.
///
/// The last layer of a detector with another number of classes stays fresh. Anything else that is missing, unexpected or of
/// another shape is an error that lists all of it, and nothing is loaded then. A file whose metadata name a `style` other
/// than the network's is refused, since its weights expect other pixels.
///
/// # Errors
/// [`DetectorError`] as said; [`DetectorError::Weights`] for a file that cannot be read.
pub fn load_weights(
    network: RetinaNet,
    path: &Path,
    config: &ModelConfig,
) -> Result<(RetinaNet, WeightsReport), DetectorError> {
    let file = WeightsFile::open(path).map_err(|error| match error {
        DetectorError::Io { path, source } => DetectorError::Weights { path, source },
        other => other,
    })?;
    expect_style(&file, config.style)?;
    load(network, &file, expect_known(&file)?, Some(config))
}

/// Whose names a file has.
fn expect_known(file: &WeightsFile) -> Result<Layout, DetectorError> {
    if let Some(layout) = Layout::of(file.names().collect::<Vec<_>>().into_iter()) {
        return Ok(layout);
    }
    let some: Vec<&str> = file.names().take(3).collect();
    if some.is_empty() {
        let reason = "it holds no tensors; of numpy's arrays only those of a .pkl file are read".to_owned();
        return Err(DetectorError::NotWeights { path: file.path().into(), reason });
    }
    let reason = format!(
        "its names are those of no known network (the first: {}); known are classifiers and RetinaNets of torchvision, \
         RetinaNets of mmdetection and Detectron2, backbones of caffe2, and ghm's own",
        some.join(", ")
    );
    Err(DetectorError::NotWeights { path: file.path().into(), reason })
}

/// Loads a whole network that [`save_model`] wrote.
pub fn load_model(network: RetinaNet, path: &Path) -> Result<RetinaNet, DetectorError> {
    load(network, &WeightsFile::open(path)?, Layout::Ghm, None).map(|(network, _)| network)
}

fn expect_style(file: &WeightsFile, style: Style) -> Result<(), DetectorError> {
    let wanted = style.name();
    match file.style()?.filter(|stated| *stated != style) {
        None => Ok(()),
        Some(stated) => {
            let stated = stated.name();
            let problem =
                format!("the file says style = \"{stated}\": set model.style = \"{stated}\" (now \"{wanted}\")");
            Err(DetectorError::Mismatch { path: file.path().into(), problems: vec![problem] })
        }
    }
}

/// What was found for the tensors of a network.
#[derive(Default)]
struct Found {
    /// Theirs, by ours.
    names: Vec<(NamedTensor, String)>,
    fresh: Vec<String>,
    missing: Vec<String>,
    /// Theirs that have another shape, and what is said of each.
    misshapen: Vec<(String, String)>,
    other_classes: Option<usize>,
}

/// Only with `config` may the last layer be of other classes.
fn load(
    network: RetinaNet,
    file: &WeightsFile,
    layout: Layout,
    config: Option<&ModelConfig>,
) -> Result<(RetinaNet, WeightsReport), DetectorError> {
    let mut found = Found::default();
    for ours in named_tensors(&network) {
        found.look_for(ours, file, layout, config);
    }
    let misshapen = found.misshapen.iter().map(|(theirs, _)| theirs.as_str());
    let taken: BTreeSet<&str> = found.names.iter().map(|(_, theirs)| theirs.as_str()).chain(misshapen).collect();
    let rest = file.names().filter(|name| !taken.contains(name)).map(str::to_owned);
    let passed_over = |name: &String| found.other_classes.is_some() && is_last_layer_of(layout, name);
    let (unused, unexpected): (Vec<_>, Vec<_>) = rest.partition(|name| layout.is_unused(name) || passed_over(name));
    let missing = found.missing.iter().map(|name| match nearest(name, &unexpected) {
        Some(near) => format!("  {name}: missing (the file has {near})"),
        None => format!("  {name}: missing"),
    });
    let unexpected = unexpected.iter().map(|name| format!("  {name}: in the file, not in the network"));
    let misshapen = found.misshapen.into_iter().map(|(_, problem)| problem);
    let mut problems: Vec<String> = misshapen.chain(missing).chain(unexpected).collect();
    if !problems.is_empty() {
        // Where they are seen, however many problems there are.
        let hints = config.map_or(Vec::new(), |config| hints(config, &Shapes { file, layout }));
        problems.splice(0..0, hints.into_iter().map(|hint| format!("  try {hint}")));
        return Err(DetectorError::Mismatch { path: file.path().into(), problems });
    }
    let order = config.and_then(|config| layout.anchor_order(config));
    let loaded = found.names.len();
    let mut ready = HashMap::with_capacity(loaded);
    for (ours, theirs) in found.names {
        let values = file.values(&theirs)?;
        let values = match &order {
            Some(order) if ours.name.contains(".output.") && !ours.name.starts_with("fpn") => by_anchor(&values, order),
            _ => values,
        };
        ready.insert(ours.name, values);
    }
    let network = replace_tensors(network, |name| ready.remove(name));
    // What a file of ours says of itself is what it was trained with, whosever names it has.
    let advice = match config {
        Some(config) if file.described().is_none() => between(config, &layout.conventions(config.clone())),
        _ => Vec::new(),
    };
    let report =
        WeightsReport { layout, loaded, unused, fresh: found.fresh, other_classes: found.other_classes, advice };
    Ok((network, report))
}

impl Found {
    fn look_for(&mut self, ours: NamedTensor, file: &WeightsFile, layout: Layout, config: Option<&ModelConfig>) {
        let names = layout.names(&ours.name);
        let Some((theirs, shape)) = names.iter().find_map(|name| Some((name, file.shape(name)?))) else {
            match names.into_iter().next() {
                Some(name) => self.missing.push(name),
                None => self.fresh.push(ours.name),
            }
            return;
        };
        if shape == ours.shape {
            self.names.push((ours, theirs.clone()));
            return;
        }
        let per_cell = config.map_or(0, |config| config.anchors.per_cell());
        let rows = shape.first().copied().unwrap_or(0);
        let classes_differ = ours.name.starts_with("classification.output.")
            && shape.get(1..) == ours.shape.get(1..)
            && per_cell > 0
            && rows > 0
            && rows.is_multiple_of(per_cell);
        if classes_differ {
            self.other_classes = Some(rows / per_cell);
            self.fresh.push(ours.name);
        } else {
            let problem = format!("  {theirs}: {shape:?} in the file, {:?} in the network", ours.shape);
            self.misshapen.push((theirs.clone(), problem));
        }
    }
}

/// Settings under which a file's tensors would have a place, as its shapes show.
fn hints(config: &ModelConfig, shapes: &Shapes) -> Vec<String> {
    let backbone = shapes.backbone();
    let own = shapes.config(backbone);
    let (backbone, base_channels) = backbone.unwrap_or((config.backbone, config.base_channels));
    let mut wanted = ModelConfig { backbone, base_channels, ..config.clone() };
    if shapes.classes().is_some() {
        let ModelConfig { channels, extra_levels, head_depth, head_norm, .. } = own;
        wanted = ModelConfig { channels, extra_levels, head_depth, head_norm, ..wanted };
    }
    between(config, &wanted)
}

/// Whether a name of theirs is of the layer that gives the classes.
fn is_last_layer_of(layout: Layout, theirs: &str) -> bool {
    let ours = ["classification.output.weight", "classification.output.bias"];
    ours.iter().any(|ours| layout.names(ours).iter().any(|name| name == theirs))
}

/// The rows of a last layer, whose anchors are in another order: `order[ours]` is theirs.
fn by_anchor(values: &[f32], order: &[usize]) -> Vec<f32> {
    let each = values.len() / order.len().max(1);
    order.iter().flat_map(|theirs| &values[theirs * each..(theirs + 1) * each]).copied().collect()
}

fn nearest<'a>(name: &str, among: &'a [String]) -> Option<&'a String> {
    let closest = among.iter().max_by(|a, b| strsim::jaro(name, a).total_cmp(&strsim::jaro(name, b)))?;
    (strsim::jaro(name, closest) > 0.85).then_some(closest)
}

/// The network's tensors as a safetensors file's bytes, under its own names, with `metadata` in the header.
pub fn save_model<M: Module>(network: &M, metadata: HashMap<String, String>) -> Result<Vec<u8>, DetectorError> {
    save_as(network, Layout::Ghm, metadata)
}

/// The same under another library's names.
///
/// # Errors
/// [`DetectorError::Mismatch`] with the tensors that the library has no name for: all but the backbone's in a classifier. Detectron2's
/// anchors are in another order, in which nothing is written.
pub fn save_as<M: Module>(
    network: &M,
    layout: Layout,
    metadata: HashMap<String, String>,
) -> Result<Vec<u8>, DetectorError> {
    if layout == Layout::Detectron2 {
        let problems = vec!["  its anchors run in another order: save under torchvision's names".to_owned()];
        return Err(DetectorError::Mismatch { path: "network".into(), problems });
    }
    serialized(network, layout, metadata)
}

fn serialized<M: Module>(
    network: &M,
    layout: Layout,
    metadata: HashMap<String, String>,
) -> Result<Vec<u8>, DetectorError> {
    let mut tensors = named_tensors(network);
    let mut nameless = Vec::new();
    for tensor in &mut tensors {
        match layout.names(&tensor.name).into_iter().next() {
            Some(name) => tensor.name = name,
            None => nameless.push(format!("  {}: has no name in a {}", tensor.name, layout.name())),
        }
    }
    if !nameless.is_empty() {
        return Err(DetectorError::Mismatch { path: "network".into(), problems: nameless });
    }
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
    use half::f16;

    use super::*;
    use crate::config::{ExtraLevels, HeadNorm};
    use crate::names::torchvision_name;
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
        assert!(message.contains("no weights"), "{message}");
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
        let (_, report) = load_weights(network(1), &path, &small()).unwrap();
        assert_eq!((report.layout, &report.unused[..]), (Layout::TorchvisionClassifier, &["fc.weight".to_owned()][..]));
        assert_eq!(report.loaded, 100); // 20 convolutions, each with a weight and four norm vectors
        assert!(!report.fresh.is_empty() && report.fresh.iter().all(|name| !name.starts_with("backbone")));
    }

    #[test]
    fn a_missing_tensor_is_named() {
        let (_folder, path) = write("r18.safetensors", &classifier("pytorch", "layer1.0.bn1.bias"));
        let message = load_weights(network(1), &path, &small()).unwrap_err().to_string();
        assert!(message.contains("layer1.0.bn1.bias: missing"), "{message}");
    }

    #[test]
    fn weights_of_the_other_style_are_refused() {
        let (_folder, path) = write("r18.safetensors", &classifier("caffe", ""));
        let message = load_weights(network(1), &path, &small()).unwrap_err().to_string();
        assert!(message.contains("set model.style = \"caffe\""), "{message}");
    }

    #[test]
    fn a_whole_detector_comes_back_from_every_library_s_names() {
        for layout in [Layout::Ghm, Layout::TorchvisionRetinaNet, Layout::Mmdetection] {
            let (_folder, path) = write("detector.safetensors", &save_as(&network(5), layout, HashMap::new()).unwrap());
            let (loaded, report) = load_weights(network(1), &path, &small()).unwrap();
            assert!(flat(&loaded) == flat(&network(5)), "{layout:?}");
            assert_eq!((report.layout, report.fresh.len(), report.other_classes), (layout, 0, None));
        }
    }

    #[test]
    fn the_anchors_of_detectron2_are_brought_into_our_order() {
        let (_folder, path) =
            write("detector.safetensors", &serialized(&network(5), Layout::Detectron2, HashMap::new()).unwrap());
        let (loaded, _) = load_weights(network(1), &path, &small()).unwrap();
        let biases = |network: &RetinaNet, name: &str| {
            let found = named_tensors(network).into_iter().find(|t| t.name == name).unwrap();
            (found.shape[0] / 9, found.values)
        };
        for name in ["classification.output.weight", "regression.output.weight"] {
            let ((_, theirs), (_, ours)) = (biases(&network(5), name), biases(&loaded, name));
            let each = theirs.len() / 9;
            // Ours at ratio r and scale s is theirs at scale s and ratio r.
            for (r, s) in (0..3).flat_map(|r| (0..3).map(move |s| (r, s))) {
                let (ours_at, theirs_at) = ((3 * r + s) * each, (3 * s + r) * each);
                assert_eq!(ours[ours_at..ours_at + each], theirs[theirs_at..theirs_at + each], "{name} {r} {s}");
            }
        }
    }

    #[test]
    fn a_detector_of_other_classes_leaves_its_last_layer_fresh_and_says_so() {
        let (_folder, path) =
            write("detector.safetensors", &save_as(&network(5), Layout::Mmdetection, HashMap::new()).unwrap());
        let fresh = RetinaNet::new(&small(), 7, 1, &Device::flex()).unwrap();
        let (loaded, report) = load_weights(fresh.clone(), &path, &small()).unwrap();
        assert_eq!(report.other_classes, Some(2));
        assert_eq!(report.fresh, ["classification.output.weight", "classification.output.bias"]);
        let of = |network: &RetinaNet, name: &str| {
            named_tensors(network).into_iter().find(|t| t.name == name).unwrap().values
        };
        assert_eq!(of(&loaded, "classification.output.weight"), of(&fresh, "classification.output.weight"));
        assert_eq!(of(&loaded, "regression.output.weight"), of(&network(5), "regression.output.weight"));
    }

    #[test]
    fn names_that_nobody_gives_are_refused_with_the_first_of_them() {
        let bytes = [0u8; 4];
        let view = TensorView::new(Dtype::F32, vec![1], &bytes).unwrap();
        let file = safetensors::serialize([("encoder.0.weight".to_owned(), view)], None).unwrap();
        let (_folder, path) = write("other.safetensors", &file);
        let message = load_weights(network(1), &path, &small()).unwrap_err().to_string();
        assert!(message.contains("encoder.0.weight") && message.contains("mmdetection"), "{message}");
    }

    #[test]
    fn what_does_not_fit_is_said_once_and_with_the_setting_that_would_help() {
        let (_folder, path) =
            write("detector.safetensors", &save_as(&network(5), Layout::Mmdetection, HashMap::new()).unwrap());
        let config = ModelConfig { extra_levels: ExtraLevels::P5, head_norm: HeadNorm::Group, ..small() };
        let other = RetinaNet::new(&config, 2, 1, &Device::flex()).unwrap();
        let message = load_weights(other, &path, &config).unwrap_err().to_string();
        for expected in ["try model.extra_levels=c5", "try model.head_norm=none", "reg_convs.0.gn.weight: missing"] {
            assert!(message.contains(expected), "{message}");
        }
        assert_eq!(message.matches("neck.fpn_convs.3.conv.weight").count(), 1, "{message}");
    }

    /// A dictionary of arrays by protocol 2, as Detectron wrote them.
    fn pickled(arrays: &[(String, NamedTensor)]) -> Vec<u8> {
        let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
        let mut bytes = b"\x80\x02}(".to_vec();
        for (name, tensor) in arrays {
            let values: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let shape: Vec<u8> =
                tensor.shape.iter().flat_map(|side| [b"J", &(*side as u32).to_le_bytes()[..]].concat()).collect();
            bytes.extend(text(name));
            bytes.extend(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01(");
            bytes.extend([&shape[..], b"tcnumpy\ndtype\nU\x02f4\x85R(K\x03U\x01<tb\x89T"].concat());
            bytes.extend([&(values.len() as u32).to_le_bytes()[..], &values, b"tb"].concat());
        }
        bytes.extend(b"u.");
        bytes
    }

    #[test]
    fn a_backbone_of_detectron_is_read_from_its_pickle_with_its_norms_folded() {
        let named = |t: NamedTensor| Some((Layout::Caffe2.names(&t.name).into_iter().next()?, t));
        let mut arrays: Vec<(String, NamedTensor)> = named_tensors(&network(3)).into_iter().filter_map(named).collect();
        let stem = arrays[0].1.clone();
        arrays.push(("conv1_w_momentum".to_owned(), stem.clone()));
        arrays.push(("fc1000_w".to_owned(), stem));
        let (_folder, path) = write("R-18.pkl", &pickled(&arrays));
        let (loaded, report) = load_weights(network(5), &path, &small()).unwrap();
        assert_eq!((report.layout, report.loaded), (Layout::Caffe2, arrays.len() - 2));
        assert_eq!(report.unused, ["conv1_w_momentum", "fc1000_w"]);
        assert_eq!(report.advice, ["model.style=caffe"]);
        for (loaded, (fresh, expected)) in named_tensors(&loaded)
            .into_iter()
            .zip(named_tensors(&network(5)).into_iter().zip(named_tensors(&network(3))))
        {
            let from_file = loaded.name.starts_with("backbone.");
            assert_eq!(loaded.values, if from_file { expected } else { fresh }.values, "{}", loaded.name);
        }
        arrays.remove(0);
        let (_folder, path) = write("R-18.pkl", &pickled(&arrays));
        let message = load_weights(network(5), &path, &small()).unwrap_err().to_string();
        assert!(message.contains("conv1_w: missing"), "{message}");
    }
}
