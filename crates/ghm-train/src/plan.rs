//! The recipe checked against the data: what will be trained on what.

use std::path::Path;
use std::sync::Arc;

use ghm_data::{
    AugmentConfig, Category, Dataset, Finding, LoaderConfig, Order, Pipeline, PixelForm, Source, check_findings,
};

use crate::schedule::Schedule;
use crate::{Recipe, TrainError};

/// Batches that wait for the network, at most.
const QUEUE: usize = 4;

/// One split, ready to be loaded.
#[derive(Clone, Debug)]
pub struct Split {
    /// Its name in the data set.
    pub name: String,
    /// Its pictures.
    pub dataset: Arc<Dataset>,
}

/// A run that can start.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the user asked for, splits resolved.
    pub recipe: Recipe,
    /// Trained on.
    pub train: Split,
    /// Evaluated on.
    pub validation: Option<Split>,
    /// Everything wrong with both splits.
    pub findings: Vec<Finding>,
    /// The content of both splits as one string.
    pub fingerprint: String,
}

impl Plan {
    /// Reads the data that a recipe names and checks that they fit it and each other.
    pub fn new(mut recipe: Recipe) -> Result<Self, TrainError> {
        recipe.validate()?;
        let root = recipe.data.root.clone();
        // The resolved recipe is read again from anywhere.
        recipe = recipe.with_absolute_paths();
        let source = ghm_data::open(&root)?;
        let train_name = choose(&source, recipe.data.train.as_deref(), &["train"])?.ok_or_else(|| {
            let reason = format!("no split is called train; set data.train to one of: {}", source.splits().join(", "));
            TrainError::Split { root: root.clone(), reason }
        })?;
        let validation_name = choose(&source, recipe.data.validation.as_deref(), &["val", "test"])?;
        let mut findings = Vec::new();
        let mut load = |name: &str| -> Result<Split, TrainError> {
            let loaded = source.load(name)?;
            findings.extend(loaded.findings);
            Ok(Split { name: name.to_owned(), dataset: Arc::new(loaded.dataset) })
        };
        let train = load(&train_name)?;
        let validation = validation_name.as_deref().map(&mut load).transpose()?;
        check_findings(&findings, recipe.data.on_bad)?;
        if let Some(validation) = &validation {
            same_classes(&root, &train, validation)?;
        }
        expect_boxes(&root, &train)?;
        let fingerprint = fingerprint(&train, validation.as_ref());
        recipe.data.train = Some(train_name);
        recipe.data.validation = validation_name;
        let plan = Self { recipe, train, validation, findings, fingerprint };
        plan.updates_per_epoch_checked()
    }

    fn updates_per_epoch_checked(self) -> Result<Self, TrainError> {
        if self.updates_per_epoch() > 0 {
            return Ok(self);
        }
        let (pictures, schedule) = (self.train.dataset.images.len(), &self.recipe.schedule);
        let needed = schedule.batch * self.recipe.optimiser.accumulate;
        let reason = format!(
            "the split `{}` has {pictures} pictures, fewer than one update of {needed} needs; lower schedule.batch or \
             optimiser.accumulate",
            self.train.name
        );
        Err(TrainError::Split { root: self.recipe.data.root.clone(), reason })
    }

    /// A run by a recipe on some pictures of this one's training split, evaluated on none.
    pub(crate) fn on(&self, mut recipe: Recipe, pictures: Arc<Dataset>) -> Result<Self, TrainError> {
        recipe.data.validation = None;
        let train = Split { name: self.train.name.clone(), dataset: pictures };
        expect_boxes(&recipe.data.root, &train)?;
        let fingerprint = fingerprint(&train, None);
        Self { recipe, train, validation: None, findings: Vec::new(), fingerprint }.updates_per_epoch_checked()
    }

    /// The classes.
    pub fn categories(&self) -> &[Category] {
        &self.train.dataset.categories
    }

    /// Batches of one epoch: those that fill whole updates.
    pub fn batches_per_epoch(&self) -> usize {
        self.updates_per_epoch() * self.recipe.optimiser.accumulate
    }

    /// Updates of one epoch; pictures that do not fill one are left to another epoch's shuffle.
    pub fn updates_per_epoch(&self) -> usize {
        self.train_order().batches_per_epoch() / self.recipe.optimiser.accumulate
    }

    /// The learning rate over the run.
    pub fn schedule(&self) -> Schedule {
        Schedule::new(self.recipe.schedule.clone(), self.recipe.learning_rate(), self.updates_per_epoch())
    }

    /// The order of training pictures.
    pub fn train_order(&self) -> Order {
        Order {
            seed: self.recipe.seed,
            images: self.train.dataset.images.len(),
            batch_size: self.recipe.schedule.batch,
            shuffle: true,
            drop_last: true,
        }
    }

    /// What is done to training pictures.
    pub fn train_pipeline(&self) -> Pipeline {
        pipeline(&self.recipe, Some(self.recipe.augment.clone()))
    }

    /// Threads and queue of a loader that hands pixels over in a form.
    pub fn loader(&self, form: PixelForm) -> LoaderConfig {
        loader(&self.recipe, form)
    }
}

/// What is done to pictures: for training with random changes, else without.
pub fn pipeline(recipe: &Recipe, augment: Option<AugmentConfig>) -> Pipeline {
    Pipeline { resize: recipe.input, normalise: recipe.normalise(), augment }
}

/// Threads and queue of a loader that hands pixels over in a form.
pub fn loader(recipe: &Recipe, form: PixelForm) -> LoaderConfig {
    // As many as compute, which RAYON_NUM_THREADS may have limited.
    let threads = if recipe.data.threads == 0 { rayon::current_num_threads() } else { recipe.data.threads };
    LoaderConfig { threads, queue: QUEUE, cache: recipe.data.cache_mb.saturating_mul(1_000_000), form }
}

/// The split that is named, or the only one that starts with the first of `prefixes` that any starts with.
fn choose(source: &Source, named: Option<&str>, prefixes: &[&str]) -> Result<Option<String>, TrainError> {
    if let Some(name) = named {
        return Ok(Some(name.to_owned()));
    }
    for prefix in prefixes {
        let matching: Vec<&String> = source.splits().iter().filter(|split| split.starts_with(prefix)).collect();
        match matching.as_slice() {
            [] => continue,
            [one] => return Ok(Some((*one).clone())),
            several => {
                let exact = several.iter().find(|split| split.as_str() == *prefix);
                return exact.map(|split| Some((*split).clone())).ok_or_else(|| {
                    let names = several.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(", ");
                    let key = if *prefix == "train" { "data.train" } else { "data.validation" };
                    let reason = format!("several splits could be meant ({names}); set {key}");
                    TrainError::Split { root: source.root().to_owned(), reason }
                });
            }
        }
    }
    Ok(None)
}

fn same_classes(root: &Path, train: &Split, validation: &Split) -> Result<(), TrainError> {
    let names = |split: &Split| split.dataset.categories.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    let (a, b) = (names(train), names(validation));
    if train.dataset.categories == validation.dataset.categories {
        return Ok(());
    }
    let reason = format!(
        "the classes of `{}` ({}) and `{}` ({}) differ; both must list the same names and numbers in the same order",
        train.name,
        a.join(", "),
        validation.name,
        b.join(", ")
    );
    Err(TrainError::Split { root: root.to_owned(), reason })
}

fn expect_boxes(root: &Path, split: &Split) -> Result<(), TrainError> {
    if split.dataset.images.iter().all(|image| image.objects.iter().all(|object| object.ignored)) {
        return Err(TrainError::NoBoxes { root: root.to_owned(), split: split.name.clone() });
    }
    Ok(())
}

fn fingerprint(train: &Split, validation: Option<&Split>) -> String {
    let one = |split: &Split| ghm_data::fingerprint(&split.dataset);
    match validation {
        Some(validation) => format!("{}+{}", one(train), one(validation)),
        None => one(train),
    }
}
