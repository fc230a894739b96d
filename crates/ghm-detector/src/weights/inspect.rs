//! What a file of weights is, by the shapes in it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::Device;
use serde_json::{Value, json};

use super::file::WeightsFile;
use super::layout::Layout;
use super::{Found, expect_known};
use crate::config::{ExtraLevels, HeadNorm, ModelConfig};
use crate::names::named_tensors;
use crate::{Backbone, DetectorError, Part, RetinaNet};

/// Numbers of a pyramid and heads that may be missing from a file.
const SMALL: u128 = 1 << 25;
const MOST_CLASSES: usize = 100_000;

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
    /// Tensors that a network of these settings has and the file lacks.
    pub missing: Vec<String>,
    /// Tensors of the file that such a network has no use for, counters of batches aside.
    pub unused: Vec<String>,
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
    let mut settings = settings(&config);
    if backbone.is_none() {
        settings.retain(|setting| !setting.starts_with("model.backbone="));
    }
    if !is_described {
        // The one that torchvision published: its norms were trained without, and torchvision takes it off when it loads the file.
        let is_published = layout == Layout::TorchvisionRetinaNet && config.extra_levels == ExtraLevels::P5;
        if is_published && classes == Some(91) {
            settings.push("model.norm_epsilon=0".to_owned());
        }
        settings.extend(layout.advice(&config).into_iter().map(str::to_owned));
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
    Ok(WeightsSummary {
        layout,
        tensors: file.names().count(),
        backbone,
        classes,
        settings,
        metadata: file.metadata.clone(),
        parts: parts.into_iter().map(|(part, sums)| sums.of_part(part)).collect(),
        missing: found.missing.iter().cloned().chain(misshapen).collect(),
        unused: rest.map(str::to_owned).collect(),
    })
}

/// The shapes of a file by our names.
struct Shapes<'a> {
    file: &'a WeightsFile,
    layout: Layout,
}

impl Shapes<'_> {
    fn of(&self, ours: &str) -> Option<&[usize]> {
        self.layout.names(ours).iter().find_map(|name| self.file.shape(name))
    }

    fn side(&self, ours: &str, axis: usize) -> Option<usize> {
        self.of(ours)?.get(axis).copied()
    }

    /// The backbone with as many blocks of such a width in as many groups.
    fn backbone(&self) -> Option<Backbone> {
        let blocks = [0, 1, 2, 3].map(|stage| {
            let has = |block: &usize| self.of(&format!("backbone.stages.{stage}.{block}.conv1.weight")).is_some();
            (0..).take_while(has).count()
        });
        let first = |conv: &str, axis: usize| self.side(&format!("backbone.stages.0.0.{conv}.weight"), axis);
        let bottleneck = first("conv3", 0).is_some();
        let (width, in_group) = (first("conv2", 0)?, first("conv2", 1)?);
        Backbone::ALL.into_iter().find(|backbone| {
            backbone.blocks() == blocks
                && (backbone.expansion() == 4) == bottleneck
                && backbone.width(64) == width
                && width / backbone.groups() == in_group
        })
    }

    /// Refuses pyramids and heads far larger than the file, before a network is made of them.
    fn expect_sizes(&self, config: &ModelConfig, classes: usize) -> Result<(), DetectorError> {
        let (channels, depth, per_cell) = (config.channels, config.head_depth, config.anchors.per_cell());
        let [width, layers, outputs] = [channels, 2 * depth + 5, per_cell * (classes + 4)].map(|size| size as u128);
        let wanted = 9 * width * (layers * width + outputs);
        if wanted <= 2 * self.file.numbers() + SMALL {
            return Ok(());
        }
        let reason = format!(
            "it is too small for what it claims to be: a pyramid of {channels} channels, towers of {depth} layers, {classes} classes and \
             {per_cell} anchors in a cell"
        );
        Err(DetectorError::NotWeights { path: self.file.path().into(), reason })
    }

    /// Classes of a detector, however many anchors there are in a cell.
    fn classes(&self) -> Option<usize> {
        // By the weights, of which the file has to hold each number.
        let [rows, channels, 3, 3] = *self.of("classification.output.weight")? else { return None };
        let per_cell = self.side("regression.output.bias", 0)? / 4;
        let fits = per_cell > 0 && channels > 0 && rows.is_multiple_of(per_cell);
        let classes = if fits { rows / per_cell } else { 0 };
        (1..=MOST_CLASSES).contains(&classes).then_some(classes)
    }

    /// The network that it is of, or for a classifier one that could start from it.
    fn config(&self, backbone: Option<Backbone>) -> ModelConfig {
        let mut config = ModelConfig::default();
        config.backbone = backbone.unwrap_or(config.backbone);
        config.style = self.file.style().ok().flatten().unwrap_or(config.style);
        let Some(channels) = self.side("fpn.lateral.0.weight", 0) else { return config };
        config.channels = channels;
        let from_p5 = self.side("fpn.p6.weight", 1) == Some(channels);
        config.extra_levels = if from_p5 { ExtraLevels::P5 } else { ExtraLevels::C5 };
        let has = |depth: &usize| self.of(&format!("classification.tower.{depth}.weight")).is_some();
        config.head_depth = (0..).take_while(has).count();
        let normed = self.of("classification.norms.0.weight").is_some();
        config.head_norm = if normed { HeadNorm::Group } else { HeadNorm::None };
        config
    }
}

/// A network's settings that are not the defaults, the backbone always, as `model.key=value`.
fn settings(config: &ModelConfig) -> Vec<String> {
    let [mut default, own] = [&ModelConfig::default(), config].map(|config| json!(config));
    default["backbone"] = Value::Null;
    let mut settings = Vec::new();
    differences("model", &default, &own, &mut settings);
    settings
}

fn differences(key: &str, default: &Value, own: &Value, settings: &mut Vec<String>) {
    match (default, own) {
        (Value::Object(default), Value::Object(own)) => {
            for (name, own) in own {
                differences(&format!("{key}.{name}"), default.get(name).unwrap_or(&Value::Null), own, settings);
            }
        }
        (default, Value::String(own)) if default != own => settings.push(format!("{key}={own}")),
        (default, own) if default != own => settings.push(format!("{key}={own}")),
        _ => {}
    }
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
