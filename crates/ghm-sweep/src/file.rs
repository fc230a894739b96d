//! A sweep as its file has it, before anything is checked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ghm_data::NoiseConfig;
use serde::{Deserialize, Serialize};

/// A sweep's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepFile {
    /// The recipe that every run starts from, beside the sweep's file.
    pub recipe: PathBuf,
    /// The seeds that every cell is run with.
    pub seeds: Vec<u64>,
    /// `key=value`, changes of the recipe for all runs.
    #[serde(default)]
    pub set: Vec<String>,
    /// The number that is compared, as [`metric`](crate::metric) names it.
    #[serde(default = "average_precision")]
    pub metric: String,
    /// What varies; the grid is their product, in this order, the last one fastest.
    #[serde(default)]
    pub axes: Vec<AxisFile>,
    /// The axis whose values stand side by side [default: the last].
    #[serde(default)]
    pub columns: Option<String>,
    /// What all others are compared with.
    #[serde(default)]
    pub compare: Option<CompareFile>,
    /// Of which axis every two values are compared.
    #[serde(default)]
    pub pairs: Option<PairsFile>,
    /// Values of axes that are their defaults, by the axes' names: what all other values span is told beside them.
    #[serde(default)]
    pub default: BTreeMap<String, toml::Value>,
    /// Scenes that are drawn for the sweep, in place of the recipe's data.
    #[serde(default)]
    pub scenes: Option<ScenesFile>,
}

fn average_precision() -> String {
    "AP".into()
}

/// One thing that varies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of name, key, choose and values")]
pub struct AxisFile {
    /// Its name.
    pub name: String,
    /// The key of the recipe that bare values are for.
    #[serde(default)]
    pub key: Option<String>,
    /// Whether, for all else being equal, only the value with the best mean is shown.
    #[serde(default)]
    pub choose: bool,
    /// Bare values of `key`, or tables as [`ChoiceFile`].
    pub values: Vec<toml::Value>,
}

/// A value of an axis that is more than a value of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChoiceFile {
    /// Its name.
    pub name: String,
    /// `key=value`, changes of the recipe.
    #[serde(default)]
    pub set: Vec<String>,
    /// Label noise that the training pictures get, drawn with the seed of the run.
    #[serde(default)]
    pub noise: Option<NoiseFile>,
}

/// Rates of label noise, each 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of drop, flip, shift, spawn or mix")]
pub struct NoiseFile {
    /// Objects that lose their label.
    pub drop: f64,
    /// Objects of another class.
    pub flip: f64,
    /// Objects whose box is moved.
    pub shift: f64,
    /// Boxes about nothing, for each object.
    pub spawn: f64,
    /// All four.
    pub mix: Option<f64>,
}

impl NoiseFile {
    /// Noise of these rates; `None` where all are 0.
    ///
    /// # Errors
    /// For a rate that is none, and for others beside `mix`.
    pub fn config(&self) -> Result<Option<NoiseConfig>, String> {
        let Self { drop, flip, shift, spawn, mix } = *self;
        let single = NoiseConfig { drop, flip, shift, spawn, ..NoiseConfig::default() };
        let config = match mix {
            Some(_) if single != NoiseConfig::default() => return Err("mix is all four; give it alone".into()),
            Some(rate) => NoiseConfig::mixed(rate, 0),
            None => single,
        };
        config.validate().map_err(|error| error.to_string())?;
        Ok((config != NoiseConfig::default()).then_some(config))
    }
}

/// One value of one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of axis and with")]
pub struct CompareFile {
    /// The axis.
    pub axis: String,
    /// Its value that all others are compared with, all else being equal.
    pub with: String,
}

/// Every two values of an axis, over those of another one together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of axis, over and without")]
pub struct PairsFile {
    /// The axis of which every two values are compared, all else being equal.
    pub axis: String,
    /// The axis over whose values the differences are also averaged.
    #[serde(default)]
    pub over: Option<String>,
    /// Those of its values that do not count.
    #[serde(default)]
    pub without: Vec<String>,
}

/// Scenes, as `ghm demo` draws them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of train, validation, side and seed")]
pub struct ScenesFile {
    /// Pictures to learn from.
    pub train: usize,
    /// Pictures to measure on.
    pub validation: usize,
    /// Width and height in pixels.
    pub side: u32,
    /// Seed of the scenes; the seeds of the runs do not change them.
    #[serde(default)]
    pub seed: u64,
}
