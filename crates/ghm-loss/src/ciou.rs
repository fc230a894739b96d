//! The CIoU loss of boxes: DIoU, and how different the shapes are.

use std::f64::consts::PI;

use crate::boxes::{BoxPairs, per_box_sum};
use crate::diou;
use crate::error::LossError;
use crate::examples::Examples;
use crate::output::Output;
use crate::overlap::{Measure, Pair};
use crate::real::Real;

/// `1 - CIoU` of predicted boxes and their targets (Zheng et al. 2020, eq. 8 to 12). Returns the value and writes
/// the gradient in the predicted corners.
///
/// `CIoU = DIoU - alpha v`, where `v = 4 / pi^2 (atan(w_t / h_t) - atan(w / h))^2` compares the shapes, in `[0, 1]`,
/// and `alpha = v / (1 - IoU + v)` lets that count for more the better the boxes overlap. The loss of a box lies in
/// `[0, 2.5]`, is 0 for equal boxes alone, and stays the same when both boxes are moved or scaled.
///
/// `alpha` is a constant of the gradient, as in the paper: so the gradient is not quite that of the value.
///
/// # Shapes
/// Predictions, targets: `[N, 4]`, a box as `x1, y1, x2, y2` in any unit; gates, weights: `[N]`. See [`Examples`] for who
/// takes part. A corner that is not finite and does makes the value NaN, and the gradient of its own box.
///
/// # Degenerate boxes
/// As [`giou`](crate::giou()) and [`diou`](crate::diou()) have it. A predicted box of neither width nor height has no
/// shape: its `v` is 0.
///
/// # Errors
/// [`LossError`] where lengths differ or are not four a box, or a target with weight is not finite or has no size.
///
/// # Deviations
/// The derivatives of `v` keep their divisor `w^2 + h^2`, which the authors' code replaces by 1 for boxes measured in
/// parts of the image. So the gradient scales as it should with the unit, and that of a tiny predicted box grows as 1
/// over its size; beyond the range of f32 it is the largest f32.
pub fn ciou<'o, T: Real>(examples: &Examples<T>, output: impl Into<Output<'o, T>>) -> Result<f64, LossError> {
    per_box_sum(&BoxPairs::new(examples)?, output.into(), terms)
}

fn terms(pair: &Pair) -> Measure {
    let shape = shape_difference(pair);
    let alpha = if shape.value > 0.0 { shape.value / (pair.one_minus_iou().value + shape.value) } else { 0.0 };
    diou::terms(pair) + shape * alpha
}

/// `v`.
fn shape_difference(pair: &Pair) -> Measure {
    let (width, height) = (pair.x.size, pair.y.size);
    let square = width.value * width.value + height.value * height.value;
    if square == 0.0 {
        return Measure::constant(0.0);
    }
    let angle = libm::atan2(pair.x.target, pair.y.target) - libm::atan2(width.value, height.value);
    // The derivative of atan(w / h) is h / (w^2 + h^2) in w and -w / (w^2 + h^2) in h.
    let factor = 8.0 / (PI * PI) * angle / square;
    let (in_width, in_height) = (-factor * height.value, factor * width.value);
    Measure {
        value: 4.0 / (PI * PI) * angle * angle,
        slope: [
            in_width * width.slope[0],
            in_height * height.slope[0],
            in_width * width.slope[1],
            in_height * height.slope[1],
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_one_shape_have_the_loss_and_gradient_of_diou() {
        for (predicted, target) in [
            ([0.0, 0.0, 1.0, 1.0], [2.0, 0.0, 3.0, 1.0]),
            ([0.0, 0.0, 4.0, 8.0], [1.0, 1.0, 2.0, 3.0]),
            ([-3.0, 5.0, 7.0, 6.0], [-3.0, 5.0, 7.0, 6.0]),
        ] {
            let pair = Pair::new(predicted, target);
            assert_eq!(terms(&pair), diou::terms(&pair));
        }
    }

    #[test]
    fn a_shape_unlike_that_of_the_target_adds_alpha_v() {
        // Around one centre, IoU 4/8: what is left is alpha v with an angle of atan(1) - atan(2).
        let pair = Pair::new([0.0, 0.0, 4.0, 2.0], [1.0, 0.0, 3.0, 2.0]);
        let v = 4.0 / (PI * PI) * (PI / 4.0 - 2.0f64.atan()).powi(2);
        assert!((shape_difference(&pair).value - v).abs() < 1e-15);
        assert!((terms(&pair).value - (0.5 + v * v / (0.5 + v))).abs() < 1e-15);
        // A wider box is less like the target, a higher one more.
        let [x1, y1, x2, y2] = shape_difference(&pair).slope;
        assert!(x1 < 0.0 && y1 > 0.0 && x2 == -x1 && y2 == -y1);
    }

    #[test]
    fn the_shape_of_a_box_without_width_is_the_narrowest_and_without_any_size_none() {
        let target = [0.0, 0.0, 2.0, 2.0];
        let narrow = shape_difference(&Pair::new([1.0, 0.0, 1.0, 2.0], target));
        assert!((narrow.value - 0.25).abs() < 1e-15);
        assert_eq!(shape_difference(&Pair::new([1.0, 2.0, 0.0, 2.0], target)), Measure::constant(0.0));
    }
}
