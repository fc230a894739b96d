//! The sweep checked: axes, cells, runs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use ghm_data::{NoiseConfig, SceneConfig};
use serde::Deserialize;

use crate::error::SweepError;
use crate::file::{AxisFile, ChoiceFile, CompareFile, PairsFile, SweepFile};
use crate::metric;

/// What is to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// The recipe that every run starts from.
    pub recipe: PathBuf,
    /// The seeds that every cell is run with, at least one.
    pub seeds: Vec<u64>,
    /// `key=value`, changes of the recipe for all runs.
    pub set: Vec<String>,
    /// The number that is compared, one of [`metric`].
    pub metric: String,
    /// What varies.
    pub axes: Vec<Axis>,
    /// The axis whose values stand side by side; `None` without axes.
    pub columns: Option<usize>,
    /// The axis and its value that all others are compared with.
    pub compare: Option<(usize, usize)>,
    /// The axis of which every two values are compared.
    pub pairs: Option<Pairs>,
    /// Axes with their defaults; of the grid of these axes it is told how much it matters.
    pub default: Vec<(usize, usize)>,
    /// Scenes to draw in place of the recipe's data.
    pub scenes: Option<SceneConfig>,
}

/// One thing that varies.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Its name.
    pub name: String,
    /// Whether only its best value is shown.
    pub choose: bool,
    /// Its values, at least one.
    pub choices: Vec<Choice>,
}

impl Axis {
    /// The place among axes of the one that has a name and is not chosen from.
    ///
    /// # Errors
    /// Why there is none, and which there are.
    pub fn shown(axes: &[Self], name: &str) -> Result<usize, String> {
        match axes.iter().position(|axis| axis.name == name) {
            Some(place) if axes[place].choose => {
                Err(format!("axis `{name}` is chosen from, so it cannot be shown or compared too"))
            }
            Some(place) => Ok(place),
            None => {
                let names: Vec<String> = axes.iter().map(|axis| format!("`{}`", axis.name)).collect();
                Err(format!("there is no axis `{name}`; there are: {}", names.join(", ")))
            }
        }
    }
}

/// One value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// `key=value`, changes of the recipe.
    pub set: Vec<String>,
    /// Label noise that the training pictures get, its seed still open.
    pub noise: Option<NoiseConfig>,
}

/// Every two values of an axis are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    /// The axis.
    pub axis: usize,
    /// Over what the differences are also averaged.
    pub over: Option<Over>,
}

/// Another axis than the one whose values are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Over {
    /// The axis.
    pub axis: usize,
    /// Those of its values that count, at least one.
    pub counted: Vec<usize>,
    /// Those that do not.
    pub left_out: Vec<usize>,
}

impl Pairs {
    /// The cells that differ from one in nothing but these axes, and have a value of the one that is compared: one for each value
    /// of the other that counts.
    pub fn counted(&self, cell: &Cell, value: usize) -> Vec<Cell> {
        let compared = cell.with(self.axis, value);
        let Some(over) = &self.over else { return vec![compared] };
        over.counted.iter().map(|value| compared.with(over.axis, *value)).collect()
    }

    /// Those for each value that does not count.
    pub fn left_out(&self, cell: &Cell, value: usize) -> Vec<Cell> {
        let compared = cell.with(self.axis, value);
        let Some(over) = &self.over else { return Vec::new() };
        over.left_out.iter().map(|value| compared.with(over.axis, *value)).collect()
    }
}

/// A value of every axis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(
    /// Indices of the values, one for each axis.
    pub Vec<usize>,
);

impl Cell {
    /// The cell with another value of an axis.
    pub fn with(&self, axis: usize, value: usize) -> Self {
        let mut cell = self.clone();
        cell.0[axis] = value;
        cell
    }
}

/// A run of a cell with one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What is run.
    pub cell: Cell,
    /// With which seed.
    pub seed: u64,
    /// Its name in file names: small letters, digits, `.`, `-` and `_`.
    pub slug: String,
    /// `key=value`, changes of the recipe.
    pub overrides: Vec<String>,
    /// Label noise that the training pictures get.
    pub noise: Option<NoiseConfig>,
}

impl Sweep {
    /// Reads a sweep's file.
    ///
    /// # Errors
    /// [`SweepError`] for a file that cannot be read, and for the first thing that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, SweepError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| SweepError::Unreadable { path: path.into(), source })?;
        Self::parse(&text, path)
    }

    /// Reads a sweep from the text of its file.
    ///
    /// # Errors
    /// [`SweepError::Malformed`] for the first thing that is wrong with it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SweepError> {
        let file: Result<SweepFile, String> = toml::from_str(text).map_err(|error| error.to_string());
        file.and_then(|file| checked(file, path)).map_err(|reason| SweepError::Malformed { path: path.into(), reason })
    }

    /// The same runs, compared by another metric.
    ///
    /// # Errors
    /// Why they cannot be.
    pub fn by(self, metric: &str) -> Result<Self, String> {
        comparable(metric, &self.axes, !self.default.is_empty())?;
        Ok(Self { metric: metric.to_owned(), ..self })
    }

    /// Every combination of values, the last axis fastest.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = vec![Cell(Vec::new())];
        for axis in &self.axes {
            let with = |cell: &Cell, choice: usize| Cell(cell.0.iter().copied().chain([choice]).collect());
            cells = cells
                .iter()
                .flat_map(|cell| (0..axis.choices.len()).map(|c| with(cell, c)).collect::<Vec<_>>())
                .collect();
        }
        cells
    }

    /// Every cell with every seed; seeds are outermost, so that a sweep that is cut short has whole grids.
    pub fn runs(&self) -> Vec<Run> {
        let cells = self.cells();
        self.seeds.iter().flat_map(|seed| cells.iter().map(|cell| self.run(cell, *seed))).collect()
    }

    /// The axes that are shown and have no default.
    pub fn beside_grid(&self) -> impl Iterator<Item = usize> {
        let in_grid = |axis: &usize| self.default.iter().any(|(with_default, _)| with_default == axis);
        (0..self.axes.len()).filter(move |axis| !self.axes[*axis].choose && !in_grid(axis))
    }

    /// The axes that are shown, and of which no two values are compared in pairs nor averaged over.
    pub fn beside_pairs(&self) -> Vec<usize> {
        let in_pairs = |axis: usize| {
            let over = |pairs: &Pairs| pairs.over.as_ref().is_some_and(|over| over.axis == axis);
            self.pairs.as_ref().is_some_and(|pairs| pairs.axis == axis || over(pairs))
        };
        (0..self.axes.len()).filter(|axis| !self.axes[*axis].choose && !in_pairs(*axis)).collect()
    }

    /// The names of a cell's values, one for each axis.
    pub fn names(&self, cell: &Cell) -> Vec<&str> {
        self.choices(cell).map(|choice| choice.name.as_str()).collect()
    }

    fn choices(&self, cell: &Cell) -> impl Iterator<Item = &Choice> {
        self.axes.iter().zip(&cell.0).map(|(axis, choice)| &axis.choices[*choice])
    }

    fn run(&self, cell: &Cell, seed: u64) -> Run {
        let mut overrides = self.set.clone();
        overrides.extend(self.choices(cell).flat_map(|choice| choice.set.iter().cloned()));
        overrides.push(format!("seed={seed}"));
        let mut parts: Vec<String> = self.names(cell).into_iter().map(slug).collect();
        parts.push(format!("seed-{seed}"));
        let noise =
            self.choices(cell).find_map(|choice| choice.noise.clone()).map(|noise| NoiseConfig { seed, ..noise });
        Run { cell: cell.clone(), seed, slug: parts.join("_"), overrides, noise }
    }
}

/// Small letters, digits and `.`; all else becomes one `-`, and a sign `minus`.
fn slug(name: &str) -> String {
    let mut slug = String::from(if name.starts_with('-') { "minus" } else { "" });
    for letter in name.chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' | '0'..='9' | '.' => slug.push(letter),
            _ if slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.trim_matches('-').to_owned()
}

fn checked(file: SweepFile, path: &Path) -> Result<Sweep, String> {
    if file.seeds.is_empty() {
        return Err("seeds: give at least one".into());
    }
    distinct(file.seeds.iter().map(u64::to_string), "seeds")?;
    let axes = file.axes.iter().map(axis).collect::<Result<Vec<_>, _>>()?;
    distinct(axes.iter().map(|axis| axis.name.clone()), "axes")?;
    let noisy: Vec<&Axis> =
        axes.iter().filter(|axis| axis.choices.iter().any(|choice| choice.noise.is_some())).collect();
    if let [first, second, ..] = noisy[..] {
        return Err(format!("axes `{}` and `{}` both have noise; put it into one of them", first.name, second.name));
    }
    comparable(&file.metric, &axes, !file.default.is_empty()).map_err(|reason| format!("metric: {reason}"))?;
    let columns = columns(file.columns.as_deref(), &axes)?;
    let compare = file.compare.as_ref().map(|compare| compared(compare, &axes)).transpose()?;
    let pairs = file.pairs.as_ref().map(|pairs| paired(pairs, &axes)).transpose()?;
    let default = file.default.iter().map(|(axis, value)| default(axis, value, &axes)).collect::<Result<_, _>>()?;
    let scenes = file.scenes.map(|scenes| SceneConfig {
        width: scenes.side,
        height: scenes.side,
        train: scenes.train,
        validation: scenes.validation,
        seed: scenes.seed,
        ..SceneConfig::default()
    });
    let recipe = path.parent().unwrap_or(Path::new("")).join(&file.recipe);
    let (seeds, set, metric) = (file.seeds, file.set, file.metric);
    let sweep = Sweep { recipe, seeds, set, metric, axes, columns, compare, pairs, default, scenes };
    distinct(sweep.runs().into_iter().map(|run| run.slug), "names of runs, without what file names cannot have,")?;
    Ok(sweep)
}

/// Whether runs can be compared by a metric.
fn comparable(metric: &str, axes: &[Axis], with_default: bool) -> Result<(), String> {
    metric::known(metric)?;
    if metric::is_cost(metric) && (with_default || axes.iter().any(|axis| axis.choose)) {
        return Err(format!("`{metric}` is a cost; `choose` and `default` look for the largest number"));
    }
    Ok(())
}

/// The axis whose values stand side by side.
fn columns(name: Option<&str>, axes: &[Axis]) -> Result<Option<usize>, String> {
    match name {
        Some(name) => shown(name, "columns", axes).map(Some),
        None => Ok(axes.iter().rposition(|axis| !axis.choose)),
    }
}

/// The axis and its value that others are compared with.
fn compared(file: &CompareFile, axes: &[Axis]) -> Result<(usize, usize), String> {
    let axis = shown(&file.axis, "compare.axis", axes)?;
    Ok((axis, value_of(&axes[axis], &file.with, "compare.with")?))
}

/// The axis of which every two values are compared, and over what.
fn paired(file: &PairsFile, axes: &[Axis]) -> Result<Pairs, String> {
    let axis = shown(&file.axis, "pairs.axis", axes)?;
    let over = file.over.as_ref().map(|name| shown(name, "pairs.over", axes)).transpose()?;
    if over == Some(axis) {
        return Err(format!("pairs.over: `{}` is the axis whose values are compared; name another", file.axis));
    }
    let Some(over) = over else {
        return match file.without.first() {
            Some(value) => Err(format!("pairs.without: `{value}` is a value of no axis without pairs.over")),
            None => Ok(Pairs { axis, over: None }),
        };
    };
    let out: Vec<usize> =
        file.without.iter().map(|name| value_of(&axes[over], name, "pairs.without")).collect::<Result<_, _>>()?;
    let (left_out, counted): (Vec<usize>, _) = (0..axes[over].choices.len()).partition(|value| out.contains(value));
    if counted.is_empty() {
        return Err(format!("pairs.without: no value of axis `{}` is left", axes[over].name));
    }
    Ok(Pairs { axis, over: Some(Over { axis: over, counted, left_out }) })
}

/// An axis and the value of it that is its default.
fn default(axis: &str, value: &toml::Value, axes: &[Axis]) -> Result<(usize, usize), String> {
    let place = shown(axis, "default", axes)?;
    Ok((place, value_of(&axes[place], &name(value), "default")?))
}

fn value_of(axis: &Axis, name: &str, key: &str) -> Result<usize, String> {
    let place = axis.choices.iter().position(|choice| choice.name == name);
    place.ok_or_else(|| format!("{key}: axis `{}` has no `{name}`", axis.name))
}

/// The name of a bare value.
fn name(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The place of an axis that a key of the file names, which is not chosen from.
fn shown(name: &str, key: &str, axes: &[Axis]) -> Result<usize, String> {
    Axis::shown(axes, name).map_err(|reason| format!("{key}: {reason}"))
}

fn axis(file: &AxisFile) -> Result<Axis, String> {
    let of = |reason: String| format!("axis `{}`: {reason}", file.name);
    if file.values.is_empty() {
        return Err(of("give it at least one value".into()));
    }
    let choice = |value: &toml::Value| match value {
        toml::Value::Table(_) => {
            let ChoiceFile { name, set, noise } =
                ChoiceFile::deserialize(value.clone()).map_err(|e| e.message().to_owned())?;
            let noise = noise.map(|noise| noise.config().map_err(|error| format!("`{name}`: {error}"))).transpose()?;
            Ok(Choice { name, set, noise: noise.flatten() })
        }
        bare => {
            let key = file.key.as_ref().ok_or_else(|| format!("{bare} is a bare value, and no key says of what"))?;
            Ok(Choice { name: name(bare), set: vec![format!("{key}={bare}")], noise: None })
        }
    };
    let choices = file.values.iter().map(choice).collect::<Result<Vec<_>, String>>().map_err(of)?;
    distinct(choices.iter().map(|choice| choice.name.clone()), "values").map_err(of)?;
    Ok(Axis { name: file.name.clone(), choose: file.choose, choices })
}

fn distinct(names: impl Iterator<Item = String>, what: &str) -> Result<(), String> {
    let mut seen = HashSet::new();
    for name in names {
        if seen.contains(&name) {
            return Err(format!("{what}: `{name}` is there twice"));
        }
        seen.insert(name);
    }
    Ok(())
}
