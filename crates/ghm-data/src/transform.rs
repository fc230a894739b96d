//! Axis-aligned affine maps between coordinate spaces: resize, flip, transpose, crop, and their compositions.

use ghm_boxes::Bbox;
use serde::{Deserialize, Serialize};

/// An axis-aligned affine map: `x' = sx * x + tx`, `y' = sy * y + ty`, where x and y may have changed places before; a
/// negative scale mirrors.
///
/// Coordinates are continuous: pixel `i` covers `[i, i + 1)`. Named like every map here, result first:
/// `input_from_image` takes image coordinates and gives input coordinates, so names chain in
/// `c_from_b.compose(b_from_a)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transform {
    /// Whether x and y change places, before all else.
    #[serde(default)]
    swapped: bool,
    sx: f64,
    sy: f64,
    tx: f64,
    ty: f64,
}

impl Transform {
    /// The map that moves nothing.
    pub const IDENTITY: Self = Self { swapped: false, sx: 1.0, sy: 1.0, tx: 0.0, ty: 0.0 };

    /// Scaling of a picture of `from` (width, height) to `to` (width, height) pixels; every side at least 1.
    pub fn resize(from: (usize, usize), to: (usize, usize)) -> Self {
        let ratio = |from: usize, to: usize| to.max(1) as f64 / from.max(1) as f64;
        Self { sx: ratio(from.0, to.0), sy: ratio(from.1, to.1), ..Self::IDENTITY }
    }

    /// Mirroring left to right of a picture `width` pixels wide.
    pub fn flip_horizontal(width: usize) -> Self {
        Self { sx: -1.0, tx: width as f64, ..Self::IDENTITY }
    }

    /// Mirroring top to bottom of a picture `height` pixels high.
    pub fn flip_vertical(height: usize) -> Self {
        Self { sy: -1.0, ty: height as f64, ..Self::IDENTITY }
    }

    /// Rows become columns: x and y change places.
    pub const fn transpose() -> Self {
        Self { swapped: true, ..Self::IDENTITY }
    }

    /// Cutting out a window whose top left corner is `(left, top)`.
    pub fn crop(left: f64, top: f64) -> Self {
        Self { tx: -left, ty: -top, ..Self::IDENTITY }
    }

    /// `first`, then this one: `c_from_b.compose(b_from_a)` is `c_from_a`.
    pub fn compose(self, first: Self) -> Self {
        let first = if self.swapped { first.with_swapped_results() } else { first };
        Self {
            swapped: first.swapped,
            sx: self.sx * first.sx,
            sy: self.sy * first.sy,
            tx: self.sx * first.tx + self.tx,
            ty: self.sy * first.ty + self.ty,
        }
    }

    /// The map back. No constructor makes a scale of 0, so it exists.
    pub fn invert(self) -> Self {
        let straight = Self {
            swapped: false,
            sx: 1.0 / self.sx,
            sy: 1.0 / self.sy,
            tx: -self.tx / self.sx,
            ty: -self.ty / self.sy,
        };
        if self.swapped { straight.with_swapped_results() } else { straight }
    }

    /// This map, and then x' and y' change places.
    const fn with_swapped_results(self) -> Self {
        Self { swapped: !self.swapped, sx: self.sy, sy: self.sx, tx: self.ty, ty: self.tx }
    }

    /// A box through the map; its corners are put in order again after a mirroring. It is not clipped.
    pub fn apply(self, bbox: Bbox) -> Bbox {
        let (xa, ya) = self.apply_point(f64::from(bbox.x1), f64::from(bbox.y1));
        let (xb, yb) = self.apply_point(f64::from(bbox.x2), f64::from(bbox.y2));
        let (x1, x2) = if self.sx < 0.0 { (xb, xa) } else { (xa, xb) };
        let (y1, y2) = if self.sy < 0.0 { (yb, ya) } else { (ya, yb) };
        Bbox::new(x1 as f32, y1 as f32, x2 as f32, y2 as f32)
    }

    /// A point `(x, y)` through the map.
    pub fn apply_point(self, x: f64, y: f64) -> (f64, f64) {
        let (x, y) = if self.swapped { (y, x) } else { (x, y) };
        (self.sx * x + self.tx, self.sy * y + self.ty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_transform() -> impl Strategy<Value = Transform> {
        let side = 1usize..2000;
        let step = prop_oneof![
            (side.clone(), side.clone(), side.clone(), side.clone())
                .prop_map(|(a, b, c, d)| Transform::resize((a, b), (c, d))),
            side.clone().prop_map(Transform::flip_horizontal),
            side.clone().prop_map(Transform::flip_vertical),
            Just(Transform::transpose()),
            (0.0..500.0, 0.0..500.0).prop_map(|(x, y)| Transform::crop(x, y)),
        ];
        proptest::collection::vec(step, 0..4)
            .prop_map(|steps| steps.into_iter().fold(Transform::IDENTITY, |all, next| next.compose(all)))
    }

    fn any_box() -> impl Strategy<Value = Bbox> {
        (0.0f32..900.0, 0.0f32..900.0, 0.5f32..300.0, 0.5f32..300.0)
            .prop_map(|(x, y, w, h)| Bbox::from_xywh([x, y, w, h]))
    }

    /// Largest distance of two boxes' edges, as a share of the size of the numbers in play.
    fn distance(a: Bbox, b: Bbox, size: f32) -> f32 {
        let edges = [a.x1 - b.x1, a.y1 - b.y1, a.x2 - b.x2, a.y2 - b.y2];
        edges.into_iter().fold(0.0, |most: f32, edge| most.max(edge.abs())) / size
    }

    proptest! {
        #[test]
        fn a_box_comes_back_through_the_inverse(transform in any_transform(), bbox in any_box()) {
            let there = transform.apply(bbox);
            let size = there.corners().into_iter().fold(1.0, |m: f32, v| m.max(v.abs()));
            // f32 keeps 24 bits of the largest coordinate; going back divides by the scale.
            let scale = [transform.sx, transform.sy].into_iter().fold(f64::MAX, |s, v| s.min(v.abs())) as f32;
            prop_assert!(distance(transform.invert().apply(there), bbox, size.max(900.0) / scale.min(1.0)) < 1e-5);
        }

        #[test]
        fn a_composition_is_one_map_after_the_other(a in any_transform(), b in any_transform(), bbox in any_box()) {
            let (x, y) = a.apply_point(f64::from(bbox.x1), f64::from(bbox.y1));
            let (apart, at_once) = (b.apply_point(x, y), b.compose(a).apply_point(f64::from(bbox.x1), f64::from(bbox.y1)));
            let size = 1.0 + apart.0.abs().max(apart.1.abs()) + 1e6;
            prop_assert!((apart.0 - at_once.0).abs() / size < 1e-6 && (apart.1 - at_once.1).abs() / size < 1e-6);
        }

        #[test]
        fn corners_stay_in_order(transform in any_transform(), bbox in any_box()) {
            let there = transform.apply(bbox);
            prop_assert!(there.x1 <= there.x2 && there.y1 <= there.y2);
        }
    }

    #[test]
    fn a_quarter_turn_to_the_right_is_a_transposition_and_a_flip() {
        // 100 wide, 50 high; the top left corner becomes the top right one of a picture 50 wide.
        let turn = Transform::flip_horizontal(50).compose(Transform::transpose());
        assert_eq!(turn.apply(Bbox::new(0.0, 0.0, 30.0, 10.0)), Bbox::new(40.0, 0.0, 50.0, 30.0));
        assert_eq!(turn.invert().apply(Bbox::new(40.0, 0.0, 50.0, 30.0)), Bbox::new(0.0, 0.0, 30.0, 10.0));
    }

    #[test]
    fn a_flip_measures_from_the_other_edge() {
        let bbox = Transform::flip_horizontal(100).apply(Bbox::new(10.0, 5.0, 30.0, 25.0));
        assert_eq!(bbox, Bbox::new(70.0, 5.0, 90.0, 25.0));
    }
}
