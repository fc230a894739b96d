//! What a file of weights is, by the shapes in it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::Device;

use super::file::WeightsFile;
use super::layout::Layout;
use super::settings::settings;
use super::shapes::Shapes;
use super::{Found, expect_known};
use crate::config::ExtraLevels;
use crate::names::{NamedTensor, named_tensors};
use crate::{Backbone, DetectorError, Part, RetinaNet};

/// What a file of weights is.
#[derive(Clone, Debug)]
pub struct WeightsSummary {
    /// Whose names it has.
    pub layout: Layout,
    /// All its tensors.
    pub tensors: usize,
    /// The backbone whose blocks it has, where there is one.
    pub backbone: Option<Backbone>,
    /// Classes of a whole detector.
    pub classes: Option<usize>,
    /// What a recipe has to say for it, as `key=value`.
    pub settings: Vec<String>,
    /// What the header of a safetensors file says beside its tensors.
    pub metadata: HashMap<String, String>,
    /// Part by part, in the network's order.
    pub parts: Vec<WeightsPart>,
    /// What goes where.
    pub mapped: Vec<MappedTensor>,
    /// Tensors that a network of these settings has and the file lacks.
    pub missing: Vec<String>,
    /// Tensors of the file that such a network has no use for, counters of batches aside.
    pub unused: Vec<String>,
}

/// A tensor of a file and its place in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedTensor {
    /// Its name in the file.
    pub theirs: String,
    /// Its name in the network.
    pub ours: String,
    /// Sizes.
    pub shape: Vec<usize>,
}

/// A part of a network in a file.
#[derive(Clone, Debug)]
pub struct WeightsPart {
    /// Which.
    pub part: Part,
    /// Its tensors.
    pub tensors: usize,
    /// Their numbers.
    pub numbers: usize,
    /// Root mean square of its weights: of convolutions and of the scales of norms.
    pub rms: f64,
    /// Whether one of its numbers is NaN or infinite.
    pub is_finite: bool,
}

/// Says what a file is; the numbers are read, no network runs.
///
/// # Errors
/// [`DetectorError::NotWeights`] for a file that is none, or whose names nobody is known to give.
pub fn inspect_weights(path: &Path) -> Result<WeightsSummary, DetectorError> {
    let file = WeightsFile::open(path)?;
    let layout = expect_known(&file)?;
    let shapes = Shapes { file: &file, layout };
    let backbone = shapes.backbone();
    let described = file.described().filter(|config| config.validate().is_ok());
    let is_described = described.is_some();
    let config = described.unwrap_or_else(|| shapes.config(backbone));
    let classes = shapes.classes();
    shapes.expect_sizes(&config, classes.unwrap_or(1))?;
    let mut settings = settings(&config, classes.is_some());
    if backbone.is_none() {
        settings
            .retain(|setting| !setting.starts_with("model.backbone=") && !setting.starts_with("model.base_channels="));
    }
    // The one that torchvision published: its norms were trained without, and torchvision takes it off when it loads the file.
    let is_published = layout == Layout::TorchvisionRetinaNet && config.extra_levels == ExtraLevels::P5;
    if !is_described && is_published && classes == Some(91) {
        settings.push("model.norm_epsilon=0".to_owned());
    }
    let mut found = Found::default();
    let network = RetinaNet::new(&config, classes.unwrap_or(1), 0, &Device::flex())?;
    for ours in named_tensors(&network) {
        found.look_for(ours, &file, layout, Some(&config));
    }
    let mut parts: BTreeMap<Part, Sums> = BTreeMap::new();
    for (ours, theirs) in &found.names {
        let sums = parts.entry(Part::of(&ours.name)).or_default();
        sums.add(&file.values(theirs)?, ours.shape.len() > 1 || ours.name.ends_with("weight"));
    }
    let misshapen = found.misshapen.iter().map(|(theirs, _)| theirs.as_str());
    let taken: Vec<&str> = found.names.iter().map(|(_, theirs)| theirs.as_str()).chain(misshapen).collect();
    let rest = file.names().filter(|name| !taken.contains(name) && !name.ends_with("num_batches_tracked"));
    let misshapen = found.misshapen.iter().map(|(_, problem)| problem.trim().to_owned());
    let mapped = |(ours, theirs): &(NamedTensor, String)| MappedTensor {
        theirs: theirs.clone(),
        ours: ours.name.clone(),
        shape: ours.shape.clone(),
    };
    Ok(WeightsSummary {
        layout,
        tensors: file.names().count(),
        backbone: backbone.map(|(backbone, _)| backbone),
        classes,
        settings,
        metadata: file.metadata.clone(),
        parts: parts.into_iter().map(|(part, sums)| sums.of_part(part)).collect(),
        mapped: found.names.iter().map(mapped).collect(),
        missing: found.missing.iter().cloned().chain(misshapen).collect(),
        unused: rest.map(str::to_owned).collect(),
    })
}

#[derive(Default)]
struct Sums {
    tensors: usize,
    numbers: usize,
    weights: usize,
    squares: f64,
    strange: bool,
}

impl Sums {
    fn add(&mut self, values: &[f32], is_weight: bool) {
        self.tensors += 1;
        self.numbers += values.len();
        self.strange |= !values.iter().all(|value| value.is_finite());
        if is_weight {
            self.weights += values.len();
            self.squares += values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        }
    }

    fn of_part(self, part: Part) -> WeightsPart {
        let rms = (self.squares / self.weights.max(1) as f64).sqrt();
        WeightsPart { part, tensors: self.tensors, numbers: self.numbers, rms, is_finite: !self.strange }
    }
}
