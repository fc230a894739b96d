//! A network on pictures: boxes in their own pixels.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use ghm_boxes::Candidate;
use ghm_data::{Batch, Category, Dataset, Loader, LoaderConfig, Order, Sample, Skipped};
use ghm_detector::targets::{ImageTruth, Targets, assign};
use ghm_detector::{RetinaNet, WeightsReport, decode, load_model, load_weights, numbers};
use ghm_eval::Detection;

use crate::device::expect_precision;
use crate::input::Input;
use crate::learner::truth;
use crate::plan::{loader, pipeline};
use crate::{Checkpoint, Recipe, RunDirectory, TrainError};

/// A trained network with everything that its pictures need.
#[derive(Clone, Debug)]
pub struct Predictor {
    network: RetinaNet,
    recipe: Recipe,
    categories: Vec<Category>,
    input: Input,
}

/// What a predictor found.
#[derive(Clone, Debug, Default)]
pub struct Predictions {
    /// The boxes of all pictures, in the pictures' order, best first in each.
    pub detections: Vec<Detection>,
    /// Pictures that could not be read.
    pub skipped: Vec<Skipped>,
}

/// What was found in one batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchFound<'a> {
    /// Pictures done, those left out included.
    pub done: usize,
    /// Pictures to do.
    pub total: usize,
    /// Indices into [`Dataset::images`] of the batch's pictures, in order, without those left out.
    pub image_indices: &'a [usize],
    /// Their boxes, in their order.
    pub detections: &'a [Detection],
}

/// What the losses would see of one batch: outputs beside targets, in rows over levels, in a level over pictures, in a picture over
/// anchors.
#[derive(Clone, Debug)]
pub struct BatchExamples {
    /// Pictures done, those left out included.
    pub done: usize,
    /// Pictures to do.
    pub total: usize,
    /// `[rows, C]`.
    pub logits: Vec<f32>,
    /// `[rows, 4]`.
    pub deltas: Vec<f32>,
    /// What each row is to be.
    pub targets: Targets,
}

impl Predictor {
    /// A network that is still being trained, as it is now.
    pub fn new(network: &RetinaNet, recipe: &Recipe, categories: &[Category], device: &Device) -> Self {
        use burn::module::Module;
        let input = Input::new(recipe.normalise(), &device.clone().inner());
        Self { network: network.valid(), recipe: recipe.clone(), categories: categories.to_vec(), input }
    }

    /// The best network of a run, or its last where none was evaluated.
    pub fn open(directory: &RunDirectory, device: &Device) -> Result<Self, TrainError> {
        let recipe = directory.read_recipe()?;
        let best = directory.checkpoint_path("best");
        let path = if Checkpoint::exists(&best) { best } else { directory.checkpoint_path("last") };
        Self::from_checkpoint(&path, recipe, device)
    }

    fn from_checkpoint(path: &Path, recipe: Recipe, device: &Device) -> Result<Self, TrainError> {
        expect_precision(recipe.model.precision, device)?;
        let checkpoint = Checkpoint::read(path)?;
        let categories = checkpoint.state.categories;
        let network = RetinaNet::new(&recipe.model, categories.len(), recipe.seed, device)?;
        let network = load_model(network, &checkpoint.model)?;
        let input = Input::new(recipe.normalise(), device);
        Ok(Self { network, recipe, categories, input })
    }

    /// A whole network from a file of weights, of any library, that a recipe fits: what its last layer says has to be classes
    /// of `categories`. The second value says what was loaded.
    ///
    /// # Errors
    /// As of [`load_weights`]; [`TrainError::Damaged`] for a file that is no whole detector of so many classes.
    pub fn from_weights(
        path: &Path,
        recipe: Recipe,
        categories: Vec<Category>,
        device: &Device,
    ) -> Result<(Self, WeightsReport), TrainError> {
        recipe.validate()?;
        expect_precision(recipe.model.precision, device)?;
        let network = RetinaNet::new(&recipe.model, categories.len(), recipe.seed, device)?;
        let (network, report) = load_weights(network, path, &recipe.model)?;
        if let Some(tensor) = report.fresh.first() {
            let reason = match report.other_classes {
                Some(classes) => format!("it has {classes} classes, not {}", categories.len()),
                None => format!(
                    "it is no whole detector: it has no {tensor}; train one from it: ghm train RECIPE model.weights=..."
                ),
            };
            return Err(TrainError::Damaged { path: path.to_owned(), reason });
        }
        let input = Input::new(recipe.normalise(), device);
        Ok((Self { network, recipe, categories, input }, report))
    }

    /// The network.
    pub fn network(&self) -> &RetinaNet {
        &self.network
    }

    /// The recipe it was trained by.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Changes which boxes come out: nothing at or below this score.
    pub fn set_score(&mut self, score: f32) {
        self.recipe.model.predict.score = score;
    }

    /// Its classes, in the order of its outputs.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// Finds boxes in all pictures of a data set; `progress(done, total)` is called after every batch.
    pub fn run(
        &self,
        dataset: &Arc<Dataset>,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Predictions, TrainError> {
        self.run_telling(dataset, |found| {
            progress(found.done, found.total);
            ControlFlow::Continue(())
        })
    }

    /// The same; `tell` learns what was found in every batch, while the next ones are being read, and may end it: then what was found
    /// so far is returned.
    pub fn run_telling(
        &self,
        dataset: &Arc<Dataset>,
        mut tell: impl FnMut(BatchFound) -> ControlFlow<()>,
    ) -> Result<Predictions, TrainError> {
        let mut predictions = Predictions::default();
        self.each_batch(dataset, |batch, done, total| {
            predictions.skipped.append(&mut batch.skipped);
            let first = predictions.detections.len();
            if !batch.samples.is_empty() {
                predictions.detections.extend(self.detect(batch));
            }
            let image_indices: Vec<usize> = batch.samples.iter().map(|sample| sample.image_index).collect();
            let detections = &predictions.detections[first..];
            Ok(tell(BatchFound { done, total, image_indices: &image_indices, detections }))
        })?;
        Ok(predictions)
    }

    /// What the losses would see of all pictures of a data set, unchanged ones, batch by batch; returns those that could not be read.
    pub fn examples(
        &self,
        dataset: &Arc<Dataset>,
        mut tell: impl FnMut(BatchExamples) -> Result<(), TrainError>,
    ) -> Result<Vec<Skipped>, TrainError> {
        let mut skipped = Vec::new();
        self.each_batch(dataset, |batch, done, total| {
            skipped.append(&mut batch.skipped);
            if batch.samples.is_empty() {
                return Ok(ControlFlow::Continue(()));
            }
            let output = self.network.forward(self.input.tensor(batch));
            let truths: Vec<ImageTruth> = batch.samples.iter().map(truth).collect();
            let targets = assign(&self.recipe.model, &output.maps, &truths);
            tell(BatchExamples { done, total, logits: joined(output.logits), deltas: joined(output.deltas), targets })?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(skipped)
    }

    /// Every batch of a data set in order, with how many pictures it brings those done to, and how many there are.
    fn each_batch(
        &self,
        dataset: &Arc<Dataset>,
        mut each: impl FnMut(&mut Batch, usize, usize) -> Result<ControlFlow<()>, TrainError>,
    ) -> Result<(), TrainError> {
        let total = dataset.images.len();
        let order = Order {
            seed: 0,
            images: total,
            batch_size: self.recipe.evaluation.batch,
            shuffle: false,
            drop_last: false,
        };
        let config = LoaderConfig { cache: 0, ..loader(&self.recipe, self.input.form()) }; // every picture is read once
        let loader = Loader::new(Arc::clone(dataset), pipeline(&self.recipe, None), order, config)?;
        let mut done = 0;
        for mut batch in loader.epoch(0, 0) {
            done += batch.samples.len() + batch.skipped.len();
            if each(&mut batch, done, total)?.is_break() {
                break;
            }
            loader.recycle(batch);
        }
        Ok(())
    }

    fn detect(&self, batch: &Batch) -> Vec<Detection> {
        let output = self.network.forward(self.input.tensor(batch));
        let sizes: Vec<(usize, usize)> = batch.samples.iter().map(|sample| sample.content_size).collect();
        let found = decode(&self.recipe.model, output, &sizes);
        let one = |(sample, found): (&Sample, Vec<Candidate>)| {
            found.into_iter().filter_map(|c| in_image(sample, c, &self.categories)).collect::<Vec<_>>()
        };
        batch.samples.iter().zip(found).flat_map(one).collect()
    }
}

/// The numbers of all levels, one after the other.
fn joined(levels: Vec<Tensor<3>>) -> Vec<f32> {
    levels.into_iter().flat_map(numbers).collect()
}

/// A box in the pixels of the original picture; `None` when rounding leaves nothing of it.
fn in_image(sample: &Sample, found: Candidate, categories: &[Category]) -> Option<Detection> {
    let (width, height) = sample.image_size;
    let bbox = sample.input_from_image.invert().apply(found.bbox).clip(width as f32, height as f32);
    let category_id = categories.get(found.class_index)?.id;
    let score = f64::from(found.score.clamp(0.0, 1.0));
    bbox.is_proper().then(|| Detection {
        image_id: sample.image_id,
        category_id,
        bbox: bbox.to_xywh().map(f64::from),
        score,
    })
}
