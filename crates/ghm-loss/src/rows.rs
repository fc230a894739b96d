//! Checked rows of logits, of which each has one true class, and the softmax of one.

use std::ops::Range;

use crate::blocks::chunk_of;
use crate::error::{LossError, expect_length};
use crate::examples::{Examples, Gate};
use crate::logistic::exp_of_minus;
use crate::output::Output;
use crate::real::Real;
use crate::regions::Regions;
use crate::softmax::SoftmaxNorm;
use crate::targets::{BACKGROUND, IGNORED, Targets};

/// The slices of one call whose examples are rows, lengths and classes checked.
pub(crate) struct Rows<'a, T> {
    values: &'a [T],
    rows: &'a [i32],
    classes: usize,
    gate: Gate<'a>,
    weights: Option<&'a [f32]>,
}

/// One row, of which `exps` holds `exp(logit - largest logit)`, and 0 at the true class.
pub(crate) struct Row<'r> {
    /// The true class.
    pub class: usize,
    /// The weight of the row.
    pub weight: f32,
    exps: &'r mut [f32],
    /// How far the logit of the true class is below the largest.
    below: f64,
    /// `exp(-below)`.
    own: f64,
    /// The sum of `exps`.
    others: f64,
}

impl<'a, T: Real> Rows<'a, T> {
    pub fn new(examples: &Examples<'a, T>) -> Result<Self, LossError> {
        let Examples { values, targets, gate, weights } = *examples;
        targets.check_length("logits", values.len())?;
        let Targets::ClassIndex { rows, classes } = targets else { return Err(LossError::NoClasses) };
        gate.len().map_or(Ok(()), |gates| expect_length("gates", gates, "the rows", rows.len()))?;
        weights.map_or(Ok(()), |weights| expect_length("weights", weights.len(), "the rows", rows.len()))?;
        let found = Self { values, rows, classes, gate, weights };
        match (0..rows.len()).find(|&row| rows[row] == BACKGROUND && found.takes_part(row)) {
            Some(row) => Err(LossError::SoftmaxBackground { row }),
            None => Ok(found),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Logits a row.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Rows a task of the thread pool takes at a time; never a function of the number of threads.
    pub fn chunk(&self) -> usize {
        chunk_of(self.values.len()).div_ceil(self.classes)
    }

    /// The true class of a row that takes part.
    pub fn class(&self, row: usize) -> usize {
        usize::try_from(self.rows[row]).unwrap_or(0)
    }

    /// How many rows take part.
    pub fn taking_part(&self) -> usize {
        (0..self.len()).filter(|&row| self.takes_part(row)).count()
    }

    fn takes_part(&self, row: usize) -> bool {
        let open = match self.gate {
            Gate::Open => true,
            Gate::AboveZero(gates) => gates[row] > 0.0,
            Gate::Except(mask) => !mask[row],
        };
        open && self.rows[row] != IGNORED
    }

    /// Whether the results fit.
    pub fn check_output(&self, output: &Output<T>) -> Result<(), LossError> {
        expect_length("gradient", output.gradient.len(), "logits", self.values.len())?;
        output.losses.as_ref().map_or(Ok(()), |losses| expect_length("losses", losses.len(), "the rows", self.len()))
    }

    /// Whether a density by classes has those of the rows.
    pub fn check_classes(&self, regions: Regions) -> Result<(), LossError> {
        match regions.classes {
            1 => Ok(()),
            classes => expect_length("classes of the density", classes, "classes of the targets", self.classes),
        }
    }

    /// Calls `visit` for each row of `range` in turn, with None for one that takes no part.
    #[inline(always)]
    pub fn for_each(&self, range: Range<usize>, mut visit: impl FnMut(usize, Option<Row>)) {
        let (mut room, mut exps) = (vec![0.0; self.classes], vec![0.0; self.classes]);
        for index in range {
            if !self.takes_part(index) {
                visit(index, None);
                continue;
            }
            let values = T::widened(&self.values[index * self.classes..(index + 1) * self.classes], &mut room);
            let weight = self.weights.map_or(1.0, |weights| weights[index]);
            visit(index, Some(Row::new(values, self.class(index), weight, &mut exps)));
        }
    }
}

impl<'r> Row<'r> {
    #[inline(always)]
    fn new(logits: &[f32], class: usize, weight: f32, exps: &'r mut [f32]) -> Self {
        let largest =
            logits.iter().fold(f32::NEG_INFINITY, |largest, &logit| if logit > largest { logit } else { largest });
        for (exp, &logit) in exps.iter_mut().zip(logits) {
            *exp = exp_of_minus(largest - logit);
        }
        let own = f64::from(exps[class]);
        exps[class] = 0.0;
        let others = sum(exps);
        Self { class, weight, exps, below: f64::from(largest) - f64::from(logits[class]), own, others }
    }

    /// `-ln p_t`.
    #[inline(always)]
    pub fn loss(&self) -> f64 {
        // Not `ln(own + others)`, which loses the digits of a row that is nearly right: there `own` is 1.
        self.below + libm::log1p(self.others + (self.own - 1.0))
    }

    /// The gradient norm.
    #[inline(always)]
    pub fn norm(&self, norm: SoftmaxNorm) -> f32 {
        let total = self.own + self.others;
        let miss = self.others / total;
        match norm {
            SoftmaxNorm::Largest => miss as f32,
            SoftmaxNorm::Euclidean => {
                let squares: f64 = self.exps.iter().map(|&exp| f64::from(exp) * f64::from(exp)).sum();
                ((miss * miss + squares / (total * total)) / 2.0).sqrt() as f32
            }
        }
    }

    /// `factor` times `p - y`.
    #[inline(always)]
    pub fn slopes(&mut self, factor: f32) -> &mut [f32] {
        let total = self.own + self.others;
        let each = (f64::from(factor) / total) as f32;
        self.exps.iter_mut().for_each(|exp| *exp *= each);
        self.exps[self.class] = -(f64::from(factor) * (self.others / total)) as f32;
        self.exps
    }
}

/// The sum in f64, always in the same order.
#[inline(always)]
fn sum(entries: &[f32]) -> f64 {
    let (eights, rest) = entries.as_chunks::<8>();
    let mut sums = [0.0f64; 8];
    for eight in eights {
        for (sum, &entry) in sums.iter_mut().zip(eight) {
            *sum += f64::from(entry);
        }
    }
    for (sum, &entry) in sums.iter_mut().zip(rest) {
        *sum += f64::from(entry);
    }
    sums.iter().sum()
}
