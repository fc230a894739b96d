//! Losses that are sums over boxes: checked slices of four corners a box, and value and gradient in one pass.

use rayon::prelude::*;

use crate::error::{LossError, expect_length};
use crate::overlap::{Measure, Pair};

/// Boxes a task of the thread pool takes at a time. Fixed, and never a function of the number of threads, so that sums
/// come out bit-equal on any machine.
const CHUNK: usize = 1024;

/// The slices of one call, lengths and targets checked.
pub(crate) struct BoxPairs<'a> {
    predictions: &'a [[f32; 4]],
    targets: &'a [[f32; 4]],
    weights: Option<&'a [f32]>,
}

impl<'a> BoxPairs<'a> {
    /// `predictions`, `targets`, `gradient`: `[N, 4]`; `weights`: `[N]`.
    pub fn new(
        predictions: &'a [f32],
        targets: &'a [f32],
        weights: Option<&'a [f32]>,
        gradient: &[f32],
    ) -> Result<Self, LossError> {
        let (boxes, rest) = predictions.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(LossError::Corners { name: "predictions", length: predictions.len() });
        }
        expect_length("gradient", gradient.len(), "predictions", predictions.len())?;
        expect_length("targets", targets.len(), "predictions", predictions.len())?;
        weights.map_or(Ok(()), |weights| expect_length("weights", weights.len(), "the boxes", boxes.len()))?;
        let pairs = Self { predictions: boxes, targets: targets.as_chunks::<4>().0, weights };
        let improper = |&index: &usize| pairs.weight(index) > 0.0 && !is_proper(pairs.targets[index]);
        match (0..boxes.len()).find(improper) {
            Some(index) => Err(LossError::TargetBox { index, corners: pairs.targets[index] }),
            None => Ok(pairs),
        }
    }

    fn weight(&self, index: usize) -> f32 {
        self.weights.map_or(1.0, |weights| weights[index])
    }

    /// `kernel` of a box times its weight, or None where that is not above 0. Corners that are not finite give NaN.
    fn measure(&self, index: usize, kernel: impl Fn(&Pair) -> Measure) -> Option<Measure> {
        let (weight, predicted) = (self.weight(index), self.predictions[index]);
        (weight > 0.0).then(|| {
            if predicted.iter().all(|corner| corner.is_finite()) {
                kernel(&Pair::new(predicted, self.targets[index])) * f64::from(weight)
            } else {
                Measure { value: f64::NAN, slope: [f64::NAN; 4] }
            }
        })
    }
}

fn is_proper([x1, y1, x2, y2]: [f32; 4]) -> bool {
    [x1, y1, x2, y2].iter().all(|corner| corner.is_finite()) && x1 < x2 && y1 < y2
}

/// `scale` times the sum over boxes of weight times loss, and its gradient in the predicted corners.
///
/// `kernel` gives the loss of a pair and its derivative. Boxes whose weight is not above 0 add nothing and have
/// gradient 0, whatever they hold.
pub(crate) fn per_box_sum(
    boxes: &BoxPairs,
    scale: f32,
    gradient: &mut [f32],
    kernel: impl Fn(&Pair) -> Measure + Sync,
) -> f64 {
    let scale = f64::from(scale);
    let (gradient, _) = gradient.as_chunks_mut::<4>();
    let sums: Vec<f64> = gradient
        .par_chunks_mut(CHUNK)
        .enumerate()
        .map(|(chunk, gradient)| {
            let mut sum = 0.0;
            for (at, gradient) in gradient.iter_mut().enumerate() {
                let measure = boxes.measure(chunk * CHUNK + at, &kernel);
                sum += measure.map_or(0.0, |measure| measure.value);
                *gradient = measure.map_or([0.0; 4], |measure| measure.slope.map(|slope| to_f32(scale * slope)));
            }
            sum
        })
        .collect();
    scale * sums.iter().sum::<f64>()
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
