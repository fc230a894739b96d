//! One loss over the levels of a pyramid, level by level where they lie, or joined where it has to see all at once.

use std::ops::Range;

use burn::tensor::{Element, Tensor};
use ghm_loss::{BinWeights, Counts, Density, Examples, LossConfig, LossError, Output, Real, Reduction, Targets};

use crate::attach::attach;
use crate::config::Scope;
use crate::host::{Elements, Floats, Host};

/// How a loss walks over the levels, and what of it is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// Level by level, each with counts of its own.
    Level,
    /// Level by level, with the counts of all.
    Batch,
    /// One array of all levels: the loss compares every element with all others.
    Joined,
}

/// What the rows of all levels are compared with; rows run over levels, in a level over pictures.
#[derive(Clone, Copy)]
pub(crate) enum Goal<'a> {
    Classes { rows: &'a [i32], classes: usize },
    Deltas { targets: &'a [f32], weights: &'a [f32] },
}

/// A loss and what its sum or mean is multiplied by.
pub(crate) struct LevelLoss {
    pub loss: LossConfig,
    pub walk: Walk,
    /// Whether it is a mean; else it is a sum.
    pub harmonised: bool,
    pub scale: f32,
}

/// A value and the tensor that carries its gradient.
pub(crate) struct Attached {
    pub tensor: Tensor<1>,
    pub value: f64,
}

impl Walk {
    pub fn of(loss: &LossConfig, scope: Scope) -> Self {
        let compares = matches!(loss, LossConfig::GhmCExact(_) | LossConfig::GhmRExact { .. } | LossConfig::Ohem(_));
        match scope {
            Scope::Level => Self::Level,
            Scope::Batch if compares => Self::Joined,
            Scope::Batch => Self::Batch,
        }
    }
}

impl Goal<'_> {
    fn width(&self) -> usize {
        match self {
            Self::Classes { classes, .. } => *classes,
            Self::Deltas { .. } => 4,
        }
    }

    /// The examples that `values`, those of some rows, make.
    fn examples<'b, T>(&'b self, rows: Range<usize>, values: &'b [T]) -> Examples<'b, T> {
        match *self {
            Self::Classes { rows: entries, classes } => {
                Examples::new(values, Targets::ClassIndex { rows: &entries[rows], classes })
            }
            Self::Deltas { targets, weights } => {
                let elements = 4 * rows.start..4 * rows.end;
                Examples::new(values, Targets::Dense(&targets[elements.clone()])).gated(&weights[elements])
            }
        }
    }
}

impl LevelLoss {
    /// The counts of each level, or those of all; nothing for a loss that needs none.
    pub fn count(&self, tensors: &[Tensor<3>], goal: &Goal) -> Result<Vec<Counts>, LossError> {
        if self.loss.density().is_none() {
            return Ok(Vec::new());
        }
        let mut counts: Vec<Counts> = Vec::with_capacity(tensors.len());
        for (tensor, rows) in tensors.iter().zip(rows_of(tensors)) {
            let host = Host::of(tensor);
            let own = match host.elements() {
                Elements::F32(values) => self.loss.count(&goal.examples(rows, values)),
                Elements::F16(values) => self.loss.count(&goal.examples(rows, values)),
                Elements::Bf16(values) => self.loss.count(&goal.examples(rows, values)),
            }?;
            match counts.first_mut() {
                Some(all) if self.walk == Walk::Batch => all.merge(&own)?,
                _ => counts.push(own),
            }
        }
        Ok(counts)
    }

    /// The loss; `weights` are those of [`LevelLoss::count`]'s counts.
    pub fn run(&self, tensors: &[Tensor<3>], goal: &Goal, weights: &[BinWeights]) -> Result<Attached, LossError> {
        let (parts, value) = match self.walk {
            Walk::Joined => self.run_joined(tensors, goal)?,
            Walk::Level | Walk::Batch => self.run_levels(tensors, goal, weights)?,
        };
        let tensor = parts.into_iter().reduce(|sum, part| sum + part);
        // Without a level there is no device to ask.
        let tensor = tensor.unwrap_or_else(|| Tensor::zeros([1], &burn::tensor::Device::flex()));
        Ok(Attached { tensor, value })
    }

    fn run_levels(
        &self,
        tensors: &[Tensor<3>],
        goal: &Goal,
        weights: &[BinWeights],
    ) -> Result<(Vec<Tensor<1>>, f64), LossError> {
        let (mut parts, mut sum) = (Vec::with_capacity(tensors.len()), 0.0);
        for (level, (tensor, rows)) in tensors.iter().zip(rows_of(tensors)).enumerate() {
            let own = if self.walk == Walk::Level { level } else { 0 };
            let density = weights.get(own).map(Density::from);
            let host = Host::of(tensor);
            let (part, value) = match host.elements() {
                Elements::F32(values) => self.run_on(tensor, goal.examples(rows, values), values.len(), density),
                Elements::F16(values) => self.run_on(tensor, goal.examples(rows, values), values.len(), density),
                Elements::Bf16(values) => self.run_on(tensor, goal.examples(rows, values), values.len(), density),
            }?;
            parts.push(part);
            sum += value;
        }
        Ok((parts, sum))
    }

    fn run_on<T: Real + Element>(
        &self,
        tensor: &Tensor<3>,
        examples: Examples<T>,
        length: usize,
        density: Option<Density>,
    ) -> Result<(Tensor<1>, f64), LossError> {
        let mut gradient = vec![T::default(); length];
        let value = self.loss.forward(&examples, density, self.output(&mut gradient))?;
        Ok((attach(tensor.clone(), &[value], gradient), value))
    }

    fn run_joined(&self, tensors: &[Tensor<3>], goal: &Goal) -> Result<(Vec<Tensor<1>>, f64), LossError> {
        let mut values = Vec::new();
        for tensor in tensors {
            values.extend_from_slice(Floats::of(tensor).as_slice());
        }
        let mut gradient = vec![0.0; values.len()];
        let rows = 0..values.len() / goal.width().max(1);
        let value = self.loss.forward(&goal.examples(rows, &values), None, self.output(&mut gradient))?;
        let mut rest = &gradient[..];
        let mut parts = Vec::with_capacity(tensors.len());
        for (level, tensor) in tensors.iter().enumerate() {
            let (own, after) = rest.split_at(tensor.shape().num_elements());
            let value = if level == 0 { value } else { 0.0 };
            parts.push(attach(tensor.clone().cast(burn::tensor::FloatDType::F32), &[value], own.to_vec()));
            rest = after;
        }
        Ok((parts, value))
    }

    fn output<'a, T>(&self, gradient: &'a mut [T]) -> Output<'a, T> {
        let reduction = if self.harmonised { Reduction::Mean } else { Reduction::Sum };
        Output::to(gradient).reduced(reduction).scaled(self.scale)
    }
}

/// The rows of each level.
fn rows_of(tensors: &[Tensor<3>]) -> impl Iterator<Item = Range<usize>> {
    tensors.iter().scan(0, |start, tensor| {
        let [n, a, _] = tensor.dims();
        let rows = *start..*start + n * a;
        *start = rows.end;
        Some(rows)
    })
}
