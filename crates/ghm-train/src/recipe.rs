//! What a user writes: a TOML file and `key=value` overrides.

use std::path::{Path, PathBuf};

use ghm_burn::CriterionConfig;
use ghm_data::{AugmentConfig, NormaliseConfig, OnBad, ResizeConfig, ResizeMode};
use ghm_detector::{ModelConfig, NormKind};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::TrainError;
use crate::description::pixels_of;

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of the fresh weights, the order of pictures and their augmentation.
    #[serde(default)]
    pub seed: u64,
    /// Which pictures.
    pub data: DataConfig,
    /// Their size in the network.
    #[serde(default = "published_input")]
    pub input: ResizeConfig,
    /// Random changes of training pictures.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// The network.
    #[serde(default)]
    pub model: ModelConfig,
    /// The losses.
    #[serde(default)]
    pub loss: CriterionConfig,
    /// The update rule.
    #[serde(default)]
    pub optimiser: OptimiserConfig,
    /// How long, and the learning rate over time.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// Evaluation during training.
    #[serde(default)]
    pub evaluation: EvaluationConfig,
    /// When the state is saved.
    #[serde(default)]
    pub checkpoint: CheckpointConfig,
    /// What is kept for an audit.
    #[serde(default)]
    pub audit: AuditConfig,
}

/// Short side 800, long side at most 1333.
fn published_input() -> ResizeConfig {
    ResizeConfig { width: 1333, height: 800, mode: ResizeMode::Fit, swap_portrait: true }
}

/// Which pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// A COCO JSON or folder, a Pascal VOC folder, or a YOLO `data.yaml` or its folder.
    pub root: PathBuf,
    /// The split trained on; where it is not given, the only one whose name starts with `train`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<String>,
    /// The split evaluated on; where it is not given, the only one whose name starts with `val`, else with `test`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
    /// What to do with a data set that has defects.
    #[serde(default)]
    pub on_bad: OnBad,
    /// Threads that prepare batches; 0 for as many as there are cores.
    #[serde(default)]
    pub threads: usize,
    /// Megabytes of decoded training pictures that are kept in memory; 0 for none.
    #[serde(default)]
    pub cache_mb: usize,
}

/// Kinds of update rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserKind {
    /// Stochastic gradient descent with momentum; weight decay is added to the gradient.
    Sgd,
    /// AdamW (Loshchilov and Hutter 2019), beta 0.9 and 0.999.
    Adamw,
}

/// The update rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserConfig {
    /// Which.
    pub kind: OptimiserKind,
    /// The learning rate after the warm-up.
    pub learning_rate: f64,
    /// Pictures in an update for which `learning_rate` is meant: with more or fewer it grows and falls in proportion (Goyal et
    /// al. 2017). Where it is not given, the rate is taken as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_batch: Option<usize>,
    /// Factor on the learning rate of the backbone, of which a start from ImageNet weights needs less than of the rest.
    pub backbone_factor: f64,
    /// SGD: momentum, `[0, 1)`.
    pub momentum: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// The L2 norm of all gradients together is held below this; 0 for no limit.
    pub clip_norm: f64,
    /// Batches whose gradients make one update.
    pub accumulate: usize,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self {
            kind: OptimiserKind::Sgd,
            learning_rate: 0.01,
            base_batch: None,
            backbone_factor: 1.0,
            momentum: 0.9,
            weight_decay: 1e-4,
            clip_norm: 35.0,
            accumulate: 1,
        }
    }
}

/// Shapes of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Multiplied by `factor` at the end of every epoch listed in `milestones`.
    Steps,
    /// Half a cosine from the full rate to 0 over the whole run.
    Cosine,
}

/// How long, and the learning rate over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Times that every training picture is seen.
    pub epochs: usize,
    /// Pictures in a batch.
    pub batch: usize,
    /// Updates over which the rate rises linearly.
    pub warmup_steps: usize,
    /// The share of the rate at which the warm-up starts.
    pub warmup_factor: f64,
    /// What follows.
    pub decay: Decay,
    /// Steps: epochs after which the rate falls.
    pub milestones: Vec<usize>,
    /// Steps: by what it is multiplied.
    pub factor: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            epochs: 12,
            batch: 16,
            warmup_steps: 500,
            warmup_factor: 1.0 / 3.0,
            decay: Decay::Steps,
            milestones: vec![8, 11],
            factor: 0.1,
        }
    }
}

/// Evaluation during training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationConfig {
    /// Epochs between two evaluations; the last epoch is always evaluated. 0 for the last one only.
    pub every: usize,
    /// Pictures in a batch.
    pub batch: usize,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self { every: 1, batch: 4 }
    }
}

/// What is kept for an audit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Whether what the network says of each label is written down while it learns; where it is not said, on the CPU: a GPU has
    /// to be waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<bool>,
}

/// When the state is saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Updates between two checkpoints within an epoch; 0 for the end of every epoch only.
    pub every_steps: usize,
}

impl Recipe {
    /// Reads a recipe file and applies `key=value` overrides.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, TrainError> {
        let origin = path.display().to_string();
        let refuse = |reason: String| TrainError::Recipe { origin: origin.clone(), reason };
        let bytes = std::fs::read(path).map_err(|e| refuse(format!("cannot be read: {e}")))?;
        let text = String::from_utf8(bytes).map_err(|_| refuse("is not a text file; a recipe is TOML".into()))?;
        Self::parse_named(&origin, &text, overrides)
    }

    /// Reads a recipe from its text and applies `key=value` overrides.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self, TrainError> {
        Self::parse_named("recipe", text, overrides)
    }

    fn parse_named(origin: &str, text: &str, overrides: &[String]) -> Result<Self, TrainError> {
        let refuse = |origin: &str, reason: String| TrainError::Recipe { origin: origin.into(), reason };
        let mut table: Table = text.parse().map_err(|e: toml::de::Error| refuse(origin, e.to_string()))?;
        // First without overrides, so that a mistake is laid at the right door.
        if let (false, Err(error)) = (overrides.is_empty(), checked(&table))
            && !misses_data(&error)
        {
            return Err(refuse(origin, error));
        }
        for text in overrides {
            apply(&mut table, text).map_err(|reason| refuse(text, reason))?;
            if let Err(error) = checked(&table)
                && !error.contains("missing field")
            {
                return Err(refuse(text, error));
            }
        }
        // What is missing only now is part of a table that an override began.
        checked(&table).map_err(|reason| match overrides.is_empty() || misses_data(&reason) {
            true => refuse(origin, reason),
            false => refuse(&overrides.join(" "), reason),
        })
    }

    /// Reads a recipe from its text for the data set at `root`, and applies `key=value` overrides.
    pub fn for_data(text: &str, root: &Path, overrides: &[String]) -> Result<Self, TrainError> {
        let root = Value::String(root.to_string_lossy().into_owned());
        let mut all = vec![format!("data.root={root}")];
        all.extend_from_slice(overrides);
        Self::parse(text, &all)
    }

    /// The same recipe wherever it is read from: with its data and weights by their absolute paths.
    pub fn with_absolute_paths(mut self) -> Self {
        self.data.root = absolute(&self.data.root);
        self.model.weights = self.model.weights.as_deref().map(absolute);
        self
    }

    /// The recipe as a file that gives it back.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        toml::to_string(self).map_err(|e| TrainError::Recipe { origin: "recipe".into(), reason: e.to_string() })
    }

    /// The pixels that the network's weights expect.
    pub fn normalise(&self) -> NormaliseConfig {
        pixels_of(self.model.style)
    }

    /// The learning rate after the warm-up, for as many pictures as an update has.
    pub fn learning_rate(&self) -> f64 {
        let pictures = (self.schedule.batch * self.optimiser.accumulate) as f64;
        let factor = self.optimiser.base_batch.map_or(1.0, |base| pictures / base as f64);
        self.optimiser.learning_rate * factor
    }

    /// Whether parts of the network are frozen that start from random weights, so that they never learn.
    pub fn freezes_fresh_weights(&self) -> bool {
        let model = &self.model;
        model.weights.is_none() && (model.frozen_stages > 0 || model.norm == NormKind::FrozenBatch)
    }

    /// Refuses numbers out of their range, naming the key.
    pub fn validate(&self) -> Result<(), TrainError> {
        self.model.validate()?;
        self.loss.validate()?;
        self.input.check()?;
        self.augment.check()?;
        let (optimiser, schedule) = (&self.optimiser, &self.schedule);
        let at_least_one = [
            ("schedule.epochs", schedule.epochs),
            ("schedule.batch", schedule.batch),
            ("evaluation.batch", self.evaluation.batch),
            ("optimiser.accumulate", optimiser.accumulate),
            ("optimiser.base_batch", optimiser.base_batch.unwrap_or(1)),
        ];
        let not_negative = [
            ("optimiser.learning_rate", optimiser.learning_rate),
            ("optimiser.backbone_factor", optimiser.backbone_factor),
            ("optimiser.weight_decay", optimiser.weight_decay),
            ("optimiser.clip_norm", optimiser.clip_norm),
            ("schedule.warmup_factor", schedule.warmup_factor),
            ("schedule.factor", schedule.factor),
        ];
        let zero = at_least_one.into_iter().find(|(_, v)| *v == 0).map(|(key, _)| (key, "0".into(), "at least 1"));
        let negative = not_negative
            .into_iter()
            .find(|(_, v)| !(v.is_finite() && *v >= 0.0))
            .map(|(key, v)| (key, v.to_string(), "a finite number of at least 0"));
        let momentum = (!(0.0..1.0).contains(&optimiser.momentum))
            .then(|| ("optimiser.momentum", optimiser.momentum.to_string(), "a number from 0 to below 1"));
        match zero.or(negative).or(momentum) {
            Some((key, value, wanted)) => {
                let reason = format!("{key} = {value}: give {wanted}");
                Err(TrainError::Recipe { origin: "recipe".into(), reason })
            }
            None => Ok(()),
        }
    }
}

/// The recipe of a table, or what is wrong with it, with the nearest known key.
fn checked(table: &Table) -> Result<Recipe, String> {
    Recipe::deserialize(table.clone()).map_err(|error| with_nearest(error.to_string().trim()))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether the one thing that has no default is missing.
fn misses_data(error: &str) -> bool {
    error.contains("missing field `data`") || error.contains("missing field `root`")
}

/// Adds "did you mean" to an error about an unknown key or variant.
fn with_nearest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let Some(unknown) = quoted.next().filter(|_| is_unknown) else { return message.to_owned() };
    let known: Vec<&str> = quoted.collect();
    // Edits first: `resnet51` is nearer to `resnet50` than to `resnet152`.
    let nearest = known.iter().min_by(|a, b| {
        let edits = |name: &str| strsim::damerau_levenshtein(unknown, name);
        edits(a).cmp(&edits(b)).then(strsim::jaro(unknown, b).total_cmp(&strsim::jaro(unknown, a)))
    });
    match nearest.filter(|near| strsim::jaro(unknown, near) > 0.6) {
        Some(near) => format!("{message}\ndid you mean `{near}`?"),
        None => message.to_owned(),
    }
}

/// Sets one `a.b.c=value`; the value is TOML, or else taken as text.
fn apply(table: &mut Table, text: &str) -> Result<(), String> {
    let (key, value) = text.split_once('=').ok_or("an override is written key=value, as schedule.epochs=12")?;
    let (key, value) = (key.trim(), value.trim());
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("value"));
    let value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
    let mut parts: Vec<&str> = key.split('.').collect();
    let last = parts.pop().filter(|last| !last.is_empty()).ok_or("the key is empty")?;
    let mut place = table;
    for part in parts {
        let inner = place.entry(part).or_insert_with(|| Value::Table(Table::new()));
        place = inner.as_table_mut().ok_or_else(|| format!("`{part}` is a value, not a table"))?;
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghm_burn::ClassificationKind;

    const MINIMAL: &str = "[data]\nroot = 'photos'\n";

    fn overridden(text: &str) -> Result<Recipe, TrainError> {
        Recipe::parse(MINIMAL, &[text.to_owned()])
    }

    #[test]
    fn a_recipe_needs_only_its_data() {
        let recipe = Recipe::parse(MINIMAL, &[]).unwrap();
        assert_eq!(recipe.schedule.epochs, 12);
        assert_eq!(recipe.loss.classification.bins, 30);
        assert!(recipe.validate().is_ok());
    }

    #[test]
    fn the_recipes_that_come_with_the_project_are_recipes() {
        let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let files = |folder: &Path| {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect::<Vec<_>>()
        };
        let all = [files(&recipes), files(&recipes.join("coco"))].concat();
        assert!(all.iter().any(|path| path.ends_with("wrong-labels.toml")), "{all:?}");
        for path in all {
            let recipe = Recipe::read(&path, &["data.root=photos".into()]).unwrap();
            assert!(recipe.validate().is_ok(), "{}", path.display());
        }
    }

    #[test]
    fn overrides_reach_every_depth_with_every_type() {
        assert_eq!(
            overridden("loss.classification.kind=focal").unwrap().loss.classification.kind,
            ClassificationKind::Focal
        );
        assert_eq!(overridden("schedule.milestones=[3, 4]").unwrap().schedule.milestones, [3, 4]);
        assert_eq!(overridden("optimiser.learning_rate=1e-4").unwrap().optimiser.learning_rate, 1e-4);
        assert_eq!(overridden("data.root=/a b/c=d").unwrap().data.root, PathBuf::from("/a b/c=d"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let message = Recipe::parse("[data]\nroot='x'\n[shedule]\nepochs = 3", &[]).unwrap_err().to_string();
        assert!(message.contains("did you mean `schedule`"), "{message}");
        let message = overridden("loss.classification.kind=vocal").unwrap_err().to_string();
        assert!(message.contains("did you mean `focal`"), "{message}");
    }

    #[test]
    fn a_data_path_may_hold_any_quote() {
        for root in ["Bob's photos", "a \"b\" c", "back\\slash"] {
            let recipe = Recipe::for_data(MINIMAL, Path::new(root), &[]).unwrap();
            assert_eq!(recipe.data.root, PathBuf::from(root));
        }
    }

    #[test]
    fn a_wrong_type_and_a_missing_equals_sign_are_refused() {
        assert!(overridden("schedule.epochs=many").unwrap_err().to_string().contains("schedule.epochs=many"));
        assert!(overridden("schedule.epochs").unwrap_err().to_string().contains("key=value"));
        assert!(overridden("seed.x=1").is_err());
    }

    fn keys(table: &Table, prefix: &str, all: &mut Vec<String>) {
        for (key, value) in table {
            match value.as_table() {
                Some(inner) => keys(inner, &format!("{prefix}{key}."), all),
                None => all.push(format!("{prefix}{key}")),
            }
        }
    }

    #[test]
    fn every_key_is_described() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/recipe.md")).unwrap();
        let mut all = Vec::new();
        keys(&Recipe::parse(MINIMAL, &[]).unwrap().to_toml().unwrap().parse().unwrap(), "", &mut all);
        assert!(all.len() > 60, "{all:?}");
        for key in all {
            assert!(text.contains(&format!("`{key}`")), "docs/recipe.md does not describe {key}");
        }
    }

    #[test]
    fn the_rate_grows_with_the_pictures_of_an_update_where_a_base_is_given() {
        assert_eq!(overridden("schedule.batch=4").unwrap().learning_rate(), 0.01);
        let scaled = |batch: usize, accumulate: usize| {
            let mut recipe = overridden("optimiser.base_batch=16").unwrap();
            (recipe.schedule.batch, recipe.optimiser.accumulate) = (batch, accumulate);
            recipe.learning_rate()
        };
        assert_eq!((scaled(16, 1), scaled(4, 1), scaled(8, 4)), (0.01, 0.0025, 0.02));
        assert!(overridden("optimiser.base_batch=0").unwrap().validate().is_err());
    }

    #[test]
    fn a_resolved_recipe_gives_itself_back() {
        let recipe = overridden("loss.regression.weight=2.5").unwrap();
        assert_eq!(Recipe::parse(&recipe.to_toml().unwrap(), &[]).unwrap(), recipe);
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_key() {
        let message = |text| overridden(text).unwrap().validate().unwrap_err().to_string();
        assert!(message("schedule.batch=0").contains("schedule.batch = 0"));
        assert!(message("optimiser.momentum=1.0").contains("optimiser.momentum = 1"));
        assert!(message("optimiser.learning_rate=-1").contains("optimiser.learning_rate = -1"));
    }
}
