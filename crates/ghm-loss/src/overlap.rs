//! What is measured on a predicted box and its target, each with its derivative in the predicted corners.

use std::array;
use std::ops::{Add, Div, Mul, Sub};

/// A number measured on two boxes, and its derivative in the corners `x1, y1, x2, y2` of the predicted one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measure {
    pub value: f64,
    pub slope: [f64; 4],
}

/// A length along one axis, and its derivative in the two edges of the predicted box on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Length {
    pub value: f64,
    pub slope: [f64; 2],
}

/// A predicted box and its target along one axis.
pub(crate) struct Axis {
    /// Size of the predicted box, 0 where its edges are swapped.
    pub size: Length,
    /// Size of the target.
    pub target: f64,
    /// What the boxes share; 0 where they do not, or the predicted edges are swapped.
    pub shared: Length,
    /// Size of the smallest interval that holds all four edges.
    pub hull: Length,
    /// Centre of the predicted box, seen from that of the target.
    pub offset: Length,
}

/// A predicted box, anything finite, and its target, which is proper.
///
/// Everything is f64: neither the products of four corners below nor their ratios leave its range, whatever finite f32
/// the corners are.
pub(crate) struct Pair {
    pub x: Axis,
    pub y: Axis,
}

impl Measure {
    pub fn constant(value: f64) -> Self {
        Self { value, slope: [0.0; 4] }
    }

    /// The area with sides `x` and `y`.
    pub fn area(x: Length, y: Length) -> Self {
        Self {
            value: x.value * y.value,
            slope: [x.slope[0] * y.value, x.value * y.slope[0], x.slope[1] * y.value, x.value * y.slope[1]],
        }
    }

    /// `x^2 + y^2`.
    pub fn sum_of_squares(x: Length, y: Length) -> Self {
        let (twice_x, twice_y) = (2.0 * x.value, 2.0 * y.value);
        Self {
            value: x.value * x.value + y.value * y.value,
            slope: [twice_x * x.slope[0], twice_y * y.slope[0], twice_x * x.slope[1], twice_y * y.slope[1]],
        }
    }
}

impl Add for Measure {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let slope = array::from_fn(|corner| self.slope[corner] + other.slope[corner]);
        Self { value: self.value + other.value, slope }
    }
}

impl Sub for Measure {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let slope = array::from_fn(|corner| self.slope[corner] - other.slope[corner]);
        Self { value: self.value - other.value, slope }
    }
}

impl Mul<f64> for Measure {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self { value: self.value * factor, slope: self.slope.map(|slope| slope * factor) }
    }
}

impl Div for Measure {
    type Output = Self;

    #[expect(clippy::suspicious_arithmetic_impl, reason = "the quotient rule")]
    fn div(self, other: Self) -> Self {
        let ratio = self.value / other.value;
        let slope = array::from_fn(|corner| (self.slope[corner] - ratio * other.slope[corner]) / other.value);
        Self { value: ratio, slope }
    }
}

impl Axis {
    /// Of the predicted edges `p1` and `p2` and the target's, `t1 < t2`.
    fn new([p1, p2]: [f64; 2], [t1, t2]: [f64; 2]) -> Self {
        let (low, high) = (p1.min(p2), p1.max(p2));
        let proper = step(p2 - p1);
        let swapped = 1.0 - proper;
        let inside = p2.min(t2) - p1.max(t1);
        let open = step(inside);
        let (left, right) = (step(t1 - low), step(high - t2));
        Self {
            size: Length { value: (p2 - p1).max(0.0), slope: [-proper, proper] },
            target: t2 - t1,
            shared: Length { value: inside.max(0.0), slope: [-open * step(p1 - t1), open * step(t2 - p2)] },
            hull: Length {
                value: high.max(t2) - low.min(t1),
                slope: [swapped * right - proper * left, proper * right - swapped * left],
            },
            offset: Length { value: 0.5 * ((p1 - t1) + (p2 - t2)), slope: [0.5, 0.5] },
        }
    }
}

/// The derivative of `max(a, b)` in `a` where `ahead` is `a - b`: at the kink the mean of both sides.
fn step(ahead: f64) -> f64 {
    if ahead > 0.0 {
        1.0
    } else if ahead < 0.0 {
        0.0
    } else {
        0.5
    }
}

impl Pair {
    pub fn new(predicted: [f32; 4], target: [f32; 4]) -> Self {
        let [x1, y1, x2, y2] = predicted.map(f64::from);
        let [target_x1, target_y1, target_x2, target_y2] = target.map(f64::from);
        Self { x: Axis::new([x1, x2], [target_x1, target_x2]), y: Axis::new([y1, y2], [target_y1, target_y2]) }
    }

    /// The area in both boxes.
    fn shared(&self) -> Measure {
        Measure::area(self.x.shared, self.y.shared)
    }

    /// The area in one of the boxes and not the other; exactly 0 for equal boxes.
    fn apart(&self) -> Measure {
        let shared = self.shared();
        let target = Measure::constant(self.x.target * self.y.target);
        (Measure::area(self.x.size, self.y.size) - shared) + (target - shared)
    }

    /// The area in either box, above 0.
    pub fn union(&self) -> Measure {
        self.apart() + self.shared()
    }

    /// 1 - IoU, in `[0, 1]`: as a ratio, since a difference from 1 has no digits where the boxes are nearly equal.
    pub fn one_minus_iou(&self) -> Measure {
        self.apart() / self.union()
    }

    /// The area of the smallest box that holds all corners, above 0.
    pub fn hull(&self) -> Measure {
        Measure::area(self.x.hull, self.y.hull)
    }

    /// The squared distance of the centres over the squared diagonal of the hull, in `[0, 1]`.
    pub fn centre_distance(&self) -> Measure {
        Measure::sum_of_squares(self.x.offset, self.y.offset) / Measure::sum_of_squares(self.x.hull, self.y.hull)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_overlapping_edges_follow_the_edge_that_bounds_them() {
        let axis = Axis::new([1.0, 4.0], [2.0, 7.0]);
        assert_eq!(axis.size, Length { value: 3.0, slope: [-1.0, 1.0] });
        assert_eq!(axis.shared, Length { value: 2.0, slope: [0.0, 1.0] });
        assert_eq!(axis.hull, Length { value: 6.0, slope: [-1.0, 0.0] });
        assert_eq!(axis.offset, Length { value: -2.0, slope: [0.5, 0.5] });
        assert_eq!(axis.target, 5.0);
    }

    #[test]
    fn swapped_edges_have_no_size_and_share_nothing_but_stretch_the_hull() {
        let axis = Axis::new([9.0, 1.0], [2.0, 7.0]);
        assert_eq!(axis.size, Length { value: 0.0, slope: [0.0, 0.0] });
        assert_eq!(axis.shared, Length { value: 0.0, slope: [0.0, 0.0] });
        assert_eq!(axis.hull, Length { value: 8.0, slope: [1.0, -1.0] });
        assert_eq!(axis.offset, Length { value: 0.5, slope: [0.5, 0.5] });
    }

    #[test]
    fn at_a_kink_the_derivative_is_the_mean_of_both_sides() {
        let (equal, empty) = (Axis::new([2.0, 7.0], [2.0, 7.0]), Axis::new([3.0, 3.0], [2.0, 7.0]));
        for length in [equal.shared, equal.hull, empty.size, empty.shared] {
            assert_eq!(length.slope, [-0.5, 0.5]);
        }
    }

    #[test]
    fn measures_of_a_pair_are_those_counted_by_hand() {
        let pair = Pair::new([0.0, 0.0, 4.0, 2.0], [1.0, 0.0, 5.0, 3.0]);
        // Areas 8 and 12, of which 3 x 2 are shared.
        assert_eq!(pair.union().value, 14.0);
        assert_eq!(pair.one_minus_iou().value, 8.0 / 14.0);
        assert_eq!(pair.hull().value, 15.0);
        // Centres (2, 1) and (3, 1.5), diagonal (5, 3).
        assert_eq!(pair.centre_distance().value, 1.25 / 34.0);
    }
}
