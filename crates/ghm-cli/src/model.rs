//! The network that a verb looks through: a run's, or one from a file of weights, of any library.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::Device;
use ghm_data::{Category, coco_classes, coco_classes_by_number};
use ghm_detector::{WeightsSummary, inspect_weights};
use ghm_train::{Description, Predictor, Recipe, RunDirectory};

use crate::arguments::ModelArguments;

/// Opens it, saying on stderr what is to be said about it.
pub fn open(arguments: &ModelArguments, device: &Device) -> Result<Predictor> {
    if arguments.model.is_file() {
        return from_weights(arguments, device);
    }
    ensure!(arguments.model.exists(), "{}: no such run directory or file of weights", arguments.model.display());
    let directory = RunDirectory::open(&arguments.model)?;
    let of_weights = [
        ("--recipe", arguments.recipe.is_some()),
        ("--set", !arguments.settings.is_empty()),
        ("--classes", arguments.classes.is_some()),
    ];
    if let Some((option, _)) = of_weights.iter().find(|(_, given)| *given) {
        bail!("{option}: a run has its own recipe and classes; this is for a file of weights");
    }
    Ok(Predictor::open(&directory, device)?)
}

fn from_weights(arguments: &ModelArguments, device: &Device) -> Result<Predictor> {
    let path = &arguments.model;
    let summary = inspect_weights(path)?;
    let described = match Description::from_metadata(&summary.metadata) {
        Ok(described) => described,
        // What is given goes before what the file says.
        Err(_) if arguments.recipe.is_some() && arguments.classes.is_some() => None,
        Err(reason) => bail!("{}: {reason}; give its --recipe and --classes", path.display()),
    };
    let recipe = recipe(arguments, &summary, described.as_ref())?;
    let classes = match &arguments.classes {
        Some(list) => listed_classes(list)?,
        None => classes(path, &summary, described)?,
    };
    let (predictor, report) = Predictor::from_weights(path, recipe, classes, device)?;
    eprintln!("weights: {}: {report}", path.display());
    Ok(predictor)
}

/// By `--recipe`, or else by what the file says and shows; then by `--set`.
fn recipe(arguments: &ModelArguments, summary: &WeightsSummary, described: Option<&Description>) -> Result<Recipe> {
    if let Some(path) = &arguments.recipe {
        return Ok(Recipe::read(path, &arguments.settings)?);
    }
    let mut overrides = summary.settings.clone();
    if let Some(Description { input, .. }) = described {
        let (width, height, swap) = (input.width, input.height, input.swap_portrait);
        overrides.push(format!("input={{ width = {width}, height = {height}, swap_portrait = {swap} }}"));
    }
    // With its defaults written out, so that a single key of a table can be set.
    let taken = Recipe::for_data("", Path::new("."), &overrides)?.to_toml()?;
    let recipe = Recipe::parse(&taken, &arguments.settings)?;
    if described.is_none() {
        let key = |setting: &str| setting.split('=').next().unwrap_or_default().to_owned();
        let set: Vec<String> = arguments.settings.iter().map(|setting| key(setting)).collect();
        let shown: Vec<&str> =
            summary.settings.iter().filter(|taken| !set.contains(&key(taken))).map(String::as_str).collect();
        let (width, height) = (recipe.input.width, recipe.input.height);
        eprintln!("taken as: {}, input {width}x{height}; --set says otherwise", shown.join(" "));
    }
    Ok(recipe)
}

/// Those that the file names, or COCO's where it has as many, or numbers.
fn classes(path: &Path, summary: &WeightsSummary, described: Option<Description>) -> Result<Vec<Category>> {
    if let Some(described) = described {
        let (said, has) = (described.classes.len(), summary.classes.unwrap_or(0));
        ensure!(said == has, "{}: its header names {said} classes, its last layer has {has}", path.display());
        return Ok(described.classes);
    }
    match summary.classes {
        Some(80) => Ok(coco_classes()),
        Some(91) => Ok(coco_classes_by_number()),
        Some(count) => {
            eprintln!("warning: {}: says no names of its {count} classes; give --classes FILE", path.display());
            Ok((0..count as u64).map(|id| Category { id, name: format!("class {id}") }).collect())
        }
        None => bail!(
            "{}: is a {} and no whole detector; give a detector's weights, or train one: ghm train RECIPE model.weights={}",
            path.display(),
            summary.layout.name(),
            path.display()
        ),
    }
}

/// A file's lines.
fn listed_classes(path: &Path) -> Result<Vec<Category>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let names: Vec<&str> = text.lines().map(str::trim).filter(|name| !name.is_empty()).collect();
    ensure!(!names.is_empty(), "{}: names no class; give one a line, in the order of the outputs", path.display());
    Ok(names.iter().zip(0..).map(|(name, id)| Category { id, name: (*name).to_owned() }).collect())
}
