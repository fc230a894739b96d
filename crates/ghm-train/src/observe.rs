//! Who is told what happens in a run.

use ghm_data::Skipped;
use ghm_eval::Detection;

use crate::plan::Plan;
use crate::step_record::{EpochRecord, StepRecord};

/// Hears of a run as it goes; every method has an empty default.
pub trait Observer {
    /// The loop starts, after `first_step` updates of an earlier session.
    fn started(&mut self, _plan: &Plan, _first_step: usize) {}

    /// An update was made.
    fn step(&mut self, _record: &StepRecord) {}

    /// A picture was left out of its batch; told once a picture.
    fn skipped(&mut self, _picture: &Skipped) {}

    /// An evaluation looks at `done` of `total` pictures.
    fn evaluating(&mut self, _done: usize, _total: usize) {}

    /// The boxes of an evaluation, before its numbers.
    fn detections(&mut self, _plan: &Plan, _detections: &[Detection]) {}

    /// An epoch ended; `best` when its AP is the best so far.
    fn epoch(&mut self, _record: &EpochRecord, _best: bool) {}
}

/// Hears nothing.
impl Observer for () {}
