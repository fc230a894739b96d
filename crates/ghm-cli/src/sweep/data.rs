//! The data sets of a sweep: scenes drawn for it, and labels made wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use ghm_data::{NoiseConfig, Pictures, write_scenes};
use ghm_sweep::{Run, Sweep};
use ghm_train::Recipe;
use sha2::{Digest, Sha256};

use super::folder::{Folder, make_parent};
use super::places::Places;
use crate::corrupt;

/// Held while a data set is made: two runs may want the same.
static MAKING: Mutex<()> = Mutex::new(());

/// Where the sweep's scenes lie; `None` where it has none.
pub fn scenes(sweep: &Sweep, places: &Places) -> Option<PathBuf> {
    let config = sweep.scenes.as_ref()?;
    let (train, validation, side) = (config.train, config.validation, config.width);
    Some(places.data(&format!("scenes-{train}-{validation}-{side}-seed-{}", config.seed)))
}

/// Where the data set of a run lies whose recipe names a clean one.
pub fn of_run(run: &Run, clean: &Recipe, places: &Places) -> Result<PathBuf> {
    let Some(noise) = &run.noise else { return Ok(clean.data.root.clone()) };
    let root = std::path::absolute(&clean.data.root)?;
    let source = Sha256::digest(format!("{}\n{:?}", root.display(), clean.data.train));
    let source: String = source.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let NoiseConfig { drop, flip, shift, spawn, seed, .. } = noise;
    Ok(places.data(&format!("{source}-drop-{drop}-flip-{flip}-shift-{shift}-spawn-{spawn}-seed-{seed}")))
}

/// Makes what a run is trained on, where it is not there yet.
pub fn make(run: &Run, clean: &Recipe, sweep: &Sweep, folder: &Folder) -> Result<()> {
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let (Some(config), Some(out)) = (&sweep.scenes, scenes(sweep, folder.places()))
        && out == clean.data.root
    {
        once(&out, |partial| write_scenes(config, partial).map(|_| ()).map_err(Into::into))?;
    }
    let Some(noise) = &run.noise else { return Ok(()) };
    once(&of_run(run, clean, folder.places())?, |partial| {
        corrupt::write(&clean.data.root, clean.data.train.as_deref(), noise, partial, Pictures::Linked).map(|_| ())
    })
}

/// Has a folder written beside its place, so that one that is there is whole. What a process left half written is removed first.
fn once(out: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if out.exists() {
        return Ok(());
    }
    make_parent(out)?;
    let partial = format!("{}.partial", out.file_name().unwrap_or_default().to_string_lossy());
    for entry in fs::read_dir(out.parent().unwrap_or(Path::new(".")))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&partial) {
            let path = entry.path();
            fs::remove_dir_all(&path).with_context(|| format!("{}: cannot be removed", path.display()))?;
        }
    }
    let partial = out.with_file_name(partial);
    write(&partial)?;
    fs::rename(&partial, out).with_context(|| format!("{}: cannot be put in its place", out.display()))
}
