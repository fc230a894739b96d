//! The data sets of a sweep: scenes drawn for it, and labels made wrong.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use ghm_data::{Pictures, write_scenes};
use ghm_sweep::file::NoiseFile;
use ghm_sweep::{Run, Sweep};
use ghm_train::Recipe;

use super::folder::{Folder, make_parent};
use crate::corrupt;

/// Held while a data set is made.
static MAKING: Mutex<()> = Mutex::new(());

/// Draws the sweep's scenes, once; `None` where it has none.
pub fn scenes(sweep: &Sweep, folder: &Folder) -> Result<Option<PathBuf>> {
    let Some(config) = &sweep.scenes else { return Ok(None) };
    let of = format!("scenes-{}-{}-{}-seed-{}", config.train, config.validation, config.width, config.seed);
    let out = folder.data(&of);
    if !out.exists() {
        make_parent(&out)?;
        write_scenes(config, &out)?;
    }
    Ok(Some(out))
}

/// The data set that a run is trained on: as it is, or with the run's noise in its training labels, which is drawn once for all runs
/// with the same.
pub fn of_run(run: &Run, recipe: &Recipe, folder: &Folder) -> Result<PathBuf> {
    let clean = &recipe.data.root;
    let Some(noise) = run.noise.filter(|noise| *noise != NoiseFile::default()) else { return Ok(clean.clone()) };
    let out = folder.data(&format!("{}-seed-{}", name(&noise), run.seed));
    // Two runs may want the same.
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if !out.exists() {
        make_parent(&out)?;
        corrupt::write(clean, recipe.data.train.as_deref(), &noise.config(run.seed), &out, Pictures::Linked)?;
    }
    Ok(out)
}

fn name(noise: &NoiseFile) -> String {
    let NoiseFile { drop, flip, shift, spawn, mix } = *noise;
    let rates = [("mix", mix.unwrap_or(0.0)), ("drop", drop), ("flip", flip), ("shift", shift), ("spawn", spawn)];
    let named = rates.iter().filter(|(_, rate)| *rate > 0.0).map(|(name, rate)| format!("{name}-{rate}"));
    named.collect::<Vec<_>>().join("-")
}

/// `key=value` for a data set.
pub fn override_for(root: &Path) -> String {
    format!("data.root={}", toml::Value::String(root.to_string_lossy().into_owned()))
}
