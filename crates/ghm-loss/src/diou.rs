//! The DIoU loss of boxes.

use crate::boxes::{BoxPairs, per_box_sum};
use crate::error::LossError;
use crate::examples::Examples;
use crate::output::Output;
use crate::overlap::{Measure, Pair};
use crate::real::Real;

/// `1 - DIoU` of predicted boxes and their targets (Zheng et al. 2020, eq. 7). Returns the value and writes the
/// gradient in the predicted corners.
///
/// `DIoU = IoU - d^2 / c^2`, with `d` the distance of the centres and `c` the diagonal of the smallest box that holds
/// both. The loss of a box lies in `[0, 2]`, is 0 for equal boxes alone, and stays the same when both boxes are moved
/// or scaled.
///
/// # Shapes
/// Predictions, targets: `[N, 4]`, a box as `x1, y1, x2, y2` in any unit; gates, weights: `[N]`. See [`Examples`] for who
/// takes part. A corner that is not finite and does makes the value NaN, and the gradient of its own box.
///
/// # Degenerate boxes
/// As [`giou`](crate::giou()) has it: sizes are at least 0, all corners count for the smallest box that holds both, and
/// the centre is the mean of the corners even where they are swapped.
///
/// # Errors
/// [`LossError`] where lengths differ or are not four a box, or a target with weight is not finite or has no size.
pub fn diou<'o, T: Real>(examples: &Examples<T>, output: impl Into<Output<'o, T>>) -> Result<f64, LossError> {
    per_box_sum(&BoxPairs::new(examples)?, output.into(), terms)
}

pub(crate) fn terms(pair: &Pair) -> Measure {
    pair.one_minus_iou() + pair.centre_distance()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_boxes_have_loss_and_gradient_zero() {
        for corners in [[0.0, 0.0, 1.0, 1.0], [-3.7, 0.1, 12.9, 0.3], [1e9, -1e9, 2e9, 1e9]] {
            assert_eq!(terms(&Pair::new(corners, corners)), Measure::constant(0.0));
        }
    }

    #[test]
    fn unit_squares_a_unit_apart_are_drawn_together() {
        // Centres 2 apart, diagonal^2 10: moving x1 by 1 changes them by 2 * -2 / 2 and -6, moving x2 by -2 and 0.
        let found = terms(&Pair::new([0.0, 0.0, 1.0, 1.0], [2.0, 0.0, 3.0, 1.0]));
        let slope = [0.04, 0.04, -0.2, -0.04];
        assert!((found.value - 1.4).abs() < 1e-15);
        assert!(found.slope.iter().zip(slope).all(|(found, slope)| (found - slope).abs() < 1e-15), "{found:?}");
    }

    #[test]
    fn around_the_same_centre_the_distance_adds_nothing() {
        let found = terms(&Pair::new([0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 3.0, 3.0]));
        let side = 4.0 * 4.0 / 256.0;
        assert_eq!(found, Measure { value: 0.75, slope: [-side, -side, side, side] });
    }
}
