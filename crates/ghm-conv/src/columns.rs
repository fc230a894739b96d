//! A tile of the input as a matrix of columns (im2col), and its gradient added back.
//!
//! A tile is a run of output rows, counted through all pictures of the batch: row `r` is row `r % OH` of picture
//! `r / OH`. The column matrix is `[I * KH * KW, tile rows * OW]`.

use std::ops::Range;

use rayon::prelude::*;

use crate::gemm::Workers;
use crate::geometry::Geometry;

/// Channels that one thread takes at a time.
const CHANNELS_A_JOB: usize = 32;

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

    /// Rows of the column matrix that one input channel makes.
    fn kernel_area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Calls `visit(offset, place, run)` for every kernel position of one channel at every row of the tile: the offset
    /// in the channel's part of the column matrix, and the picture and the offset in its plane, which are `None` where
    /// the kernel row lies outside the picture.
    fn walk(&self, tile: &Range<usize>, mut visit: impl FnMut(usize, Option<(usize, usize)>, &Run)) {
        let [height, width] = self.input;
        let [rows_out, columns_out] = self.output;
        let tile_columns = tile.len() * columns_out;
        let runs: Vec<Run> = (0..self.kernel[1]).map(|kx| self.run(kx)).collect();
        for ky in 0..self.kernel[0] {
            for (kx, run) in runs.iter().enumerate() {
                let depth = ky * self.kernel[1] + kx;
                for (i, row) in tile.clone().enumerate() {
                    let (picture, oy) = (row / rows_out, row % rows_out);
                    let iy = (oy * self.stride + ky).checked_sub(self.padding).filter(|iy| *iy < height);
                    let place = iy.map(|iy| (picture, iy * width + run.input_start.min(width)));
                    visit(depth * tile_columns + i * columns_out, place, run);
                }
            }
        }
    }

    /// Fills `columns` with the tile of `x [N, I, H, W]`.
    pub fn gather(&self, x: &[f32], tile: &Range<usize>, columns: &mut [f32], workers: Workers) {
        let part = (self.kernel_area() * tile.len() * self.output[1]).max(1);
        match workers {
            Workers::One => {
                columns.chunks_mut(part).enumerate().for_each(|(c, part)| self.gather_channel(x, tile, c, part));
            }
            Workers::All => {
                let parts = columns.par_chunks_mut(part).enumerate().with_min_len(CHANNELS_A_JOB);
                parts.for_each(|(c, part)| self.gather_channel(x, tile, c, part));
            }
        }
    }

    fn gather_channel(&self, x: &[f32], tile: &Range<usize>, channel: usize, columns: &mut [f32]) {
        let (width_out, stride) = (self.output[1], self.stride);
        self.walk(tile, |at, place, run| {
            let row = &mut columns[at..at + width_out];
            let Some((picture, offset)) = place else {
                row.fill(0.0);
                return;
            };
            row[..run.outputs.start].fill(0.0);
            row[run.outputs.end..].fill(0.0);
            let source = &self.plane(x, picture, channel)[offset..];
            let target = &mut row[run.outputs.clone()];
            match stride {
                1 => target.copy_from_slice(&source[..target.len()]),
                2 => every_second(source, target),
                _ => target.iter_mut().zip(source.iter().step_by(stride)).for_each(|(t, s)| *t = *s),
            }
        });
    }

    fn plane<'a>(&self, x: &'a [f32], picture: usize, channel: usize) -> &'a [f32] {
        &x[(picture * self.channels_in + channel) * self.input_area()..][..self.input_area()]
    }

    /// Adds the gradient of the tile's columns to the gradient of `x`; `x_gradient` starts at picture `first_picture`.
    pub fn scatter(
        &self,
        columns: &[f32],
        tile: &Range<usize>,
        (first_picture, x_gradient): (usize, &mut [f32]),
        workers: Workers,
    ) {
        let part = (self.kernel_area() * tile.len() * self.output[1]).max(1);
        let mut planes: Vec<Vec<&mut [f32]>> = (0..self.channels_in).map(|_| Vec::new()).collect();
        for (index, plane) in x_gradient.chunks_mut(self.input_area().max(1)).enumerate() {
            planes[index % self.channels_in].push(plane);
        }
        let add = |(columns, mut planes): (&[f32], Vec<&mut [f32]>)| {
            self.scatter_channel(columns, tile, first_picture, &mut planes);
        };
        match workers {
            Workers::One => columns.chunks(part).zip(planes).for_each(add),
            Workers::All => {
                columns.par_chunks(part).zip(planes).with_min_len(CHANNELS_A_JOB).for_each(add);
            }
        }
    }

    /// `planes` are those of one channel, picture after picture.
    fn scatter_channel(&self, columns: &[f32], tile: &Range<usize>, first_picture: usize, planes: &mut [&mut [f32]]) {
        let (width_out, stride) = (self.output[1], self.stride);
        self.walk(tile, |at, place, run| {
            let Some((picture, offset)) = place else { return };
            let source = &columns[at..at + width_out][run.outputs.clone()];
            let target = &mut planes[picture - first_picture][offset..];
            match stride {
                1 => target.iter_mut().zip(source).for_each(|(t, s)| *t += *s),
                _ => target.iter_mut().step_by(stride).zip(source).for_each(|(t, s)| *t += *s),
            }
        });
    }
}

/// Elements 0, 2, 4, ... of `source`, as many as `target` takes.
fn every_second(source: &[f32], target: &mut [f32]) {
    let (pairs, last) = source.as_chunks::<2>();
    let whole = target.len().min(pairs.len());
    let (most, rest) = target.split_at_mut(whole);
    for (t, pair) in most.iter_mut().zip(pairs) {
        *t = pair[0];
    }
    rest.iter_mut().zip(last).for_each(|(t, s)| *t = *s);
}
