//! One axis-aligned box, and its overlap with another.

use serde::{Deserialize, Serialize};

/// An axis-aligned box by its corners, in pixels: `x1 <= x < x2`, `y1 <= y < y2`, y downwards.
///
/// The coordinate space (original image, network input) is said by the name of the variable that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bbox {
    /// Left edge.
    pub x1: f32,
    /// Top edge.
    pub y1: f32,
    /// Right edge.
    pub x2: f32,
    /// Bottom edge.
    pub y2: f32,
}

impl Bbox {
    /// A box from its corners.
    pub const fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// A box from `[x1, y1, x2, y2]`.
    pub const fn from_corners([x1, y1, x2, y2]: [f32; 4]) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// `[x1, y1, x2, y2]`.
    pub const fn corners(self) -> [f32; 4] {
        [self.x1, self.y1, self.x2, self.y2]
    }

    /// A box from its centre and size.
    pub fn from_center(cx: f32, cy: f32, width: f32, height: f32) -> Self {
        let (half_width, half_height) = (0.5 * width, 0.5 * height);
        Self::new(cx - half_width, cy - half_height, cx + half_width, cy + half_height)
    }

    /// A box from COCO's `[x, y, width, height]`.
    pub fn from_xywh([x, y, width, height]: [f32; 4]) -> Self {
        Self::new(x, y, x + width, y + height)
    }

    /// COCO's `[x, y, width, height]`.
    pub fn to_xywh(self) -> [f32; 4] {
        [self.x1, self.y1, self.width(), self.height()]
    }

    /// Width in pixels; negative when the corners are swapped.
    pub fn width(self) -> f32 {
        self.x2 - self.x1
    }

    /// Height in pixels; negative when the corners are swapped.
    pub fn height(self) -> f32 {
        self.y2 - self.y1
    }

    /// Centre `(x, y)`.
    pub fn center(self) -> (f32, f32) {
        (self.x1 + 0.5 * self.width(), self.y1 + 0.5 * self.height())
    }

    /// Area in square pixels, 0 for an empty or inverted box.
    pub fn area(self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    /// Whether all four coordinates are finite and the box has a positive width and height.
    pub fn is_proper(self) -> bool {
        [self.x1, self.y1, self.x2, self.y2].iter().all(|v| v.is_finite()) && self.width() > 0.0 && self.height() > 0.0
    }

    /// The part inside `[0, width] x [0, height]`.
    pub fn clip(self, width: f32, height: f32) -> Self {
        Self::new(
            self.x1.clamp(0.0, width),
            self.y1.clamp(0.0, height),
            self.x2.clamp(0.0, width),
            self.y2.clamp(0.0, height),
        )
    }

    /// The box moved by `(dx, dy)`.
    pub fn shift(self, dx: f32, dy: f32) -> Self {
        Self::new(self.x1 + dx, self.y1 + dy, self.x2 + dx, self.y2 + dy)
    }

    /// The box with x multiplied by `sx` and y by `sy`.
    pub fn scale(self, sx: f32, sy: f32) -> Self {
        Self::new(self.x1 * sx, self.y1 * sy, self.x2 * sx, self.y2 * sy)
    }

    /// Area shared with `other`, in square pixels.
    pub fn intersection(self, other: Self) -> f32 {
        let width = self.x2.min(other.x2) - self.x1.max(other.x1);
        let height = self.y2.min(other.y2) - self.y1.max(other.y1);
        width.max(0.0) * height.max(0.0)
    }

    /// Intersection over union, in `[0, 1]`; 0 when both boxes are empty.
    pub fn iou(self, other: Self) -> f32 {
        let shared = self.intersection(other);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_box() -> impl Strategy<Value = Bbox> {
        (-100.0f32..100.0, -100.0f32..100.0, 0.1f32..80.0, 0.1f32..80.0)
            .prop_map(|(x, y, w, h)| Bbox::from_xywh([x, y, w, h]))
    }

    #[test]
    fn iou_of_half_shifted_squares_is_one_third() {
        let left = Bbox::new(0.0, 0.0, 2.0, 2.0);
        assert!((left.iou(left.shift(1.0, 0.0)) - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn touching_boxes_do_not_overlap() {
        let left = Bbox::new(0.0, 0.0, 2.0, 2.0);
        assert_eq!(left.iou(left.shift(2.0, 0.0)), 0.0);
    }

    #[test]
    fn boxes_with_nan_or_no_size_are_not_proper() {
        assert!(!Bbox::new(f32::NAN, 0.0, 1.0, 1.0).is_proper());
        assert!(!Bbox::new(1.0, 0.0, 1.0, 1.0).is_proper());
        assert!(!Bbox::new(2.0, 0.0, 1.0, 1.0).is_proper());
        assert!(Bbox::new(0.0, 0.0, 1.0, 1.0).is_proper());
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_bounded_and_one_with_itself(a in any_box(), b in any_box()) {
            prop_assert_eq!(a.iou(b), b.iou(a));
            prop_assert!((0.0..=1.0 + 1e-6).contains(&a.iou(b)));
            prop_assert!((a.iou(a) - 1.0).abs() < 1e-5);
        }
    }
}
