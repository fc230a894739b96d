//! A network that is being trained: its losses, its update rule, and what one batch does to it.

use std::time::Instant;

use burn::tensor::Device;
use ghm_burn::{Awaited, BatchCounts, BatchTargets, BatchWeights, Criterion};
use ghm_data::{Batch, Sample};
use ghm_detector::evidence::gather;
use ghm_detector::targets::{ImageTruth, Targets, assign};
use ghm_detector::{ModelConfig, Output, Part, RetinaNet, load_weights};
use ghm_eval::Evidence;

use crate::device::expect_precision;
use crate::evidence::in_image;
use crate::input::Input;
use crate::optimise::Optimiser;
use crate::step_record::StepTime;
use crate::{Recipe, TrainError};

/// A network that is being trained.
pub struct Learner {
    /// The network.
    pub network: RetinaNet,
    /// The update rule with its history.
    pub optimiser: Optimiser,
    /// The losses with their densities.
    pub criterion: Criterion,
    model: ModelConfig,
    input: Input,
    device: Device,
    /// Batches of an update.
    accumulate: usize,
    /// The `mu` of the offsets' gradient norms, where evidence is gathered.
    evidence: Option<f32>,
}

/// What one batch gave.
#[derive(Clone, Debug)]
pub struct Learned {
    /// Its part of the classification loss of the update.
    pub classification: Awaited,
    /// Its part of the regression loss of the update.
    pub regression: Awaited,
    /// Anchors that answer for an object.
    pub positives: usize,
    /// What the network said of the labels, picture by picture, before it learned from them; empty where nobody asks.
    pub evidence: Vec<Evidence>,
    /// How long it took.
    pub time: StepTime,
}

/// Who is told that a part is through.
pub type Watch<'a> = &'a mut dyn FnMut(Stage);

/// What a batch goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Pixels to the device.
    Pixels,
    /// A part of the forward pass.
    Forward(Part),
    /// Targets of the anchors.
    Targets,
    /// Both losses with their gradients.
    Loss,
    /// What the network says of each label, where somebody asks.
    Evidence,
    /// The backward pass.
    Backward,
}

impl Learner {
    /// A network with fresh weights and an update rule without history, by the recipe, for so many classes.
    pub fn new(recipe: &Recipe, classes: usize, device: &Device) -> Result<Self, TrainError> {
        expect_precision(recipe.model.precision, device)?;
        let gathers = recipe.audit.evidence.unwrap_or(*device == Device::flex());
        let device = device.clone().autodiff();
        Ok(Self {
            network: RetinaNet::new(&recipe.model, classes, recipe.seed, &device)?,
            optimiser: Optimiser::new(&recipe.optimiser),
            criterion: Criterion::new(recipe.loss.clone(), classes)?.coded(recipe.model.coder),
            model: recipe.model.clone(),
            input: Input::new(recipe.normalise(), &device),
            device,
            accumulate: recipe.optimiser.accumulate,
            evidence: gathers.then_some(recipe.loss.regression.mu),
        })
    }

    /// Loads the file that `model.weights` names, where it names one, and says what was loaded.
    pub fn load_weights(&mut self) -> Result<Option<String>, TrainError> {
        let Some(path) = &self.model.weights else { return Ok(None) };
        let (network, report) = load_weights(self.network.clone(), path, &self.model)?;
        self.network = network;
        Ok(Some(format!("{}: {report}", path.display())))
    }

    /// The device, with its gradients.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// How batches come to the device.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// Counts all batches of an update, so that the density is over them all. It costs a forward pass of each, which is
    /// run again for its gradients: activations of all at once would be what accumulating is there to avoid.
    pub fn count(&mut self, batches: &[Batch]) -> Result<BatchWeights, TrainError> {
        let mut counts = BatchCounts::default();
        for batch in batches.iter().filter(|batch| !batch.samples.is_empty()) {
            let output = self.network.forward(self.input.tensor(batch));
            let targets = self.targets(batch, &output);
            counts.merge(&self.criterion.count(&output.logits, &output.deltas, &rows(&targets))?)?;
        }
        self.network.drop_statistics();
        Ok(self.criterion.take_in(&counts)?)
    }

    /// Forward, loss and backward of one batch, whose gradients wait for [`Learner::apply`]; `weights` are those of the
    /// whole update, where they are known already.
    pub fn learn(
        &mut self,
        batch: &Batch,
        weights: Option<&BatchWeights>,
        watch: Watch,
    ) -> Result<Learned, TrainError> {
        let clock = Instant::now();
        let pixels = self.input.tensor(batch);
        watch(Stage::Pixels);
        let output = self.network.forward_telling(pixels, &mut |part| watch(Stage::Forward(part)));
        let targets = self.targets(batch, &output);
        watch(Stage::Targets);
        let forward = clock.elapsed().as_secs_f64();
        let (scale, rows) = (1.0 / self.accumulate as f32, rows(&targets));
        let loss = match weights {
            Some(weights) => self.criterion.apply(&output.logits, &output.deltas, &rows, weights, scale)?,
            None => self.criterion.forward(&output.logits, &output.deltas, &rows, scale)?,
        };
        watch(Stage::Loss);
        let after_loss = clock.elapsed().as_secs_f64();
        let evidence = self.evidence(batch, &output, &targets);
        drop(output);
        watch(Stage::Evidence);
        let after_evidence = clock.elapsed().as_secs_f64();
        self.optimiser.accumulate(&self.network, loss.total.backward());
        watch(Stage::Backward);
        let end = clock.elapsed().as_secs_f64();
        let time = StepTime {
            forward,
            loss: after_loss - forward,
            evidence: after_evidence - after_loss,
            backward: end - after_evidence,
            ..StepTime::default()
        };
        let (classification, regression) = (loss.classification, loss.regression);
        Ok(Learned { classification, regression, positives: targets.positives.len(), evidence, time })
    }

    /// Updates the network by the gradients that wait, unless their norm, which is returned, is not finite. On a device
    /// where the host does not know the norm yet, gradients whose norm is not finite count as zeros: momentum and weight
    /// decay act as ever.
    pub fn apply(&mut self, learning_rate: f64) -> Awaited {
        let (norm, gradients) = self.optimiser.clipped(&self.network);
        if !matches!(norm, Awaited::Known(norm) if !norm.is_finite()) {
            self.optimiser.update(&mut self.network, gradients, learning_rate);
            self.network.fold_statistics();
        }
        norm
    }

    fn evidence(&self, batch: &Batch, output: &Output, targets: &Targets) -> Vec<Evidence> {
        let Some(mu) = self.evidence else { return Vec::new() };
        let truths: Vec<ImageTruth> = batch.samples.iter().map(truth).collect();
        let said = gather(&self.model, mu, output, targets, &truths);
        batch.samples.iter().zip(said).map(|(sample, said)| in_image(sample, said)).collect()
    }

    fn targets(&self, batch: &Batch, output: &Output) -> Targets {
        let truths: Vec<ImageTruth> = batch.samples.iter().map(truth).collect();
        assign(&self.model, &output.maps, &truths)
    }
}

/// The targets as the losses take them.
fn rows(targets: &Targets) -> BatchTargets<'_> {
    BatchTargets { classes: &targets.classes, deltas: &targets.deltas, delta_weights: &targets.delta_weights }
}

/// A sample's objects as targets are made of them.
pub fn truth(sample: &Sample) -> ImageTruth<'_> {
    ImageTruth {
        bboxes_in_input: &sample.bboxes_in_input,
        class_indices: &sample.class_indices,
        ignored_in_input: &sample.ignored_in_input,
        content_size: sample.content_size,
    }
}
