//! The recipe of one run of a sweep.

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

/// By what a run is run, as a digest that is the same wherever its files lie: of what lies outside of the sweep's folder only the name
/// counts.
pub fn settings(run: &Run, clean: &Recipe, folder: &Folder) -> Result<String> {
    let mut recipe = clean.clone();
    recipe.data.root = folder.portable(&recipe.data.root);
    recipe.model.weights = recipe.model.weights.map(|path| folder.portable(&path));
    let digest = Sha256::digest(format!("{}\n{:?}", recipe.to_toml()?, run.noise));
    Ok(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
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
