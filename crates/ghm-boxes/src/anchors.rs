//! Anchors of a feature pyramid: for each cell of each level, one box for each scale and ratio.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Bbox;

/// The first pyramid level; level `l` of a list stands for P(3 + l), with a stride of `8 << l` pixels.
pub const FIRST_STRIDE: usize = 8;

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
}

impl Default for AnchorConfig {
    fn default() -> Self {
        Self { base_size: 32.0, scales: (0..3).map(|i| (i as f32 / 3.0).exp2()).collect(), ratios: vec![0.5, 1.0, 2.0] }
    }
}

/// Why a set of anchor shapes is refused.
#[derive(Debug, Error, PartialEq)]
pub enum AnchorError {
    /// A list is empty.
    #[error("`{0}` is empty: give at least one")]
    Empty(&'static str),
    /// A number is not a positive finite one.
    #[error("`{name}` holds {value}: give positive numbers")]
    NotPositive {
        /// The key.
        name: &'static str,
        /// What it holds.
        value: f32,
    },
}

impl AnchorConfig {
    /// Refuses empty lists and numbers that are not positive and finite.
    pub fn validate(&self) -> Result<(), AnchorError> {
        for (name, values) in
            [("base_size", std::slice::from_ref(&self.base_size)), ("scales", &self.scales), ("ratios", &self.ratios)]
        {
            if values.is_empty() {
                return Err(AnchorError::Empty(name));
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

    /// Anchors of level index `level` on a map of `rows x columns` cells, in input pixels.
    ///
    /// # Shapes
    /// `[rows * columns * per_cell]`, cell by cell in reading order; in a cell by ratio, then by scale. Cell
    /// `(row, column)` has its anchors' centre at `(column, row) * stride`.
    pub fn level_anchors(&self, level: usize, rows: usize, columns: usize) -> Vec<Bbox> {
        let anchors = self.level(level, columns);
        (0..rows * columns * self.per_cell()).map(|index| anchors.at(index)).collect()
    }

    /// The same one by one, for a map of any number of rows.
    pub fn level(&self, level: usize, columns: usize) -> LevelAnchors {
        LevelAnchors { shapes: self.shapes(level), columns, stride: Self::stride(level) as f32 }
    }

    fn shapes(&self, level: usize) -> Vec<(f32, f32)> {
        let side = self.base_size * (1u32 << level) as f32;
        let of_ratio = |ratio: f32| {
            let root = ratio.sqrt();
            self.scales.iter().map(move |scale| (side * scale / root, side * scale * root))
        };
        self.ratios.iter().flat_map(|&ratio| of_ratio(ratio)).collect()
    }
}

/// The anchors of one level of the pyramid.
#[derive(Clone, Debug)]
pub struct LevelAnchors {
    /// Width and height of those of a cell.
    shapes: Vec<(f32, f32)>,
    columns: usize,
    stride: f32,
}

impl LevelAnchors {
    /// The anchor at `index`, in the order of [`AnchorConfig::level_anchors`].
    pub fn at(&self, index: usize) -> Bbox {
        let (cell, shape) = (index / self.shapes.len(), index % self.shapes.len());
        let (row, column) = (cell / self.columns, cell % self.columns);
        let (width, height) = self.shapes[shape];
        Bbox::from_center(column as f32 * self.stride, row as f32 * self.stride, width, height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_give_nine_anchors_a_cell_with_retinanets_areas() {
        let anchors = AnchorConfig::default().level_anchors(1, 2, 3);
        assert_eq!(anchors.len(), 2 * 3 * 9);
        let areas: Vec<f32> = anchors[..3].iter().map(|a| a.area().sqrt()).collect();
        for (area, expected) in areas.iter().zip([64.0, 80.634_94, 101.593_67]) {
            assert!((area - expected).abs() < 1e-2, "{area} against {expected}");
        }
    }

    #[test]
    fn cells_are_in_reading_order_one_stride_apart() {
        let config = AnchorConfig { base_size: 16.0, scales: vec![1.0], ratios: vec![1.0] };
        let anchors = config.level_anchors(0, 2, 2);
        let centers: Vec<(f32, f32)> = anchors.iter().map(|a| a.center()).collect();
        assert_eq!(centers, [(0.0, 0.0), (8.0, 0.0), (0.0, 8.0), (8.0, 8.0)]);
    }

    #[test]
    fn ratio_is_height_over_width() {
        let config = AnchorConfig { base_size: 32.0, scales: vec![1.0], ratios: vec![2.0] };
        let anchor = config.level_anchors(0, 1, 1)[0];
        assert!((anchor.height() / anchor.width() - 2.0).abs() < 1e-5);
    }

    #[test]
    fn empty_and_negative_shapes_are_refused_by_name() {
        let config = AnchorConfig { scales: vec![], ..Default::default() };
        assert_eq!(config.validate(), Err(AnchorError::Empty("scales")));
        let config = AnchorConfig { ratios: vec![1.0, -1.0], ..Default::default() };
        assert_eq!(config.validate(), Err(AnchorError::NotPositive { name: "ratios", value: -1.0 }));
    }
}
