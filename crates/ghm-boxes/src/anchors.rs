//! Anchors of a feature pyramid: for each cell of each level, one box for each scale and ratio.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Bbox;

/// The first pyramid level; level `l` of a list stands for P(3 + l), with a stride of `8 << l` pixels.
pub const FIRST_STRIDE: usize = 8;

/// How anchors are brought to whole pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rounding {
    /// Not at all.
    #[default]
    None,
    /// As torchvision has them, for weights that were trained with it: sides are cut to whole pixels before the ratio is
    /// applied, edges rounded after it (halves to even); a level's stride is the input's side over the map's, cut to whole
    /// pixels, which above P5 can be a little less than a power of two.
    Torchvision,
    /// As mmdetection had them before 2.0, for weights of that time: centred half a cell further on, edges rounded (halves to
    /// even), the last pixel inside.
    Mmdetection1,
}

/// Shapes of the anchors.
///
/// The defaults are RetinaNet's (Lin et al. 2017, section 4): 32 px at P3, doubled at every level, scales
/// `1, 2^(1/3), 2^(2/3)`, ratios `1/2, 1, 2`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnchorConfig {
    /// Side in pixels of the square anchor of scale 1 at P3; doubled at every further level.
    pub base_size: f32,
    /// Factors on the side.
    pub scales: Vec<f32>,
    /// Height divided by width; the area stays that of the square.
    pub ratios: Vec<f32>,
    /// How they are brought to whole pixels.
    pub rounding: Rounding,
}

impl Default for AnchorConfig {
    fn default() -> Self {
        let scales = (0..3).map(|i| (i as f32 / 3.0).exp2()).collect();
        Self { base_size: 32.0, scales, ratios: vec![0.5, 1.0, 2.0], rounding: Rounding::None }
    }
}

/// Why a set of anchor shapes is refused.
#[derive(Debug, Error, PartialEq)]
pub enum AnchorError {
    /// A list is empty.
    #[error("`{0}` is empty: give at least one")]
    Empty(&'static str),
    /// A list is too long.
    #[error("`{name}` holds {count} numbers: give at most {MOST}")]
    TooMany {
        /// The key.
        name: &'static str,
        /// How many it holds.
        count: usize,
    },
    /// A number is not a positive finite one.
    #[error("`{name}` holds {value}: give positive numbers")]
    NotPositive {
        /// The key.
        name: &'static str,
        /// What it holds.
        value: f32,
    },
}

/// The most scales and ratios that there may be of each.
const MOST: usize = 32;

impl AnchorConfig {
    /// Refuses empty and endless lists, and numbers that are not positive and finite.
    pub fn validate(&self) -> Result<(), AnchorError> {
        for (name, values) in
            [("base_size", std::slice::from_ref(&self.base_size)), ("scales", &self.scales), ("ratios", &self.ratios)]
        {
            if values.is_empty() {
                return Err(AnchorError::Empty(name));
            }
            if values.len() > MOST {
                return Err(AnchorError::TooMany { name, count: values.len() });
            }
            if let Some(&value) = values.iter().find(|v| !(v.is_finite() && **v > 0.0)) {
                return Err(AnchorError::NotPositive { name, value });
            }
        }
        Ok(())
    }

    /// Anchors in one cell.
    pub fn per_cell(&self) -> usize {
        self.scales.len() * self.ratios.len()
    }

    /// The stride in pixels of pyramid level index `level` (0 is P3).
    pub fn stride(level: usize) -> usize {
        FIRST_STRIDE << level
    }

    /// Anchors of level index `level` of a pyramid whose levels have `maps`, rows and columns of cells each from P3 on, in
    /// input pixels.
    ///
    /// # Shapes
    /// `[rows * columns * per_cell]`, cell by cell in reading order; in a cell by ratio, then by scale. Cell
    /// `(row, column)` has its anchors' centre at `(column, row) * stride`, with [`Rounding::Mmdetection1`] half a stride further on.
    pub fn level_anchors(&self, level: usize, maps: &[[usize; 2]]) -> Vec<Bbox> {
        let anchors = self.level(level, maps);
        let [rows, columns] = maps[level];
        (0..rows * columns * self.per_cell()).map(|index| anchors.at(index)).collect()
    }

    /// The same one by one.
    pub fn level(&self, level: usize, maps: &[[usize; 2]]) -> LevelAnchors {
        let map = maps[level];
        let strides = match self.rounding {
            Rounding::None | Rounding::Mmdetection1 => [Self::stride(level); 2],
            Rounding::Torchvision => [0, 1].map(|axis| maps[0][axis] * FIRST_STRIDE / map[axis].max(1)),
        };
        LevelAnchors { shapes: self.shapes(level), columns: map[1], strides: strides.map(|stride| stride as f32) }
    }

    /// Those of the first cell.
    fn shapes(&self, level: usize) -> Vec<Bbox> {
        let stride = Self::stride(level) as f32;
        let side = self.base_size * (1u32 << level) as f32;
        let of_ratio = |ratio: f32| {
            let root = ratio.sqrt();
            self.scales.iter().map(move |scale| match self.rounding {
                Rounding::None => Bbox::from_center(0.0, 0.0, side * scale / root, side * scale * root),
                Rounding::Torchvision => {
                    let whole = |side: f32| 2.0 * (side / 2.0).round_ties_even();
                    let side = (side * scale).floor();
                    Bbox::from_center(0.0, 0.0, whole(side / root), whole(side * root))
                }
                Rounding::Mmdetection1 => {
                    let edge = |side: f32, sign: f32| {
                        (0.5 * (stride - 1.0) + sign * 0.5 * (side * scale - 1.0)).round_ties_even()
                    };
                    let (width, height) = (side / root, side * root);
                    let (right, bottom) = (edge(width, 1.0) + 1.0, edge(height, 1.0) + 1.0);
                    Bbox::new(edge(width, -1.0), edge(height, -1.0), right, bottom)
                }
            })
        };
        self.ratios.iter().flat_map(|&ratio| of_ratio(ratio)).collect()
    }
}

/// The anchors of one level of the pyramid.
#[derive(Clone, Debug)]
pub struct LevelAnchors {
    /// Those of the first cell.
    shapes: Vec<Bbox>,
    columns: usize,
    /// Down and across.
    strides: [f32; 2],
}

impl LevelAnchors {
    /// The anchor at `index`, in the order of [`AnchorConfig::level_anchors`].
    pub fn at(&self, index: usize) -> Bbox {
        let (cell, shape) = (index / self.shapes.len(), index % self.shapes.len());
        let (row, column) = (cell / self.columns, cell % self.columns);
        let (right, down) = (column as f32 * self.strides[1], row as f32 * self.strides[0]);
        let Bbox { x1, y1, x2, y2 } = self.shapes[shape];
        Bbox::new(x1 + right, y1 + down, x2 + right, y2 + down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_give_nine_anchors_a_cell_with_retinanets_areas() {
        let anchors = AnchorConfig::default().level_anchors(1, &[[4, 6], [2, 3]]);
        assert_eq!(anchors.len(), 2 * 3 * 9);
        let areas: Vec<f32> = anchors[..3].iter().map(|a| a.area().sqrt()).collect();
        for (area, expected) in areas.iter().zip([64.0, 80.634_94, 101.593_67]) {
            assert!((area - expected).abs() < 1e-2, "{area} against {expected}");
        }
    }

    #[test]
    fn cells_are_in_reading_order_one_stride_apart() {
        let config = AnchorConfig { base_size: 16.0, scales: vec![1.0], ratios: vec![1.0], ..AnchorConfig::default() };
        let anchors = config.level_anchors(0, &[[2, 2]]);
        let centers: Vec<(f32, f32)> = anchors.iter().map(|a| a.center()).collect();
        assert_eq!(centers, [(0.0, 0.0), (8.0, 0.0), (0.0, 8.0), (8.0, 8.0)]);
    }

    #[test]
    fn ratio_is_height_over_width() {
        let config = AnchorConfig { base_size: 32.0, scales: vec![1.0], ratios: vec![2.0], ..AnchorConfig::default() };
        let anchor = config.level_anchors(0, &[[1, 1]])[0];
        assert!((anchor.height() / anchor.width() - 2.0).abs() < 1e-5);
    }

    /// torchvision 0.29's `_default_anchorgen` for a picture of 1088x800: the first of P3's shapes and scales, and of every
    /// level the first and the last anchor of the last cell. P6 and P7 have 13 and 7 rows, which do not divide 800.
    #[test]
    fn with_torchvisions_rounding_anchors_are_torchvisions() {
        let config = AnchorConfig { rounding: Rounding::Torchvision, ..AnchorConfig::default() };
        let maps = [[100, 136], [50, 68], [25, 34], [13, 17], [7, 9]];
        let first = config.level_anchors(0, &maps);
        let halves = [(23.0, 11.0), (28.0, 14.0), (35.0, 18.0), (16.0, 16.0), (20.0, 20.0), (25.0, 25.0), (11.0, 23.0)];
        for (anchor, (x, y)) in first.iter().zip(halves) {
            assert_eq!(*anchor, Bbox::new(-x, -y, x, y));
        }
        let expected = [
            ([1057.0, 781.0, 1103.0, 803.0], [1062.0, 757.0, 1098.0, 827.0]),
            ([1027.0, 761.0, 1117.0, 807.0], [1036.0, 713.0, 1108.0, 855.0]),
            ([965.0, 723.0, 1147.0, 813.0], [984.0, 624.0, 1128.0, 912.0]),
            ([843.0, 641.0, 1205.0, 823.0], [880.0, 445.0, 1168.0, 1019.0]),
            ([598.0, 503.0, 1322.0, 865.0], [673.0, 110.0, 1247.0, 1258.0]),
        ];
        for (level, (start, end)) in expected.into_iter().enumerate() {
            let anchors = config.level_anchors(level, &maps);
            let last = &anchors[anchors.len() - 9..];
            assert_eq!((last[0], last[8]), (Bbox::from_corners(start), Bbox::from_corners(end)), "P{}", level + 3);
        }
    }

    /// `LegacyAnchorGenerator` of mmdetection 3.3 by its formula, whose last pixel is one less than our edge.
    #[test]
    fn with_the_rounding_of_mmdetection_1_anchors_are_its() {
        let config = AnchorConfig { rounding: Rounding::Mmdetection1, ..AnchorConfig::default() };
        let maps = [[32, 32], [16, 16], [8, 8], [4, 4], [2, 2]];
        for (level, expected) in [
            (0, [[-19.0, -7.0, 26.0, 14.0], [-25.0, -10.0, 32.0, 17.0], [-14.0, -32.0, 21.0, 39.0]]),
            (4, [[-298.0, -117.0, 425.0, 244.0], [-392.0, -164.0, 519.0, 291.0], [-223.0, -511.0, 350.0, 638.0]]),
        ] {
            let anchors = config.level_anchors(level, &maps);
            for (place, [x1, y1, x2, y2]) in [0, 1, 8].into_iter().zip(expected) {
                assert_eq!(anchors[place], Bbox::new(x1, y1, x2 + 1.0, y2 + 1.0), "P{}", level + 3);
            }
            let (stride, square) = (AnchorConfig::stride(level) as f32, anchors[9 + 3]);
            assert_eq!(square.center(), (1.5 * stride, 0.5 * stride), "the second cell's square");
        }
    }

    #[test]
    fn empty_and_negative_shapes_are_refused_by_name() {
        let config = AnchorConfig { scales: vec![], ..Default::default() };
        assert_eq!(config.validate(), Err(AnchorError::Empty("scales")));
        let config = AnchorConfig { ratios: vec![1.0, -1.0], ..Default::default() };
        assert_eq!(config.validate(), Err(AnchorError::NotPositive { name: "ratios", value: -1.0 }));
    }
}
