//! The loop: batches in, updates made, epochs evaluated, state saved.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use ghm_burn::BatchWeights;
use ghm_data::{Batch, Loader, Skipped};
use ghm_detector::load_model;
use ghm_eval::{Evaluation, GroundTruth, evaluate, write_detections};

use crate::checkpoint::write_checkpoint;
use crate::error::io;
use crate::learner::Learner;
use crate::pending::{Pending, Update};
use crate::plan::Plan;
use crate::predictor::Predictor;
use crate::run_directory::{RunLogs, replace_file};
use crate::schedule::Schedule;
use crate::step_record::{DensityRecord, EpochRecord, StepRecord};
use crate::{Checkpoint, CheckpointState, Description, Observer, RunDirectory, TrainError};

/// How a session ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// All epochs were done.
    Finished {
        /// The numbers of the last epoch, where there is a validation split.
        evaluation: Option<Box<Evaluation>>,
    },
    /// It was asked to stop, and its state is saved.
    Stopped {
        /// Updates made.
        step: usize,
    },
}

/// A run in progress.
pub struct Session {
    plan: Plan,
    directory: RunDirectory,
    learner: Learner,
    schedule: Schedule,
    state: CheckpointState,
    /// Updates made whose numbers are not in the logs yet.
    pending: Pending,
    started: Instant,
    /// Seconds that earlier sessions took.
    seconds_before: f64,
}

impl Session {
    /// A fresh run: fresh weights, or the backbone of `model.weights`; writes the recipe. The second value says what
    /// was loaded.
    pub fn start(plan: Plan, directory: RunDirectory, device: &Device) -> Result<(Self, Option<String>), TrainError> {
        let (session, note) = Self::fresh(plan, directory, device)?;
        session.directory.write_recipe(&session.plan.recipe, &session.plan.fingerprint)?;
        Ok((session, note))
    }

    fn fresh(plan: Plan, directory: RunDirectory, device: &Device) -> Result<(Self, Option<String>), TrainError> {
        let mut session = Self::new(plan, directory, device)?;
        let note = session.learner.load_weights()?;
        Ok((session, note))
    }

    /// Goes on from the last checkpoint of a run.
    pub fn resume(plan: Plan, directory: RunDirectory, device: &Device) -> Result<Self, TrainError> {
        let mut session = Self::new(plan, directory, device)?;
        let path = session.directory.checkpoint_path("last");
        if !Checkpoint::exists(&path) {
            // Stopped before the first checkpoint: from the start, with the same fresh weights. Its recipe stays where it is, for
            // whoever trains there holds a lock on it.
            return Self::fresh(session.plan, session.directory, device).map(|(session, _)| session);
        }
        let checkpoint = Checkpoint::read(&path)?;
        if checkpoint.state.fingerprint != session.plan.fingerprint {
            let reason = "the data set is not the one this run was started on; start a new run".to_owned();
            return Err(TrainError::Damaged { path: session.plan.recipe.data.root.clone(), reason });
        }
        if !session.learner.criterion.accepts(&checkpoint.state.criterion) {
            let reason = "its loss settings are not those of the checkpoint, whose densities cannot go on with others; put the \
                          former ones back, or start a new run";
            return Err(TrainError::Damaged { path: session.directory.recipe_path(), reason: reason.to_owned() });
        }
        session.learner.network = load_model(session.learner.network, &checkpoint.model)?;
        let damaged = |reason| TrainError::Damaged { path: checkpoint.path().to_owned(), reason };
        session.learner.optimiser = session.learner.optimiser.restored(checkpoint.optimiser()?).map_err(damaged)?;
        session.learner.criterion.restore(checkpoint.state.criterion.clone());
        session.state = checkpoint.state;
        session.seconds_before = session.state.seconds;
        Ok(session)
    }

    fn new(plan: Plan, directory: RunDirectory, device: &Device) -> Result<Self, TrainError> {
        let learner = Learner::new(&plan.recipe, plan.categories().len(), device)?;
        let state = CheckpointState {
            step: 0,
            epoch: 0,
            step_in_epoch: 0,
            best_ap: None,
            criterion: learner.criterion.state()?,
            epoch_sums: [0.0; 2],
            epoch_updates: 0,
            skipped: BTreeSet::new(),
            skipped_validation: BTreeSet::new(),
            categories: plan.categories().to_vec(),
            fingerprint: plan.fingerprint.clone(),
            seconds: 0.0,
        };
        let (schedule, started) = (plan.schedule(), Instant::now());
        Ok(Self {
            plan,
            directory,
            learner,
            schedule,
            state,
            pending: Pending::default(),
            started,
            seconds_before: 0.0,
        })
    }

    /// Trains to the end, or until `stop` says so between two updates.
    pub fn run(mut self, stop: &dyn Fn() -> bool, observer: &mut dyn Observer) -> Result<Ended, TrainError> {
        let train = Arc::clone(&self.plan.train.dataset);
        let order = self.plan.train_order();
        let config = self.plan.loader(self.learner.input().form());
        let loader = Loader::new(train, self.plan.train_pipeline(), order, config)?;
        let mut logs = self.directory.open_logs(self.state.step)?;
        observer.started(&self.plan, self.state.step);
        let mut evaluation = None;
        while self.state.epoch < self.plan.recipe.schedule.epochs {
            if self.train_epoch(&loader, &mut logs, stop, observer)? {
                self.save("last", &logs)?;
                return Ok(Ended::Stopped { step: self.state.step });
            }
            evaluation = self.finish_epoch(&mut logs, observer)?;
        }
        Ok(Ended::Finished { evaluation: evaluation.or_else(|| self.saved_evaluation()).map(Box::new) })
    }

    /// The rest of the current epoch; true when it was asked to stop.
    fn train_epoch(
        &mut self,
        loader: &Loader,
        logs: &mut RunLogs,
        stop: &dyn Fn() -> bool,
        observer: &mut dyn Observer,
    ) -> Result<bool, TrainError> {
        let accumulate = self.plan.recipe.optimiser.accumulate;
        let updates = self.plan.updates_per_epoch();
        let mut batches = loader.epoch(self.state.epoch, self.state.step_in_epoch * accumulate);
        while self.state.step_in_epoch < updates {
            if stop() {
                self.settle(logs, observer)?;
                return Ok(true);
            }
            let update = match self.update(&mut batches, loader, observer) {
                Ok(update) => update,
                Err(error) => {
                    // Those before it come first, in the logs and as an error.
                    self.settle(logs, observer)?;
                    return Err(error);
                }
            };
            self.state.step_in_epoch += 1;
            self.pending.push(update);
            let (every, ends) = (self.plan.recipe.checkpoint.every_steps, self.state.step_in_epoch == updates);
            let saves = every > 0 && self.state.step.is_multiple_of(every) && !ends;
            if saves || ends || self.pending.is_due() {
                self.settle(logs, observer)?;
            }
            if saves {
                self.save("last", logs)?;
            }
        }
        Ok(false)
    }

    /// Reads the numbers of the updates made and writes them down; their losses and norms have to be finite.
    fn settle(&mut self, logs: &mut RunLogs, observer: &mut dyn Observer) -> Result<(), TrainError> {
        for Update { record, image_ids, evidence, .. } in self.pending.settle()? {
            let before = record.step - 1;
            self.expect_finite(record.loss, "loss", before, &image_ids)?;
            self.expect_finite(record.gradient_norm, "gradient norm", before, &image_ids)?;
            self.state.epoch_sums[0] += record.classification;
            self.state.epoch_sums[1] += record.regression;
            self.state.epoch_updates += usize::from(record.pictures > 0);
            logs.evidence(&evidence)?;
            logs.step(&record)?;
            observer.step(&record);
        }
        Ok(())
    }

    /// One update from `accumulate` batches.
    fn update(
        &mut self,
        batches: &mut impl Iterator<Item = Batch>,
        loader: &Loader,
        observer: &mut dyn Observer,
    ) -> Result<Update, TrainError> {
        let (accumulate, mut waiting) = (self.plan.recipe.optimiser.accumulate, VecDeque::new());
        let (step, epoch) = (self.state.step + 1, self.state.epoch + 1);
        let mut update = Update::new(StepRecord::begun(step, epoch, self.schedule.rate(self.state.step)));
        let weights = if accumulate > 1 && self.learner.criterion.counts_first() {
            let ready = (0..accumulate).map(|_| self.next_batch(batches, &mut update.record, observer));
            let ready = ready.collect::<Result<Vec<_>, _>>()?;
            let clock = Instant::now();
            let weights = self.learner.count(&ready)?;
            update.record.time.forward += clock.elapsed().as_secs_f64();
            waiting.extend(ready);
            Some(weights)
        } else {
            None
        };
        for _ in 0..accumulate {
            let batch = match waiting.pop_front() {
                Some(batch) => batch,
                None => self.next_batch(batches, &mut update.record, observer)?,
            };
            if !batch.samples.is_empty() {
                self.accumulate(&batch, weights.as_ref(), &mut update)?;
            }
            loader.recycle(batch);
        }
        let norm = (update.record.pictures > 0).then(|| {
            let clock = Instant::now();
            let norm = self.learner.apply(update.record.learning_rate);
            update.record.time.update = clock.elapsed().as_secs_f64();
            norm
        });
        update.finish(norm);
        self.state.step += 1;
        Ok(update)
    }

    fn next_batch(
        &mut self,
        batches: &mut impl Iterator<Item = Batch>,
        record: &mut StepRecord,
        observer: &mut dyn Observer,
    ) -> Result<Batch, TrainError> {
        let waiting = Instant::now();
        let Some(batch) = batches.next() else {
            let reason = "the loader ended before its epoch did".to_owned();
            return Err(TrainError::Damaged { path: self.plan.recipe.data.root.clone(), reason });
        };
        record.time.data += waiting.elapsed().as_secs_f64();
        self.count_skipped(&batch.skipped, observer);
        Ok(batch)
    }

    /// Forward, loss and backward of one batch.
    fn accumulate(
        &mut self,
        batch: &Batch,
        weights: Option<&BatchWeights>,
        update: &mut Update,
    ) -> Result<(), TrainError> {
        update.image_ids.extend(batch.samples.iter().map(|sample| sample.image_id));
        update.record.pictures += batch.samples.len();
        update.add(self.learner.learn(batch, weights, &mut |_| {})?);
        self.expect_finite(update.known_loss(), "loss", self.state.step, &update.image_ids)
    }

    /// An error for a number that is not finite, after so many updates.
    fn expect_finite(&self, value: f64, what: &'static str, step: usize, image_ids: &[u64]) -> Result<(), TrainError> {
        if value.is_finite() {
            return Ok(());
        }
        let path = self.directory.checkpoint_path("last");
        let checkpoint: Option<PathBuf> = path.is_dir().then_some(path);
        Err(TrainError::NotFinite { step, what, value, image_ids: image_ids.to_vec(), checkpoint })
    }

    fn count_skipped(&mut self, skipped: &[Skipped], observer: &mut dyn Observer) {
        for picture in skipped {
            if self.state.skipped.insert(picture.image_id) {
                observer.skipped(picture);
            }
        }
    }

    /// Evaluates where it is due, writes the epoch's line and saves the state.
    fn finish_epoch(
        &mut self,
        logs: &mut RunLogs,
        observer: &mut dyn Observer,
    ) -> Result<Option<Evaluation>, TrainError> {
        let (epoch, updates) = (self.state.epoch + 1, self.state.epoch_updates.max(1) as f64);
        let every = self.plan.recipe.evaluation.every;
        let due = epoch == self.plan.recipe.schedule.epochs || (every > 0 && epoch.is_multiple_of(every));
        let evaluation = if due { self.evaluate(observer)? } else { None };
        let [classification, regression] = self.state.epoch_sums.map(|sum| sum / updates);
        let record = EpochRecord {
            epoch,
            step: self.state.step,
            loss: classification + regression,
            classification,
            regression,
            skipped: self.state.skipped.len() + self.state.skipped_validation.len(),
            seconds: self.seconds(),
            evaluation,
        };
        logs.epoch(&record)?;
        let densities = self.learner.criterion.state()?;
        logs.densities(&DensityRecord { epoch, step: self.state.step, densities })?;
        (self.state.epoch, self.state.step_in_epoch) = (epoch, 0);
        (self.state.epoch_updates, self.state.epoch_sums) = (0, [0.0; 2]);
        let ap = record.evaluation.as_ref().and_then(|e| e.ap);
        let best = ap.is_some() && ap > self.state.best_ap;
        if best {
            self.state.best_ap = ap;
            self.save("best", logs)?;
        }
        self.save("last", logs)?;
        observer.epoch(&record, best);
        Ok(record.evaluation)
    }

    /// COCO numbers on the validation split; boxes and numbers go to the run directory.
    fn evaluate(&mut self, observer: &mut dyn Observer) -> Result<Option<Evaluation>, TrainError> {
        let Some(validation) = &self.plan.validation else { return Ok(None) };
        let predictor =
            Predictor::new(&self.learner.network, &self.plan.recipe, self.plan.categories(), self.learner.device());
        let predictions = predictor.run(&validation.dataset, |done, total| observer.evaluating(done, total))?;
        for picture in &predictions.skipped {
            if self.state.skipped_validation.insert(picture.image_id) {
                observer.skipped(picture);
            }
        }
        observer.detections(&self.plan, &predictions.detections);
        let truth = GroundTruth::from_coco_json(ghm_data::to_coco_json(&validation.dataset), &validation.name)?;
        let evaluation = evaluate(&truth, &predictions.detections)?;
        write_detections(&self.directory.detections_path(), &predictions.detections)?;
        let path = self.directory.evaluation_path();
        let json = serde_json::to_vec_pretty(&evaluation).map_err(|e| io(&path, "cannot be written")(e.into()))?;
        replace_file(&path, &json)?;
        Ok(Some(evaluation))
    }

    /// Seconds that this and earlier sessions took; what one did after its last checkpoint does not count.
    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// The numbers that an earlier session left.
    fn saved_evaluation(&self) -> Option<Evaluation> {
        let text = std::fs::read_to_string(self.directory.evaluation_path()).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn save(&mut self, name: &str, logs: &RunLogs) -> Result<(), TrainError> {
        logs.sync()?;
        self.state.criterion = self.learner.criterion.state()?;
        self.state.seconds = self.seconds();
        let path = self.directory.checkpoint_path(name);
        let damaged = |reason| TrainError::Damaged { path: path.clone(), reason };
        let history = self.learner.optimiser.to_bytes().map_err(damaged)?;
        let description = Description::new(&self.plan.recipe, self.plan.categories());
        write_checkpoint(&path, (&self.learner.network, &description), &history, &self.state)
    }
}
