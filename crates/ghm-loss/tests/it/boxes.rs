//! The losses of boxes: derivatives, ranges, invariance, threads, weights, what is not finite, wrong input.

use std::f64::consts::PI;

use ghm_loss::LossError;
use proptest::prelude::*;

use crate::calls;
use crate::fixture::random_between;

/// Predictions, targets, weights, scale, gradient.
type Loss = fn(&[f32], &[f32], Option<&[f32]>, f32, &mut [f32]) -> Result<f64, LossError>;

/// Every loss of boxes, by name.
const LOSSES: [(&str, Loss); 3] = [("giou", calls::giou), ("diou", calls::diou), ("ciou", calls::ciou)];

/// Several ratios of f64, each rounded.
const ROUNDING: f64 = 1e-12;

/// A power of two below the grid of the boxes, so that a step to either side is exact. The third derivatives, some
/// tens of `1 / 0.5^3`, leave an error of `STEP^2 / 6` times that: 1e-6.
const STEP: f32 = 1.0 / 4096.0;

/// Value and gradient of one pair.
fn of_pair(loss: Loss, predicted: [f32; 4], target: [f32; 4]) -> (f64, [f32; 4]) {
    let mut gradient = [f32::MAX; 4];
    (loss(&predicted, &target, None, 1.0, &mut gradient).unwrap(), gradient)
}

/// GIoU's, DIoU's and CIoU's values of one pair.
fn values(predicted: [f32; 4], target: [f32; 4]) -> [f64; 3] {
    LOSSES.map(|(_, loss)| of_pair(loss, predicted, target).0)
}

/// `count` boxes with sizes from 0.5 to 30.
fn random_boxes(seed: u64, count: usize) -> Vec<f32> {
    let (corners, sizes) = (random_between(seed, 2 * count, 0.0, 50.0), random_between(seed + 1, 2 * count, 0.5, 30.0));
    let pairs = corners.chunks(2).zip(sizes.chunks(2));
    pairs.flat_map(|(corner, size)| [corner[0], corner[1], corner[0] + size[0], corner[1] + size[1]]).collect()
}

/// A box with corners on a grid of 1/64, so that sums, differences and products with powers of two are exact.
fn on_grid(size: impl Strategy<Value = i32> + Clone) -> impl Strategy<Value = [f32; 4]> {
    (0..640, 0..640, size.clone(), size)
        .prop_map(|(x, y, width, height)| [x, y, x + width, y + height].map(|corner| corner as f32 / 64.0))
}

/// Sizes from 0.5 to 5.
fn proper() -> impl Strategy<Value = [f32; 4]> {
    on_grid(32..320)
}

/// One in three sizes is negative, which swaps the corners.
fn any_order() -> impl Strategy<Value = [f32; 4]> {
    on_grid(prop_oneof![2 => 32..320i32, 1 => -192..-32i32])
}

/// Any finite corner: the large, the tiny, and small whole numbers, so that edges meet and boxes have no size.
fn any_corner() -> impl Strategy<Value = f32> {
    use prop::num::f32::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![-1e15f32..1e15, (-3i8..=3).prop_map(f32::from), POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO]
}

/// `v` of CIoU in f64, for boxes of which a size may be negative but none is 0.
fn shape_difference(predicted: [f64; 4], target: [f64; 4]) -> f64 {
    let angle = |[x1, y1, x2, y2]: [f64; 4]| (x2 - x1).max(0.0).atan2((y2 - y1).max(0.0));
    if predicted[2] < predicted[0] && predicted[3] < predicted[1] {
        return 0.0;
    }
    4.0 / (PI * PI) * (angle(target) - angle(predicted)).powi(2)
}

fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let side = |axis: usize| (a[axis + 2].min(b[axis + 2]) - a[axis].max(b[axis])).max(0.0);
    let area = |[x1, y1, x2, y2]: [f64; 4]| (x2 - x1) * (y2 - y1);
    let shared = side(0) * side(1);
    shared / (area(a) + area(b) - shared)
}

proptest! {
    #[test]
    fn each_loss_has_the_gradient_of_its_value(predicted in any_order(), target in proper()) {
        // A kink cannot be differentiated across.
        let meets = |at: usize, other: usize| predicted[at] == target[other];
        prop_assume!((0..4).all(|at| !meets(at, at) && !meets(at, (at + 2) % 4)));
        let [giou, diou, ciou] = LOSSES.map(|(_, loss)| of_pair(loss, predicted, target).1);
        // The factor of v is a constant of the gradient.
        let v = |predicted: [f32; 4]| shape_difference(predicted.map(f64::from), target.map(f64::from));
        let [_, without, with] = values(predicted, target);
        let alpha = if v(predicted) > 0.0 { (with - without) / v(predicted) } else { 0.0 };
        for at in 0..4 {
            let moved = |step: f32| {
                let mut moved = predicted;
                moved[at] += step;
                let [giou, diou, _] = values(moved, target);
                [giou, diou, diou + alpha * v(moved)]
            };
            let (above, below) = (moved(STEP), moved(-STEP));
            for (loss, gradient) in [giou, diou, ciou].into_iter().enumerate() {
                let difference = (above[loss] - below[loss]) / f64::from(2.0 * STEP);
                let error = (f64::from(gradient[at]) - difference).abs();
                let (name, found) = (LOSSES[loss].0, gradient[at]);
                prop_assert!(error < 1e-5, "{} in corner {}: {}, by differences {}", name, at, found, difference);
            }
        }
    }

    #[test]
    fn each_loss_is_one_minus_iou_and_a_penalty_within_its_range(predicted in proper(), target in proper()) {
        let [giou, diou, ciou] = values(predicted, target);
        let (predicted, target) = (predicted.map(f64::from), target.map(f64::from));
        let (iou, v) = (iou(predicted, target), shape_difference(predicted, target));
        prop_assert!((-1.0..=iou + ROUNDING).contains(&(1.0 - giou)), "GIoU {} of IoU {}", 1.0 - giou, iou);
        prop_assert!((-1.0..=iou + ROUNDING).contains(&(1.0 - diou)), "DIoU {} of IoU {}", 1.0 - diou, iou);
        let penalty = if v > 0.0 { v * v / (1.0 - iou + v) } else { 0.0 };
        prop_assert!((ciou - diou - penalty).abs() < ROUNDING, "CIoU adds {}, expected {}", ciou - diou, penalty);
    }

    #[test]
    fn a_box_inside_the_other_has_no_giou_penalty(
        outer in proper(),
        [left, top, right, bottom] in [0.0f32..0.5, 0.0..0.5, 0.0..0.5, 0.0..0.5],
    ) {
        let [x1, y1, x2, y2] = outer;
        let (width, height) = (x2 - x1, y2 - y1);
        let inner = [x1 + left * width, y1 + top * height, x2 - right * width, y2 - bottom * height];
        prop_assume!(inner[0] < inner[2] && inner[1] < inner[3]);
        let iou = iou(inner.map(f64::from), outer.map(f64::from));
        for (predicted, target) in [(inner, outer), (outer, inner)] {
            let [giou, diou, _] = values(predicted, target);
            prop_assert!((giou - (1.0 - iou)).abs() < ROUNDING);
            prop_assert!(diou > giou - ROUNDING);
        }
    }

    #[test]
    fn moving_or_scaling_both_boxes_keeps_the_value(
        predicted in any_order(),
        target in proper(),
        shift in [-1000..1000i32, -1000..1000i32],
        exponent in -20..20i32,
    ) {
        let unit = 2.0f32.powi(exponent);
        let [dx, dy] = shift.map(|step| step as f32 / 64.0);
        let place = |[x1, y1, x2, y2]: [f32; 4]| [x1 + dx, y1 + dy, x2 + dx, y2 + dy].map(|corner| corner * unit);
        for (name, loss) in LOSSES {
            let (value, gradient) = of_pair(loss, predicted, target);
            // All of that is exact.
            let (placed, placed_gradient) = of_pair(loss, place(predicted), place(target));
            prop_assert_eq!(placed, value, "{}", name);
            prop_assert_eq!(placed_gradient.map(|entry| entry * unit), gradient, "{}", name);
        }
    }

    #[test]
    fn changing_predicted_and_target_keeps_the_value_of_proper_boxes(a in proper(), b in proper()) {
        for (there, back) in values(a, b).into_iter().zip(values(b, a)) {
            prop_assert!((there - back).abs() < ROUNDING);
        }
    }

    #[test]
    fn finite_boxes_have_a_value_within_its_range_and_a_finite_gradient(
        predicted in [any_corner(), any_corner(), any_corner(), any_corner()],
        [x, y] in [[any_corner(), any_corner()], [any_corner(), any_corner()]],
    ) {
        prop_assume!(x[0] != x[1] && y[0] != y[1]);
        let target = [x[0].min(x[1]), y[0].min(y[1]), x[0].max(x[1]), y[0].max(y[1])];
        for ((name, loss), most) in LOSSES.into_iter().zip([2.0, 2.0, 2.5]) {
            let (value, gradient) = of_pair(loss, predicted, target);
            prop_assert!((-ROUNDING..=most + ROUNDING).contains(&value), "{}: {}", name, value);
            prop_assert!(gradient.iter().all(|entry| entry.is_finite()), "{}: {:?}", name, gradient);
        }
    }
}

#[test]
fn values_and_gradients_of_boxes_are_bit_equal_for_any_number_of_threads() {
    // Several chunks, and the last not full.
    let (predictions, targets) = (random_boxes(1, 5_003), random_boxes(3, 5_003));
    let weights = random_between(5, 5_003, -0.3, 1.0);
    let on_threads = |count: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
        pool.install(|| {
            LOSSES.map(|(_, loss)| {
                let mut gradient = vec![0.0; predictions.len()];
                let value = loss(&predictions, &targets, Some(&weights), 0.3, &mut gradient).unwrap();
                (value.to_bits(), gradient.iter().map(|entry| entry.to_bits()).collect::<Vec<_>>())
            })
        })
    };
    let alone = on_threads(1);
    assert!(on_threads(2) == alone);
    assert!(on_threads(5) == alone);
}

#[test]
fn value_and_gradient_of_many_boxes_are_those_of_each_times_weight_and_scale() {
    let (predictions, targets) = (random_boxes(1, 2_500), random_boxes(3, 2_500));
    let weights = random_between(5, 2_500, -0.3, 1.0);
    for (name, loss) in LOSSES {
        let mut gradient = vec![f32::MAX; predictions.len()];
        let value = loss(&predictions, &targets, Some(&weights), 0.5, &mut gradient).unwrap();
        let mut expected = 0.0;
        for (index, gradient) in gradient.chunks(4).enumerate() {
            let corners = 4 * index..4 * index + 4;
            let (mut alone, gate) = ([0.0; 4], weights[index].max(0.0));
            let predicted = &predictions[corners.clone()];
            expected += 0.5 * f64::from(gate) * loss(predicted, &targets[corners], None, 1.0, &mut alone).unwrap();
            for (&entry, alone) in gradient.iter().zip(alone) {
                // Three roundings to f32.
                let product = 0.5 * gate * alone;
                assert!((entry - product).abs() <= 3e-7 * product.abs(), "{name}: box {index}");
            }
        }
        // Sums of 2,500 in another order.
        assert!((value - expected).abs() < 1e-12 * expected, "{name}: {value}, {expected}");
    }
}

#[test]
fn boxes_without_positive_weight_add_nothing_whatever_they_hold() {
    let (kept, target) = ([0.0f32, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 4.0]);
    let predictions = [kept, [f32::NAN; 4], [f32::INFINITY; 4], kept].concat();
    let targets = [target, target, [f32::NAN; 4], [0.0; 4]].concat();
    for (name, loss) in LOSSES {
        let mut gradient = [f32::MAX; 16];
        let weights = [1.0, 0.0, -2.0, f32::NAN];
        let value = loss(&predictions, &targets, Some(&weights), 1.0, &mut gradient).unwrap();
        let (expected, expected_gradient) = of_pair(loss, kept, target);
        assert_eq!(value, expected, "{name}");
        assert_eq!(gradient[..4], expected_gradient, "{name}");
        assert_eq!(gradient[4..], [0.0; 12], "{name}");
    }
}

#[test]
fn a_corner_that_is_not_finite_shows_in_the_value_and_the_gradient_of_its_box_alone() {
    let targets = random_boxes(3, 2_000);
    for corner in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut predictions = random_boxes(1, 2_000);
        predictions[4 * 1_234 + 2] = corner;
        for (name, loss) in LOSSES {
            let mut gradient = vec![0.0; predictions.len()];
            assert!(loss(&predictions, &targets, None, 1.0, &mut gradient).unwrap().is_nan(), "{name} of {corner}");
            let nans: Vec<usize> = (0..gradient.len()).filter(|&index| gradient[index].is_nan()).collect();
            assert_eq!(nans, [4_936, 4_937, 4_938, 4_939], "{name} of {corner}");
        }
    }
}

#[test]
fn no_boxes_give_zero() {
    for (name, loss) in LOSSES {
        assert_eq!(loss(&[], &[], None, 1.0, &mut []).unwrap(), 0.0, "{name}");
    }
}

/// From apart, from around, from inside, and from no width.
#[test]
fn going_down_the_gradient_lays_a_box_on_its_target() {
    let target = [10.0f32, 10.0, 20.0, 16.0];
    for start in [[0.0, 0.0, 4.0, 4.0], [5.0, 5.0, 30.0, 30.0], [13.0, 12.0, 14.0, 13.0], [15.0, 12.0, 15.0, 14.0]] {
        for (name, loss) in LOSSES {
            let mut corners: [f32; 4] = start;
            let steps = 4_000;
            for step in 0..steps {
                let (_, gradient) = of_pair(loss, corners, target);
                // By sign, with steps that end at 0: no corner has more than 20 to go, and each has 80 to spend.
                let rate = 0.04 * (1.0 - step as f32 / steps as f32);
                for (corner, entry) in corners.iter_mut().zip(gradient) {
                    *corner -= if entry == 0.0 { 0.0 } else { rate * entry.signum() };
                }
            }
            let iou = iou(corners.map(f64::from), target.map(f64::from));
            assert!(iou > 0.95, "{name} from {start:?} ends at {corners:?}");
        }
    }
}

#[test]
fn boxes_of_the_wrong_length_or_without_a_proper_target_are_refused_and_change_nothing() {
    let (unit, mut gradient) = ([0.0f32, 0.0, 1.0, 1.0], [9.0f32; 8]);
    let two = [unit, unit].concat();
    for (name, loss) in LOSSES {
        let mut texts = Vec::new();
        let mut record = |result: Result<f64, LossError>| texts.push(result.unwrap_err().to_string());
        record(loss(&two[..7], &two[..7], None, 1.0, &mut gradient[..7]));
        record(loss(&two, &two, None, 1.0, &mut gradient[..4]));
        record(loss(&two, &unit, None, 1.0, &mut gradient));
        record(loss(&two, &two, Some(&[1.0; 8]), 1.0, &mut gradient));
        let improper = [unit, [3.0, 0.5, 2.0, 4.0]].concat();
        record(loss(&two, &improper, Some(&[0.0, 0.1]), 1.0, &mut gradient));
        let unknown = [[f32::NAN, 0.0, 1.0, 1.0], unit].concat();
        record(loss(&two, &unknown, None, 1.0, &mut gradient));
        assert_eq!(
            texts,
            [
                "predictions are 7 numbers: expected four a box, x1, y1, x2, y2",
                "gradient and predictions differ in length: 4 and 8",
                "targets and predictions differ in length: 4 and 8",
                "weights and the boxes differ in length: 8 and 2",
                "targets[1] is [3.0, 0.5, 2.0, 4.0]: expected finite x1 < x2 and y1 < y2; give ignored boxes weight 0",
                "targets[0] is [NaN, 0.0, 1.0, 1.0]: expected finite x1 < x2 and y1 < y2; give ignored boxes weight 0",
            ],
            "{name}"
        );
    }
    assert_eq!(gradient, [9.0; 8]);
}
