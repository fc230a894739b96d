//! How much it says that a network takes something for a class.
//!
//! One that has learned little takes most objects for the commonest class. That it takes this one for it then says nothing.

use ghm_data::Dataset;

use crate::summary::Summary;

/// Share of the labels taken for a class that are of it, from which on such a call counts in full: with a fifth of all labels of
/// another class a network without faults has 0.8.
const PURE: f32 = 0.75;

/// Calls of a class, at least, by which it is judged.
const ENOUGH: usize = 10;

/// The worth of each class's calls.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Calls {
    of_class: Vec<Tally>,
}

/// What is taken for a class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    /// Labels, of whatever class.
    all: usize,
    /// Labels of that class.
    right: usize,
}

impl Calls {
    /// By the labels of which something was seen, each taken for its own class or for the other one that was seen most of.
    pub fn of(summary: &Summary, dataset: &Dataset) -> Self {
        let mut of_class = vec![Tally::default(); dataset.categories.len()];
        for label in summary.labels.iter().filter(|label| label.objectness() > 0.0) {
            let own = dataset.images[label.image].objects[label.object].class_index;
            let taken_for = if label.own >= label.other.1 { own } else { label.other.0 };
            of_class[taken_for].all += 1;
            of_class[taken_for].right += usize::from(taken_for == own);
        }
        Self { of_class }
    }

    /// 0 to 1; 1 for a class of few calls.
    pub fn worth(&self, class: usize) -> f32 {
        match self.of_class.get(class) {
            Some(tally) if tally.all >= ENOUGH => (tally.right as f32 / tally.all as f32 / PURE).min(1.0),
            _ => 1.0,
        }
    }
}
