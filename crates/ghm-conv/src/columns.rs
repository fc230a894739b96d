//! A tile of the input as a matrix of columns (im2col), and its gradient added back.
//!
//! A tile is a run of output rows, counted through all pictures of the batch: row `r` is row `r % OH` of picture
//! `r / OH`. The column matrix is `[I * KH * KW, tile rows * OW]`.

use std::ops::Range;

use crate::geometry::Geometry;

/// One row of the kernel at one output row: where it reads, and which outputs it reaches.
struct Run {
    input_start: usize,
    outputs: Range<usize>,
}

impl Geometry {
    /// The part of an output row for which kernel column `kx` falls inside the picture, and where it starts reading.
    fn run(&self, kx: usize) -> Run {
        let width = self.input[1];
        let first = self.padding.saturating_sub(kx).div_ceil(self.stride);
        let last = (width + self.padding).saturating_sub(kx).div_ceil(self.stride).min(self.output[1]);
        let outputs = first.min(last)..last;
        Run { input_start: (outputs.start * self.stride + kx).saturating_sub(self.padding), outputs }
    }

    /// Calls `visit(column matrix offset, input offset, run)` for every kernel position at every row of the tile; the
    /// input offset is `None` where the kernel row lies outside the picture.
    fn walk(&self, tile: Range<usize>, mut visit: impl FnMut(usize, Option<usize>, &Run)) {
        let [height, width] = self.input;
        let [rows_out, columns_out] = self.output;
        let tile_columns = tile.len() * columns_out;
        let runs: Vec<Run> = (0..self.kernel[1]).map(|kx| self.run(kx)).collect();
        for channel in 0..self.channels_in {
            for ky in 0..self.kernel[0] {
                for (kx, run) in runs.iter().enumerate() {
                    let depth = (channel * self.kernel[0] + ky) * self.kernel[1] + kx;
                    for (i, row) in tile.clone().enumerate() {
                        let (picture, oy) = (row / rows_out, row % rows_out);
                        let iy = (oy * self.stride + ky).checked_sub(self.padding).filter(|iy| *iy < height);
                        let input = iy.map(|iy| picture * self.input_len() + (channel * height + iy) * width);
                        visit(depth * tile_columns + i * columns_out, input, run);
                    }
                }
            }
        }
    }

    /// Fills `columns` with the tile of `x [N, I, H, W]`.
    pub fn gather(&self, x: &[f32], tile: Range<usize>, columns: &mut [f32]) {
        let (width_out, stride) = (self.output[1], self.stride);
        self.walk(tile, |at, input, run| {
            let row = &mut columns[at..at + width_out];
            let Some(input) = input else {
                row.fill(0.0);
                return;
            };
            row[..run.outputs.start].fill(0.0);
            row[run.outputs.end..].fill(0.0);
            let source = &x[input + run.input_start.min(self.input[1])..];
            let target = &mut row[run.outputs.clone()];
            match stride {
                1 => target.copy_from_slice(&source[..target.len()]),
                _ => target.iter_mut().zip(source.iter().step_by(stride)).for_each(|(t, s)| *t = *s),
            }
        });
    }

    /// Adds the gradient of the tile's columns to the gradient of `x`; `x_gradient` starts at picture `first_picture`.
    pub fn scatter(&self, columns: &[f32], tile: Range<usize>, first_picture: usize, x_gradient: &mut [f32]) {
        let (width_out, stride) = (self.output[1], self.stride);
        let skipped = first_picture * self.input_len();
        self.walk(tile, |at, input, run| {
            let Some(input) = input else { return };
            let source = &columns[at..at + width_out][run.outputs.clone()];
            let target = &mut x_gradient[input - skipped + run.input_start.min(self.input[1])..];
            match stride {
                1 => target.iter_mut().zip(source).for_each(|(t, s)| *t += *s),
                _ => target.iter_mut().step_by(stride).zip(source).for_each(|(t, s)| *t += *s),
            }
        });
    }
}
