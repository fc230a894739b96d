//! The recipe of one run of a sweep.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use ghm_data::NoiseConfig;
use ghm_sweep::metric::class_of;
use ghm_sweep::{Run, Sweep};
use ghm_train::{Plan, Recipe};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::data;
use super::places::Places;

/// A run's recipe on data without noise.
pub fn clean(run: &Run, sweep: &Sweep, text: &str, places: &Places) -> Result<Recipe> {
    let mut recipe = match data::scenes(sweep, places) {
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

/// Counted up whenever the default of a key that there was becomes another; a new key leaves it as it is.
const DEFAULTS: u32 = 1;

/// By what a run is run, as a digest that is the same wherever its files lie, of which only the name counts outside of the sweep's folder.
/// A key at its default does not count, so that one of a later version changes no digest of before, nor does a weight of boxes that is said
/// and is that of its kind.
pub fn settings(run: &Run, clean: &Recipe, places: &Places) -> Result<String> {
    let mut recipe = clean.clone();
    recipe.data.root = places.portable(&recipe.data.root);
    recipe.model.weights = recipe.model.weights.map(|path| places.portable(&path));
    let said = recipe.loss.regression.weight.take();
    // Now that none is said `weight()` is that of the kind.
    recipe.loss.regression.weight = said.filter(|weight| *weight != recipe.loss.regression.weight());
    let mut own = beyond(&recipe, &Recipe::for_data("", Path::new(""), &[])?)?;
    if let Some(noise) = &run.noise {
        own.extend(beyond(noise, &NoiseConfig::default())?.into_iter().map(|line| format!("noise: {line}")));
    }
    let digest = Sha256::digest(format!("{DEFAULTS}\n{}", own.join("\n")));
    Ok(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// Settings that are not at their defaults, as lines.
fn beyond<T: Serialize>(own: &T, defaults: &T) -> Result<Vec<String>> {
    Ok(lines(own)?.difference(&lines(defaults)?).cloned().collect())
}

/// Settings as lines `key = value`, the keys with dots.
fn lines(settings: &impl Serialize) -> Result<BTreeSet<String>> {
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
    let mut lines = BTreeSet::new();
    toml::Table::try_from(settings)?.iter().for_each(|(key, value)| add(&mut lines, key, value));
    Ok(lines)
}

/// A run's recipe on its own data.
pub fn own(run: &Run, clean: &Recipe, places: &Places) -> Result<Recipe> {
    let mut recipe = clean.clone();
    recipe.data.root = data::of_run(run, clean, places)?;
    Ok(recipe)
}

/// The recipe as a run directory will have it; refuses data on which what runs are compared by could not be measured.
pub fn planned(recipe: &Recipe, metric: &str) -> Result<Recipe> {
    let plan = Plan::new(recipe.clone())?;
    let root = recipe.data.root.display();
    let Some(validation) = &plan.validation else {
        bail!("{root}: no validation split, so there is nothing to compare: name one with data.validation");
    };
    let labels = validation.dataset.images.iter().flat_map(|image| &image.objects).filter(|object| !object.ignored);
    let measured: BTreeSet<&str> = labels.map(|object| plan.categories()[object.class_index].name.as_str()).collect();
    if let Some(class) = class_of(metric)
        && !measured.contains(class)
    {
        let there: Vec<&str> = measured.into_iter().collect();
        bail!("metric: {root} has no labels of a class `{class}` to measure; of these it has: {}", there.join(", "));
    }
    Ok(plan.recipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ghm_sweep::Cell;

    fn recipe(overrides: &[&str]) -> Recipe {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        Recipe::for_data("", Path::new("/sweep/data/scenes"), &overrides).unwrap()
    }

    fn digest(overrides: &[&str], noise: Option<NoiseConfig>) -> String {
        let run = Run { cell: Cell(Vec::new()), seed: 0, slug: String::new(), overrides: Vec::new(), noise };
        settings(&run, &recipe(overrides), &Places::new("/sweep".into())).unwrap()
    }

    #[test]
    fn settings_are_known_by_what_is_not_at_its_default() {
        let plain = digest(&[], None);
        assert_eq!(digest(&["loss.classification.bins=30", "schedule.epochs=12", "seed=0"], None), plain);
        assert_eq!(digest(&["loss.regression.weight=10"], None), plain);
        let smooth = "loss.regression.kind=smooth_l1";
        assert_eq!(digest(&[smooth, "loss.regression.weight=1"], None), digest(&[smooth], None));
        let flips = || Some(NoiseConfig { flip: 0.2, ..NoiseConfig::default() });
        let weights = digest(&["model.weights=/elsewhere/a.pth"], None);
        let others = [
            plain,
            digest(&["loss.classification.bins=20"], None),
            digest(&["loss.classification.cap=2"], None),
            digest(&["loss.regression.weight=1"], None),
            digest(&[smooth, "loss.regression.weight=10"], None),
            digest(&[smooth], None),
            digest(&["seed=1"], None),
            weights.clone(),
            digest(&[], flips()),
            digest(&[], flips().map(|noise| NoiseConfig { seed: 1, ..noise })),
        ];
        for (place, one) in others.iter().enumerate() {
            assert!(!others[place + 1..].contains(one), "{place}");
        }
        assert_eq!(digest(&["model.weights=/here/a.pth"], None), weights);
    }

    /// Another digest makes every `sweep.json` foreign that anybody has kept.
    #[test]
    fn a_digest_stays_what_it_was() {
        let noise = NoiseConfig::mixed(0.2, 3);
        assert_eq!(
            digest(&["seed=3", "loss.classification.cap=2", "model.norm=batch"], Some(noise)),
            "b0c29c18f507319d6cb16353614b0d84"
        );
    }

    #[test]
    fn defaults_are_those_of_this_number() {
        let now = lines(&recipe(&[])).unwrap();
        let number = format!("# {DEFAULTS}");
        let (first, before) = include_str!("defaults.txt").split_once('\n').unwrap();
        assert_eq!(first, number, "write defaults.txt anew");
        for line in before.lines() {
            assert!(
                now.contains(line),
                "`{line}` is no default any more: count DEFAULTS up, and write defaults.txt anew"
            );
        }
    }
}
