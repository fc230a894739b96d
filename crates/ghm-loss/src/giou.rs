//! The GIoU loss of boxes.

use crate::boxes::{BoxPairs, per_box_sum};
use crate::error::LossError;
use crate::examples::Examples;
use crate::output::Output;
use crate::overlap::{Measure, Pair};
use crate::real::Real;

/// `1 - GIoU` of predicted boxes and their targets (Rezatofighi et al. 2019, algorithm 1 and 2). Returns the value
/// and writes the gradient in the predicted corners.
///
/// `GIoU = IoU - (hull - union) / hull`, in areas, where the hull is the smallest box that holds both. The loss of a
/// box lies in `[0, 2]`, is 0 for equal boxes alone, and stays the same when both boxes are moved or scaled.
///
/// # Shapes
/// Predictions, targets: `[N, 4]`, a box as `x1, y1, x2, y2` in any unit; gates, weights: `[N]`. See [`Examples`] for who
/// takes part. A corner that is not finite and does makes the value NaN, and the gradient of its own box.
///
/// # Degenerate boxes
/// A predicted box may be anything finite. Where `x2 < x1` its width is 0, as is its height where `y2 < y1`: it has no
/// area and shares none, but its corners still stretch the hull, so that the gradient draws them into the target; it
/// does not put them in order there. At a kink (equal edges, touching boxes, size 0) the gradient is the mean of both
/// sides: it is 0 for equal boxes, a segment in its target grows into a box, and a point there has gradient 0.
///
/// The gradient of a box is at most 4 over the smaller side of its target; beyond the range of f32 it is the largest
/// f32.
///
/// # Errors
/// [`LossError`] where lengths differ or are not four a box, or a target with weight is not finite or has no size.
pub fn giou<'o, T: Real>(examples: &Examples<T>, output: impl Into<Output<'o, T>>) -> Result<f64, LossError> {
    per_box_sum(&BoxPairs::new(examples)?, output.into(), terms)
}

fn terms(pair: &Pair) -> Measure {
    let hull = pair.hull();
    pair.one_minus_iou() + (hull - pair.union()) / hull
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
        // Union 2, hull 3: 2 - 2/3. Moving x1 left adds as much to the union as to the hull.
        let found = terms(&Pair::new([0.0, 0.0, 1.0, 1.0], [2.0, 0.0, 3.0, 1.0]));
        let slope = [1.0 / 9.0, 0.0, -1.0 / 3.0, 0.0];
        assert!((found.value - 4.0 / 3.0).abs() < 1e-15);
        assert!(found.slope.iter().zip(slope).all(|(found, slope)| (found - slope).abs() < 1e-15), "{found:?}");
    }

    #[test]
    fn a_box_around_its_target_shrinks_towards_it() {
        // The hull is the box itself: the loss is 1 - 4/16, and its derivative in the area 4/16^2.
        let found = terms(&Pair::new([0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 3.0, 3.0]));
        let side = 4.0 * 4.0 / 256.0;
        assert_eq!(found, Measure { value: 0.75, slope: [-side, -side, side, side] });
    }

    #[test]
    fn a_box_without_size_inside_its_target_grows() {
        // Half of what the side on which it grows has: the loss falls by the area gained over the target's.
        let found = terms(&Pair::new([2.0, 1.0, 2.0, 3.0], [0.0, 0.0, 4.0, 4.0]));
        assert_eq!(found, Measure { value: 1.0, slope: [0.5 * 2.0 / 16.0, 0.0, -0.5 * 2.0 / 16.0, 0.0] });
    }

    #[test]
    fn swapped_corners_outside_the_target_are_drawn_in() {
        // No area: the loss is 2 - 1/24, and the hull 8 x 3.
        let found = terms(&Pair::new([9.0, 3.0, 1.0, 0.0], [2.0, 1.0, 3.0, 2.0]));
        assert_eq!(found.value, 1.0 + 23.0 / 24.0);
        assert!(found.slope[0] > 0.0 && found.slope[1] > 0.0, "{found:?}");
        assert!(found.slope[2] < 0.0 && found.slope[3] < 0.0, "{found:?}");
    }
}
