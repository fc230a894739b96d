//! The recipe of one run of a sweep.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use ghm_sweep::{Run, Sweep};
use ghm_train::{Plan, Recipe};
use sha2::{Digest, Sha256};

use super::data;
use super::folder::Folder;

/// A run's recipe on data without noise.
pub fn clean(run: &Run, sweep: &Sweep, text: &str, folder: &Folder) -> Result<Recipe> {
    let mut recipe = match data::scenes(sweep, folder) {
        Some(scenes) => Recipe::for_data(text, &scenes, &run.overrides)?,
        None => Recipe::parse(text, &run.overrides)?,
    };
    if sweep.scenes.is_some() {
        // They have splits of their own.
        (recipe.data.train, recipe.data.validation) = (None, None);
    }
    recipe.validate()?;
    Ok(recipe.with_absolute_paths())
}

/// By what a run is run, as a digest that is the same wherever its files lie, of which only the name counts outside of the sweep's folder,
/// and that later keys leave as it is: a key at its default does not count.
pub fn settings(run: &Run, clean: &Recipe, folder: &Folder) -> Result<String> {
    let mut recipe = clean.clone();
    recipe.data.root = folder.portable(&recipe.data.root);
    recipe.model.weights = recipe.model.weights.map(|path| folder.portable(&path));
    let defaults = lines(&Recipe::for_data("", Path::new(""), &[])?)?;
    let own: Vec<String> = lines(&recipe)?.difference(&defaults).cloned().collect();
    let digest = Sha256::digest(format!("{}\n{:?}", own.join("\n"), run.noise));
    Ok(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// A recipe as lines `key = value`, the keys with dots.
fn lines(recipe: &Recipe) -> Result<BTreeSet<String>> {
    fn add(lines: &mut BTreeSet<String>, name: &str, value: &toml::Value) {
        match value {
            toml::Value::Table(table) => {
                table.iter().for_each(|(key, value)| add(lines, &format!("{name}.{key}"), value))
            }
            _ => {
                lines.insert(format!("{name} = {value}"));
            }
        }
    }
    let table: toml::Table = recipe.to_toml()?.parse()?;
    let mut lines = BTreeSet::new();
    table.iter().for_each(|(key, value)| add(&mut lines, key, value));
    Ok(lines)
}

/// A run's recipe on its own data.
pub fn own(run: &Run, clean: &Recipe, folder: &Folder) -> Result<Recipe> {
    let mut recipe = clean.clone();
    recipe.data.root = data::of_run(run, clean, folder)?;
    Ok(recipe)
}

/// The recipe as a run directory will have it; refuses data on which nothing could be measured.
pub fn planned(recipe: &Recipe) -> Result<Recipe> {
    let plan = Plan::new(recipe.clone())?;
    if plan.validation.is_none() {
        let root = recipe.data.root.display();
        bail!("{root}: no validation split, so there is nothing to compare: name one with data.validation");
    }
    Ok(plan.recipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_at_their_defaults_are_no_lines_beyond_the_defaults() {
        let of = |overrides: &[&str]| {
            let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
            lines(&Recipe::for_data("", Path::new("data"), &overrides).unwrap()).unwrap()
        };
        let beyond = |overrides: &[&str]| of(overrides).difference(&of(&[])).cloned().collect::<Vec<_>>();
        assert_eq!(beyond(&["loss.classification.bins=30", "schedule.epochs=12"]), [""; 0]);
        assert_eq!(
            beyond(&["loss.classification.cap=2", "schedule.epochs=3", "seed=0"]),
            ["loss.classification.cap = 2.0", "schedule.epochs = 3"]
        );
    }
}
