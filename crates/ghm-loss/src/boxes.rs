//! Losses that are sums over boxes: checked slices of four corners a box, and value and gradient in one pass.

use rayon::prelude::*;

use crate::error::{LossError, expect_length};
use crate::examples::{Examples, Gate};
use crate::output::{Output, Reduction};
use crate::overlap::{Measure, Pair};
use crate::real::{Real, held};
use crate::targets::Targets;

/// Boxes a task of the thread pool takes at a time. Fixed, and never a function of the number of threads, so that sums
/// come out bit-equal on any machine.
const CHUNK: usize = 1024;

/// The slices of one call, lengths and targets checked.
pub(crate) struct BoxPairs<'a, T> {
    predictions: &'a [[T; 4]],
    targets: &'a [[f32; 4]],
    gate: Gate<'a>,
    weights: Option<&'a [f32]>,
}

impl<'a, T: Real> BoxPairs<'a, T> {
    /// Predictions and targets `[N, 4]`; gates and weights `[N]`.
    pub fn new(examples: &Examples<'a, T>) -> Result<Self, LossError> {
        let Examples { values, targets, gate, weights } = *examples;
        let Targets::Dense(targets) = targets else { return Err(LossError::NoBoxes) };
        let (boxes, rest) = values.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(LossError::Corners { name: "predictions", length: values.len() });
        }
        expect_length("targets", targets.len(), "predictions", values.len())?;
        gate.len().map_or(Ok(()), |gates| expect_length("gates", gates, "the boxes", boxes.len()))?;
        weights.map_or(Ok(()), |weights| expect_length("weights", weights.len(), "the boxes", boxes.len()))?;
        let pairs = Self { predictions: boxes, targets: targets.as_chunks::<4>().0, gate, weights };
        let improper = |&index: &usize| pairs.weight(index) > 0.0 && !is_proper(pairs.targets[index]);
        match (0..boxes.len()).find(improper) {
            Some(index) => Err(LossError::TargetBox { index, corners: pairs.targets[index] }),
            None => Ok(pairs),
        }
    }

    fn takes_part(&self, index: usize) -> bool {
        match self.gate {
            Gate::Open => true,
            Gate::AboveZero(gates) => gates[index] > 0.0,
            Gate::Except(mask) => !mask[index],
        }
    }

    fn weight(&self, index: usize) -> f32 {
        if self.takes_part(index) { self.weights.map_or(1.0, |weights| weights[index]) } else { 0.0 }
    }

    /// `kernel` of a box times its weight, or None where that is not above 0. Corners that are not finite give NaN.
    fn measure(&self, index: usize, kernel: impl Fn(&Pair) -> Measure) -> Option<Measure> {
        let weight = self.weight(index);
        let mut predicted = [0.0; 4];
        let predicted: &[f32] = T::widened(&self.predictions[index], &mut predicted);
        let predicted = [predicted[0], predicted[1], predicted[2], predicted[3]];
        (weight > 0.0).then(|| {
            if predicted.iter().all(|corner| corner.is_finite()) {
                kernel(&Pair::new(predicted, self.targets[index])) * f64::from(weight)
            } else {
                Measure { value: f64::NAN, slope: [f64::NAN; 4] }
            }
        })
    }

    fn check_output(&self, output: &Output<T>) -> Result<(), LossError> {
        let (boxes, losses) = (self.predictions.len(), output.losses.as_ref());
        expect_length("gradient", output.gradient.len(), "predictions", 4 * boxes)?;
        losses.map_or(Ok(()), |losses| expect_length("losses", losses.len(), "the boxes", boxes))
    }
}

fn is_proper([x1, y1, x2, y2]: [f32; 4]) -> bool {
    [x1, y1, x2, y2].iter().all(|corner| corner.is_finite()) && x1 < x2 && y1 < y2
}

/// A loss that is a mean or a sum over boxes, each loss times its weight, and its gradient in the predicted corners.
///
/// `kernel` gives the loss of a pair and its derivative. Boxes whose weight is not above 0 add nothing and have
/// gradient 0, whatever they hold.
pub(crate) fn per_box_sum<T: Real>(
    boxes: &BoxPairs<T>,
    output: Output<T>,
    kernel: impl Fn(&Pair) -> Measure + Sync,
) -> Result<f64, LossError> {
    boxes.check_output(&output)?;
    let count = boxes.predictions.len();
    let scale = match output.reduction {
        Reduction::Sum => f64::from(output.scale),
        Reduction::Mean => {
            let taking_part = (0..count).filter(|&index| boxes.takes_part(index)).count();
            f64::from(output.scale) / taking_part.max(1) as f64
        }
    };
    let write_box = |index: usize, gradient: &mut [T; 4]| {
        let measure = boxes.measure(index, &kernel);
        let mut slopes = measure.as_ref().map_or([0.0; 4], |measure| measure.slope.map(|slope| to_f32(scale * slope)));
        T::narrow(&mut slopes, gradient);
        measure.map_or(0.0, |measure| measure.value)
    };
    let (gradient, _) = output.gradient.as_chunks_mut::<4>();
    let mut losses = output.losses;
    let chunks: Vec<_> = gradient
        .chunks_mut(CHUNK)
        .enumerate()
        .map(|(chunk, gradient)| (chunk * CHUNK, gradient, split_off(&mut losses)))
        .collect();
    let sums: Vec<f64> = chunks
        .into_par_iter()
        .map(|(start, gradient, mut losses)| {
            let mut sum = 0.0;
            for (at, gradient) in gradient.iter_mut().enumerate() {
                let loss = write_box(start + at, gradient);
                sum += loss;
                if let Some(losses) = &mut losses {
                    losses[at] = held((scale * loss) as f32, f32::MAX);
                }
            }
            sum
        })
        .collect();
    Ok(scale * sums.iter().sum::<f64>())
}

/// The first chunk of the losses, where they are wanted.
fn split_off<'a>(losses: &mut Option<&'a mut [f32]>) -> Option<&'a mut [f32]> {
    let rest = losses.take()?;
    let (first, rest) = rest.split_at_mut(CHUNK.min(rest.len()));
    *losses = Some(rest);
    Some(first)
}

/// The nearest f32, which is the largest one for anything beyond; NaN for NaN.
fn to_f32(slope: f64) -> f32 {
    slope.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derivative_beyond_the_range_of_f32_stays_finite() {
        assert_eq!([1e45, -1e45, 0.5].map(to_f32), [f32::MAX, f32::MIN, 0.5]);
        assert!(to_f32(f64::NAN).is_nan());
    }

    #[test]
    fn a_target_is_proper_when_it_is_finite_and_has_a_size() {
        assert!(is_proper([-1.0, 0.0, 1.0, 1e-40]));
        assert!(is_proper([f32::MIN, 0.0, f32::MAX, 1.0]));
        let nothing = [[0.0, 0.0, 0.0, 1.0], [0.0, 2.0, 1.0, 1.0], [0.0, f32::NAN, 1.0, 1.0]];
        let endless = [f32::NEG_INFINITY, 0.0, 1.0, 1.0];
        assert!(nothing.into_iter().chain([endless]).all(|corners| !is_proper(corners)));
    }
}
