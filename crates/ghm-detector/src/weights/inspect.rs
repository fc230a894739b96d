//! What a file of weights is, by the shapes in it.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;

use super::file::WeightsFile;
use super::layout::Layout;
use super::{Found, expect_known};
use crate::config::{ExtraLevels, HeadNorm, ModelConfig};
use crate::names::named_tensors;
use crate::{Backbone, DetectorError, Part, RetinaNet};

/// The most channels and layers that are looked at: twice what any RetinaNet has.
const MOST_CHANNELS: usize = 512;
const MOST_DEPTH: usize = 8;
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
    let (backbone, classes) = (shapes.backbone(), shapes.classes());
    let config = shapes.config(backbone);
    shapes.expect_sizes(&config)?;
    let mut settings = shapes.settings(&config, backbone);
    settings.extend(layout.advice(&config).into_iter().map(str::to_owned));
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

    /// Refuses sizes that no detector has, before a network is made of them.
    fn expect_sizes(&self, config: &ModelConfig) -> Result<(), DetectorError> {
        if config.channels <= MOST_CHANNELS && config.head_depth <= MOST_DEPTH {
            return Ok(());
        }
        let reason = format!("a pyramid of {} channels and towers of {} layers", config.channels, config.head_depth);
        Err(DetectorError::NotWeights { path: self.file.path().into(), reason })
    }

    fn per_cell(&self) -> Option<usize> {
        Some(self.side("regression.output.bias", 0)? / 4)
    }

    fn classes(&self) -> Option<usize> {
        // By the weights, of which the file has to hold each number.
        let [rows, channels, 3, 3] = *self.of("classification.output.weight")? else { return None };
        let cells = self.per_cell().filter(|cells| *cells > 0)?;
        let classes = rows / cells;
        (channels > 0 && rows.is_multiple_of(cells) && (1..=MOST_CLASSES).contains(&classes)).then_some(classes)
    }

    /// The network that it is of, or for a classifier one that could start from it.
    fn config(&self, backbone: Option<Backbone>) -> ModelConfig {
        let mut config = ModelConfig::default();
        config.backbone = backbone.unwrap_or(config.backbone);
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

    /// Those that are not the defaults, the backbone always.
    fn settings(&self, config: &ModelConfig, backbone: Option<Backbone>) -> Vec<String> {
        let default = ModelConfig::default();
        let named = backbone.and_then(|backbone| serde_json::to_value(backbone).ok());
        let named = named.as_ref().and_then(|name| name.as_str()).map(|name| format!("model.backbone={name}"));
        let mut settings: Vec<String> = named.into_iter().collect();
        let mut differs = |differs: bool, setting: String| {
            if differs {
                settings.push(setting);
            }
        };
        differs(config.channels != default.channels, format!("model.channels={}", config.channels));
        differs(config.extra_levels != default.extra_levels, "model.extra_levels=p5".to_owned());
        differs(config.head_depth != default.head_depth, format!("model.head_depth={}", config.head_depth));
        differs(config.head_norm != default.head_norm, "model.head_norm=group".to_owned());
        if let Some(style) = self.file.metadata.get("style") {
            settings.push(format!("model.style={style}"));
        }
        settings
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
