//! One loss over the levels of a pyramid, level by level where they lie, or joined where it has to see all at once.

use std::borrow::Cow;
use std::ops::Range;

use burn::tensor::{Element, Tensor};
use ghm_boxes::DeltaCoder;
use ghm_loss::{BinWeights, Counts, Density, Examples, Kind, LossConfig, LossError, Output, Real, Reduction, Targets};

use crate::attach::attach;
use crate::awaited::Awaited;
use crate::boxes;
use crate::config::Scope;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use crate::device_levels::{DeviceLevels, DeviceWeights};
use crate::host::{Elements, Floats, Host};
use crate::state::Held;

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
#[derive(Clone)]
pub(crate) enum Goal<'a> {
    Classes {
        rows: &'a [i32],
        classes: usize,
    },
    /// One target an element; `width` elements a row. Those whose gate is 0 take no part.
    Dense {
        targets: Cow<'a, [f32]>,
        gates: Cow<'a, [f32]>,
        width: usize,
    },
}

/// A loss and what its sum or mean is multiplied by.
pub(crate) struct LevelLoss {
    pub loss: LossConfig,
    pub walk: Walk,
    /// Whether it is a mean; else it is a sum.
    pub harmonised: bool,
    pub scale: f32,
    /// How offsets are coded.
    pub coder: DeltaCoder,
}

/// The tensors of all levels with what they are compared with, where the loss is computed.
pub(crate) enum Prepared<'a> {
    Host(&'a [Tensor<3>], Goal<'a>),
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    Device(DeviceLevels),
}

/// What a density takes in: the counts of each level, or those of all; none for a loss that needs none.
#[derive(Clone, Debug)]
pub(crate) enum LevelCounts {
    Host(Vec<Counts>),
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    Device(Vec<ghm_gpu::DeviceCounts>),
}

/// What it makes of them.
#[derive(Clone, Debug)]
pub(crate) enum LevelWeights {
    Host(Vec<BinWeights>),
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    Device(DeviceWeights),
}

/// A value and the tensor that carries its gradient.
pub(crate) struct Attached {
    pub tensor: Tensor<1>,
    pub value: Awaited,
}

impl Default for LevelCounts {
    fn default() -> Self {
        Self::Host(Vec::new())
    }
}

impl LevelCounts {
    /// Adds the counts of another batch; a default takes them over.
    pub fn merge(&mut self, other: &Self) -> Result<(), LossError> {
        match (&mut *self, other) {
            (Self::Host(sums), _) if sums.is_empty() => *self = other.clone(),
            (Self::Host(sums), Self::Host(others)) => {
                sums.iter_mut().zip(others).try_for_each(|(sum, other)| sum.merge(other))?;
            }
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            (Self::Device(sums), Self::Device(others)) => {
                let merged = sums.iter_mut().zip(others).try_for_each(|(sum, other)| sum.merge(other));
                merged.map_err(crate::kernels::loss_error)?;
            }
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            _ => return Err(LossError::Device { reason: "counts of two devices cannot be added".to_owned() }),
        }
        Ok(())
    }

    /// Takes them into a density, level after level.
    pub fn taken_in(&self, density: Option<&mut Held>) -> Result<LevelWeights, LossError> {
        let Some(density) = density else { return Ok(LevelWeights::Host(Vec::new())) };
        match self {
            Self::Host(counts) => {
                let density = density.plain()?;
                let weights = counts.iter().map(|counts| density.update(counts.as_slice()));
                Ok(LevelWeights::Host(weights.collect::<Result<_, _>>()?))
            }
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            Self::Device(counts) => Ok(LevelWeights::Device(crate::device_levels::take_in(counts, density)?)),
        }
    }
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
            Self::Dense { width, .. } => *width,
        }
    }

    /// The examples that `values`, those of some rows, make.
    fn examples<'b, T>(&'b self, rows: Range<usize>, values: &'b [T]) -> Examples<'b, T> {
        match self {
            Self::Classes { rows: entries, classes } => {
                Examples::new(values, Targets::ClassIndex { rows: &entries[rows], classes: *classes })
            }
            Self::Dense { targets, gates, width } => {
                let elements = width * rows.start..width * rows.end;
                Examples::new(values, Targets::Dense(&targets[elements.clone()])).gated(&gates[elements])
            }
        }
    }
}

impl LevelLoss {
    /// The tensors as the loss takes them: where they lie if their device has kernels for it, else on the host.
    pub fn prepare<'a>(&self, tensors: &'a [Tensor<3>], goal: Goal<'a>) -> Result<Prepared<'a>, LossError> {
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        if let Some(levels) = DeviceLevels::new(self, tensors, &goal)? {
            return Ok(Prepared::Device(levels));
        }
        Ok(Prepared::Host(tensors, goal))
    }

    /// The counts of each level, or those of all, in bins of `density`.
    pub fn count(&self, prepared: &Prepared, density: Option<&mut Held>) -> Result<LevelCounts, LossError> {
        match (prepared, density) {
            (_, None) => Ok(LevelCounts::default()),
            (Prepared::Host(tensors, goal), Some(_)) => Ok(LevelCounts::Host(self.count_here(tensors, goal)?)),
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            (Prepared::Device(levels), Some(density)) => Ok(LevelCounts::Device(levels.count(self.walk, density)?)),
        }
    }

    /// The loss; `weights` are those of [`LevelLoss::count`]'s counts.
    pub fn run(&self, prepared: Prepared, weights: &LevelWeights) -> Result<Attached, LossError> {
        match (prepared, weights) {
            (Prepared::Host(tensors, goal), LevelWeights::Host(weights)) => self.run_here(tensors, &goal, weights),
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            (Prepared::Device(_), LevelWeights::Host(_)) if self.loss.density().is_some() => {
                Err(LossError::NoDensity { loss: self.loss.name() })
            }
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            (Prepared::Device(levels), LevelWeights::Host(_)) => Ok(levels.sum(self.scale)),
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            (Prepared::Device(levels), LevelWeights::Device(weights)) => levels.harmonised(weights, self.scale),
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            (Prepared::Host(..), LevelWeights::Device(_)) => {
                Err(LossError::Device { reason: "the weights are on another device than the values".to_owned() })
            }
        }
    }

    fn count_here(&self, tensors: &[Tensor<3>], goal: &Goal) -> Result<Vec<Counts>, LossError> {
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

    fn run_here(&self, tensors: &[Tensor<3>], goal: &Goal, weights: &[BinWeights]) -> Result<Attached, LossError> {
        let (parts, value) = match (self.walk, goal) {
            (_, Goal::Dense { targets, gates, .. }) if self.loss.kind() == Kind::Boxes => {
                boxes::run(&self.loss, tensors, (targets, gates), &self.coder, self.scale)?
            }
            (Walk::Joined, _) => self.run_joined(tensors, goal)?,
            (Walk::Level | Walk::Batch, _) => self.run_levels(tensors, goal, weights)?,
        };
        Ok(Attached { tensor: sum_of(parts), value: Awaited::Known(value) })
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

/// The sum of the levels' losses.
pub(crate) fn sum_of(parts: Vec<Tensor<1>>) -> Tensor<1> {
    let sum = parts.into_iter().reduce(|sum, part| sum + part);
    // Without a level there is no device to ask.
    sum.unwrap_or_else(|| Tensor::zeros([1], &burn::tensor::Device::flex()))
}

/// The rows of each level.
pub(crate) fn rows_of(tensors: &[Tensor<3>]) -> impl Iterator<Item = Range<usize>> {
    tensors.iter().scan(0, |start, tensor| {
        let [n, a, _] = tensor.dims();
        let rows = *start..*start + n * a;
        *start = rows.end;
        Some(rows)
    })
}
