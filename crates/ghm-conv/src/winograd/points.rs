//! Where the points of tiles lie, and which tiles are worked on together.

use std::ops::Range;

use crate::geometry::Geometry;
use crate::tile::{IN, OUT};

/// Points of a tile.
pub(super) const POINTS: usize = IN * IN;

/// Tiles of a block, as far as whole lines of tiles allow.
const BLOCK_TILES: usize = 512;

/// Floats between two matrices of points, beyond what they hold: rows of all points at a power of two apart would share
/// few lines of a cache.
const APART: usize = 80;

/// Lines and columns of tiles of one picture.
pub(super) fn tiles_of(g: &Geometry) -> [usize; 2] {
    g.output.map(|side| side.div_ceil(OUT))
}

/// A matrix for each point, all in one slice.
#[derive(Clone, Copy)]
pub(super) struct Points {
    pub rows: usize,
    pub columns: usize,
}

impl Points {
    pub fn each(self) -> usize {
        self.rows * self.columns + APART
    }

    pub fn len(self) -> usize {
        POINTS * self.each()
    }

    pub fn matrices(self, all: &[f32]) -> impl Iterator<Item = &[f32]> {
        all.chunks(self.each()).map(move |matrix| &matrix[..self.rows * self.columns])
    }

    pub fn matrices_mut(self, all: &mut [f32]) -> Vec<&mut [f32]> {
        all.chunks_mut(self.each()).map(|matrix| &mut matrix[..self.rows * self.columns]).collect()
    }

    /// Runs of rows of all points, for one thread each: `rows` of them, `columns` long.
    pub fn row_groups(self, all: &mut [f32], rows: usize, columns: usize) -> Vec<Vec<&mut [f32]>> {
        let mut groups: Vec<Vec<&mut [f32]>> =
            (0..self.rows.div_ceil(rows)).map(|_| Vec::with_capacity(POINTS)).collect();
        for matrix in all.chunks_mut(self.each()) {
            for (group, own) in groups.iter_mut().zip(matrix[..self.rows * columns].chunks_mut(rows * columns)) {
                group.push(own);
            }
        }
        groups
    }
}

/// Some lines of tiles of one picture, or all of several.
pub(super) struct Block {
    pub pictures: Range<usize>,
    pub lines: Range<usize>,
}

impl Block {
    pub fn all(g: &Geometry) -> Vec<Self> {
        let [lines, columns] = tiles_of(g);
        let fitting = BLOCK_TILES / columns;
        if fitting >= 2 * lines {
            let step = fitting / lines;
            let pictures = (0..g.batch).step_by(step).map(|first| first..(first + step).min(g.batch));
            return pictures.map(|pictures| Self { pictures, lines: 0..lines }).collect();
        }
        let step = lines.div_ceil(lines.div_ceil(fitting.max(1)));
        let of_picture = |picture| {
            let runs = (0..lines).step_by(step).map(move |first| first..(first + step).min(lines));
            runs.map(move |lines| Self { pictures: picture..picture + 1, lines })
        };
        (0..g.batch).flat_map(of_picture).collect()
    }

    pub fn tiles(&self, g: &Geometry) -> usize {
        self.pictures.len() * self.lines.len() * tiles_of(g)[1]
    }

    /// Picture and line of every line of tiles.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.pictures.clone().flat_map(|picture| self.lines.clone().map(move |line| (picture, line)))
    }
}
