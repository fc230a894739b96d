//! A box as four offsets from an anchor, and back.

use serde::{Deserialize, Serialize};

use crate::Bbox;

/// The box parametrisation of R-CNN (Girshick et al. 2014, appendix C): `dx = (x - xa) / wa`, `dy = (y - ya) / ha`,
/// `dw = ln(w / wa)`, `dh = ln(h / ha)` with centres and sizes, each divided by its `std`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeltaCoder {
    /// Divisors of `dx, dy, dw, dh`. RetinaNet's single-stage setting is all ones.
    pub std: [f32; 4],
}

impl Default for DeltaCoder {
    fn default() -> Self {
        Self { std: [1.0; 4] }
    }
}

/// The largest `dw`, `dh` that decoding believes: a side 62.5 (1000 / 16) times the anchor's.
pub const MAX_LOG_SCALE: f32 = 4.135_166_6;

impl DeltaCoder {
    /// Offsets `[dx, dy, dw, dh]` of `bbox` from `anchor`. Both must have a positive size.
    pub fn delta_from_box(&self, anchor: Bbox, bbox: Bbox) -> [f32; 4] {
        let ((ax, ay), (x, y)) = (anchor.center(), bbox.center());
        let raw = [
            (x - ax) / anchor.width(),
            (y - ay) / anchor.height(),
            (bbox.width() / anchor.width()).ln(),
            (bbox.height() / anchor.height()).ln(),
        ];
        std::array::from_fn(|i| raw[i] / self.std[i])
    }

    /// The box at `delta` from `anchor`; `dw` and `dh` are held within +-[`MAX_LOG_SCALE`].
    pub fn box_from_delta(&self, anchor: Bbox, delta: [f32; 4]) -> Bbox {
        let d: [f32; 4] = std::array::from_fn(|i| delta[i] * self.std[i]);
        let (ax, ay) = anchor.center();
        let side = |log: f32| log.clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE).exp();
        Bbox::from_center(
            ax + d[0] * anchor.width(),
            ay + d[1] * anchor.height(),
            anchor.width() * side(d[2]),
            anchor.height() * side(d[3]),
        )
    }

    /// The slope in `delta` of anything that has the slope `corners` in `x1, y1, x2, y2` of the box there. A size that is held has none.
    pub fn slope_from_corners(&self, anchor: Bbox, delta: [f32; 4], corners: [f32; 4]) -> [f32; 4] {
        let [x1, y1, x2, y2] = corners;
        let side = |anchor: f32, delta: f32, std: f32| {
            let log = delta * std;
            if log.abs() <= MAX_LOG_SCALE { anchor * log.exp() * std } else { 0.0 }
        };
        let (width, height) = (anchor.width(), anchor.height());
        [
            (x1 + x2) * width * self.std[0],
            (y1 + y2) * height * self.std[1],
            0.5 * (x2 - x1) * side(width, delta[2], self.std[2]),
            0.5 * (y2 - y1) * side(height, delta[3], self.std[3]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_box() -> impl Strategy<Value = Bbox> {
        (-100.0f32..400.0, -100.0f32..400.0, 4.0f32..200.0, 4.0f32..200.0)
            .prop_map(|(x, y, w, h)| Bbox::from_xywh([x, y, w, h]))
    }

    #[test]
    fn zero_delta_is_the_anchor() {
        let anchor = Bbox::new(10.0, 20.0, 50.0, 40.0);
        assert_eq!(DeltaCoder::default().box_from_delta(anchor, [0.0; 4]), anchor);
    }

    #[test]
    fn a_wild_size_offset_is_held() {
        let anchor = Bbox::new(0.0, 0.0, 16.0, 16.0);
        let width = DeltaCoder::default().box_from_delta(anchor, [0.0, 0.0, 90.0, 0.0]).width();
        assert!((width - 1000.0).abs() < 0.1, "{width}");
    }

    #[test]
    fn a_slope_in_the_corners_is_one_in_the_offsets() {
        let (coder, anchor) = (DeltaCoder { std: [0.1, 0.2, 0.5, 2.0] }, Bbox::new(3.0, 5.0, 13.0, 45.0));
        let (delta, corners) = ([0.4, -0.7, 0.3, -0.2], [2.0, -1.0, 0.5, 3.0]);
        let measured = |delta: [f32; 4]| {
            let bbox = coder.box_from_delta(anchor, delta);
            let sides = [bbox.x1, bbox.y1, bbox.x2, bbox.y2];
            sides.into_iter().zip(corners).map(|(side, slope)| f64::from(side) * slope).sum::<f64>()
        };
        let slope = coder.slope_from_corners(anchor, delta, corners.map(|slope| slope as f32));
        for (i, slope) in slope.into_iter().enumerate() {
            let [mut below, mut above] = [delta; 2];
            (below[i], above[i]) = (below[i] - 1e-2, above[i] + 1e-2);
            let expected = (measured(above) - measured(below)) / 2e-2;
            assert!((f64::from(slope) - expected).abs() < 1e-3 * expected.abs().max(1.0), "{i}: {slope}, {expected}");
        }
        assert_eq!(coder.slope_from_corners(anchor, [0.0, 0.0, 90.0, -3.0], [1.0; 4])[2..], [0.0; 2]);
    }

    proptest! {
        #[test]
        fn decoding_undoes_coding(anchor in any_box(), bbox in any_box(), std in 0.05f32..2.0) {
            let coder = DeltaCoder { std: [std; 4] };
            let back = coder.box_from_delta(anchor, coder.delta_from_box(anchor, bbox));
            for (a, b) in [(back.x1, bbox.x1), (back.y1, bbox.y1), (back.x2, bbox.x2), (back.y2, bbox.y2)] {
                prop_assert!((a - b).abs() < 5e-3, "{a} against {b}");
            }
        }
    }
}
