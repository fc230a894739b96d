//! One loss over the levels of a pyramid that lie on a GPU: targets go there, nothing comes back.

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use ghm_gpu::{Compared, DeviceCounts, DeviceFactors, has_kernel};
use ghm_loss::{LossConfig, LossError};

use crate::awaited::Awaited;
use crate::kernels::loss_error;
use crate::levels::{Attached, Goal, LevelLoss, Walk, rows_of, sum_of};
use crate::state::Held;

/// The levels with what they are compared with.
pub(crate) struct DeviceLevels {
    levels: Vec<Compared>,
    device: Device,
}

/// What a density makes of counts: factors of each level, or of all.
#[derive(Clone, Debug)]
pub(crate) struct DeviceWeights(Vec<DeviceFactors>);

/// Takes counts into a density, level after level.
pub(crate) fn take_in(counts: &[DeviceCounts], density: &mut Held) -> Result<DeviceWeights, LossError> {
    let factors = counts.iter().map(|counts| {
        let density = density.on(&counts.device())?;
        density.take_in(counts).map_err(loss_error)
    });
    Ok(DeviceWeights(factors.collect::<Result<_, _>>()?))
}

impl DeviceLevels {
    /// The levels, if they lie on a GPU that has kernels for the loss.
    pub fn new(loss: &LevelLoss, tensors: &[Tensor<3>], goal: &Goal) -> Result<Option<Self>, LossError> {
        let Some(first) = tensors.first() else { return Ok(None) };
        let device = first.device().inner();
        let typed = matches!(first.dtype(), DType::F32 | DType::F16 | DType::BF16);
        if !typed || !matches!(device.as_dispatch(), DispatchDevice::Cube(_)) {
            return Ok(None);
        }
        if loss.walk == Walk::Joined || !has_kernel(&loss.loss) {
            return Ok(None);
        }
        let compared = |(tensor, rows): (&Tensor<3>, std::ops::Range<usize>)| match goal {
            Goal::Classes { rows: classes, .. } => of_classes(tensor, &classes[rows], &loss.loss, &device),
            // Of four a row: losses towards other numbers have no kernels.
            Goal::Dense { targets, gates, .. } => {
                let elements = 4 * rows.start..4 * rows.end;
                of_deltas(tensor, (&targets[elements.clone()], &gates[elements]), &loss.loss, &device)
            }
        };
        let levels = tensors.iter().zip(rows_of(tensors)).map(compared).collect::<Result<_, _>>()?;
        Ok(Some(Self { levels, device }))
    }

    /// The counts of each level, or those of all.
    pub fn count(&self, walk: Walk, density: &mut Held) -> Result<Vec<DeviceCounts>, LossError> {
        let density = density.on(&self.device)?;
        let mut counts: Vec<DeviceCounts> = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            let own = level.count(density).map_err(loss_error)?;
            match counts.first_mut() {
                Some(all) if walk == Walk::Batch => all.merge(&own).map_err(loss_error)?,
                _ => counts.push(own),
            }
        }
        Ok(counts)
    }

    /// The harmonised loss; with one weight it is that of all levels.
    pub fn harmonised(self, weights: &DeviceWeights, scale: f32) -> Result<Attached, LossError> {
        let (levels, weights) = (self.levels.into_iter().enumerate(), &weights.0);
        let own = |level: usize| weights.get(level).or(weights.first());
        let parts = levels.filter_map(|(level, compared)| Some(compared.harmonised(own(level)?, scale)));
        Ok(attached(parts.collect::<Result<_, _>>().map_err(loss_error)?))
    }

    /// The sum of the losses.
    pub fn sum(self, scale: f32) -> Attached {
        attached(self.levels.into_iter().map(|level| level.sum(scale)).collect())
    }
}

fn attached(parts: Vec<Tensor<1>>) -> Attached {
    let tensor = sum_of(parts);
    Attached { value: Awaited::of(tensor.clone()), tensor }
}

fn of_classes(tensor: &Tensor<3>, rows: &[i32], loss: &LossConfig, device: &Device) -> Result<Compared, LossError> {
    let rows = Tensor::<1, Int>::from_data(TensorData::from(rows), (device, DType::I32));
    Compared::classes(tensor.clone(), rows, loss).map_err(loss_error)
}

/// Only the rows that take part: a few hundred of some hundred thousand.
fn of_deltas(
    tensor: &Tensor<3>,
    (targets, weights): (&[f32], &[f32]),
    loss: &LossConfig,
    device: &Device,
) -> Result<Compared, LossError> {
    let [n, a, _] = tensor.dims();
    let takes_part = |row: &usize| weights[4 * row..4 * row + 4].iter().any(|weight| *weight > 0.0);
    let mut rows: Vec<usize> = (0..n * a).filter(takes_part).collect();
    if rows.is_empty() && n * a > 0 {
        // One that is left out: what the head gave has a gradient still, of zeros.
        rows.push(0);
    }
    let of_rows = |values: &[f32]| -> Tensor<2> {
        let values: Vec<f32> = rows.iter().flat_map(|row| &values[4 * row..4 * row + 4]).copied().collect();
        Tensor::from_data(TensorData::new(values, [rows.len(), 4]), (device, DType::F32))
    };
    let places: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    let places = Tensor::<1, Int>::from_data(TensorData::from(&places[..]), (device, DType::I32));
    let chosen = tensor.clone().reshape([n * a, 4]).select(0, places);
    // One coordinate of a row may be left out by itself.
    let is_whole = |row: &usize| weights[4 * row..4 * row + 4].iter().all(|weight| *weight > 0.0);
    let gates = (!rows.iter().all(is_whole)).then(|| of_rows(weights));
    Compared::dense(chosen, of_rows(targets), gates, loss).map_err(loss_error)
}
