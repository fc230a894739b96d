//! Updates whose numbers have not been read from their device yet: reading waits for the device, so several are read at once.

use std::time::Instant;

use ghm_burn::{Awaited, LossError};
use ghm_eval::Evidence;

use crate::learner::Learned;
use crate::step_record::StepRecord;

/// Updates between two reads of a device. The host is never further ahead of it.
pub const UPDATES_A_READ: usize = 16;

/// An update with what it was made from.
#[derive(Clone, Debug)]
pub struct Update {
    /// Its record; losses and norm are in it once they are read.
    pub record: StepRecord,
    /// The pictures, by the data set's ids.
    pub image_ids: Vec<u64>,
    /// What the network said of their labels.
    pub evidence: Vec<Evidence>,
    /// Classification and regression loss of each batch in turns, and then the norm of the gradients.
    awaited: Vec<Awaited>,
}

/// Updates in the order they were made.
#[derive(Clone, Debug, Default)]
pub struct Pending(Vec<Update>);

impl Update {
    /// One that has seen no batch.
    pub fn new(record: StepRecord) -> Self {
        Self { record, image_ids: Vec::new(), evidence: Vec::new(), awaited: Vec::new() }
    }

    /// Adds what a batch gave.
    pub fn add(&mut self, learned: Learned) {
        self.record.positives += learned.positives;
        let (epoch, step) = (self.record.epoch, self.record.step);
        self.evidence.extend(learned.evidence.into_iter().map(|said| Evidence { epoch, step, ..said }));
        self.record.time.add(&learned.time);
        self.awaited.extend([learned.classification, learned.regression]);
    }

    /// The norm of its gradients, where there were any; it comes last.
    pub fn finish(&mut self, gradient_norm: Option<Awaited>) {
        self.awaited.push(gradient_norm.unwrap_or(Awaited::Known(0.0)));
    }

    /// The sum of those losses so far that the host knows.
    pub fn known_loss(&self) -> f64 {
        self.awaited.iter().filter_map(known).sum()
    }

    fn is_known(&self) -> bool {
        self.awaited.iter().all(|number| known(number).is_some())
    }

    /// Its record with the numbers of `awaited`.
    fn settled(mut self, numbers: &mut impl Iterator<Item = f64>) -> Self {
        let mut numbers: Vec<f64> = numbers.take(self.awaited.len()).collect();
        self.record.gradient_norm = numbers.pop().unwrap_or(0.0);
        self.record.classification = numbers.iter().step_by(2).sum();
        self.record.regression = numbers.iter().skip(1).step_by(2).sum();
        self.record.loss = self.record.classification + self.record.regression;
        self
    }
}

fn known(number: &Awaited) -> Option<f64> {
    match number {
        Awaited::Known(number) => Some(*number),
        Awaited::OnDevice(_) => None,
    }
}

impl Pending {
    /// One more.
    pub fn push(&mut self, update: Update) {
        self.0.push(update);
    }

    /// Whether it is time to read: at once where nothing has to be waited for.
    pub fn is_due(&self) -> bool {
        self.0.len() >= UPDATES_A_READ || self.0.iter().all(Update::is_known)
    }

    /// All updates with their numbers. What the host waits for the device is shared out among their times.
    ///
    /// # Errors
    /// [`LossError::Device`] where the device fails.
    pub fn settle(&mut self) -> Result<Vec<Update>, LossError> {
        let clock = Instant::now();
        let mut updates = std::mem::take(&mut self.0);
        let awaited = updates.iter().flat_map(|update| update.awaited.iter().cloned()).collect();
        let mut numbers = Awaited::read_all(awaited)?.into_iter();
        let share = clock.elapsed().as_secs_f64() / updates.len().max(1) as f64;
        updates.iter_mut().for_each(|update| update.record.time.update += share);
        Ok(updates.into_iter().map(|update| update.settled(&mut numbers)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step_record::StepTime;
    use burn::tensor::{Device, Tensor};

    fn on_device(number: f32) -> Awaited {
        Awaited::of(Tensor::from_floats([number], &Device::flex()))
    }

    fn update(step: usize, of: fn(f32) -> Awaited) -> Update {
        let time = StepTime::default();
        let record = StepRecord { step, ..StepRecord::begun(1, 1, 0.1) };
        let mut update = Update::new(record);
        for (classification, regression) in [(of(1.0), of(0.5)), (of(2.0), of(0.25))] {
            update.add(Learned { classification, regression, positives: 3, evidence: Vec::new(), time });
        }
        update.finish(Some(of(7.0)));
        update
    }

    #[test]
    fn numbers_come_to_the_update_and_the_place_they_belong_to() {
        let mut pending = Pending::default();
        pending.push(update(1, on_device));
        assert!(!pending.is_due());
        let mut empty = Update::new(StepRecord { step: 2, ..StepRecord::begun(1, 1, 0.1) });
        empty.finish(None);
        pending.push(empty);
        pending.push(update(3, on_device));
        let settled = pending.settle().unwrap();
        let numbers = settled.iter().map(|update| {
            let StepRecord { step, classification, regression, loss, gradient_norm, positives, .. } = update.record;
            (step, classification, regression, loss, gradient_norm, positives)
        });
        let full = |step| (step, 3.0, 0.75, 3.75, 7.0, 6);
        assert_eq!(numbers.collect::<Vec<_>>(), [full(1), (2, 0.0, 0.0, 0.0, 0.0, 0), full(3)]);
        assert!(pending.settle().unwrap().is_empty());
    }

    #[test]
    fn what_the_host_knows_is_due_at_once_and_a_device_is_read_every_few_updates() {
        let mut pending = Pending::default();
        pending.push(update(1, |number| Awaited::Known(number.into())));
        assert!(pending.is_due());
        pending.settle().unwrap();
        for step in 1..=UPDATES_A_READ {
            assert!(step == 1 || !pending.is_due());
            pending.push(update(step, on_device));
        }
        assert!(pending.is_due());
    }
}
