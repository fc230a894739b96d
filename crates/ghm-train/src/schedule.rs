//! The learning rate of every update.

use std::collections::BTreeSet;

use crate::recipe::{Decay, ScheduleConfig};

/// The learning rate as a function of the update.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    config: ScheduleConfig,
    learning_rate: f64,
    updates_per_epoch: usize,
}

impl Schedule {
    /// `learning_rate` is the rate after the warm-up.
    pub fn new(config: ScheduleConfig, learning_rate: f64, updates_per_epoch: usize) -> Self {
        Self { config, learning_rate, updates_per_epoch }
    }

    /// Updates of the whole run.
    pub fn total(&self) -> usize {
        self.config.epochs * self.updates_per_epoch
    }

    /// The rate of update `step`, counted from 0.
    pub fn rate(&self, step: usize) -> f64 {
        self.learning_rate * self.warmup(step) * self.decay(step)
    }

    /// Updates, counted from 0, by whose rates the whole course is known: the first, the end of the warm-up, those after a
    /// milestone or at the quarters of a cosine, the last.
    pub fn landmarks(&self) -> Vec<usize> {
        let Some(last) = self.total().checked_sub(1) else { return Vec::new() };
        let inner: Vec<usize> = match self.config.decay {
            Decay::Steps => self.config.milestones.iter().map(|epoch| epoch * self.updates_per_epoch).collect(),
            Decay::Cosine => (1..4).map(|quarter| quarter * self.total() / 4).collect(),
        };
        let all = [0, self.config.warmup_steps, last].into_iter().chain(inner);
        all.filter(|step| *step <= last).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The epoch of an update, both counted from 0.
    pub fn epoch(&self, step: usize) -> usize {
        step / self.updates_per_epoch.max(1)
    }

    fn warmup(&self, step: usize) -> f64 {
        let (length, start) = (self.config.warmup_steps, self.config.warmup_factor);
        if step >= length { 1.0 } else { start + (1.0 - start) * step as f64 / length as f64 }
    }

    fn decay(&self, step: usize) -> f64 {
        match self.config.decay {
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / self.total().max(1) as f64).cos()),
            Decay::Steps => {
                let epoch = self.epoch(step);
                let passed = self.config.milestones.iter().filter(|milestone| epoch >= **milestone).count();
                self.config.factor.powi(passed as i32)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(decay: Decay) -> Schedule {
        let config = ScheduleConfig { epochs: 12, warmup_steps: 10, decay, ..ScheduleConfig::default() };
        Schedule::new(config, 0.01, 100)
    }

    #[test]
    fn warm_up_rises_linearly_from_a_third() {
        let schedule = schedule(Decay::Steps);
        assert!((schedule.rate(0) - 0.01 / 3.0).abs() < 1e-12);
        assert!((schedule.rate(5) - 0.01 * 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(schedule.rate(10), 0.01);
    }

    #[test]
    fn steps_fall_after_epochs_eight_and_eleven() {
        let schedule = schedule(Decay::Steps);
        let rates = [799, 800, 1099, 1100, 1199].map(|step| schedule.rate(step));
        for (rate, expected) in rates.into_iter().zip([1e-2, 1e-3, 1e-3, 1e-4, 1e-4]) {
            assert!((rate - expected).abs() < 1e-12, "{rate} against {expected}");
        }
    }

    #[test]
    fn landmarks_are_where_the_rate_turns() {
        assert_eq!(schedule(Decay::Steps).landmarks(), [0, 10, 800, 1100, 1199]);
        assert_eq!(schedule(Decay::Cosine).landmarks(), [0, 10, 300, 600, 900, 1199]);
        let config = ScheduleConfig { epochs: 1, milestones: vec![5], ..ScheduleConfig::default() };
        assert_eq!(Schedule::new(config, 0.01, 100).landmarks(), [0, 99], "a warm-up and a milestone that never come");
        assert_eq!([0, 99, 100, 1199].map(|step| schedule(Decay::Steps).epoch(step)), [0, 0, 1, 11]);
    }

    #[test]
    fn cosine_is_halved_in_the_middle_and_near_zero_at_the_end() {
        let schedule = schedule(Decay::Cosine);
        assert!((schedule.rate(600) - 0.005).abs() < 1e-12);
        assert!(schedule.rate(1199) < 1e-7);
    }
}
