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

/// The rows of one picture in a tile, as one position of the kernel sees them; the same in every channel.
struct Block {
    picture: usize,
    /// Where the block lies in a channel's part of the column matrix: rows before the picture, in it, and after it.
    before: Range<usize>,
    within: Range<usize>,
    after: Range<usize>,
    /// The part of each row that falls inside the picture.
    outputs: Range<usize>,
    source: Source,
}

/// Where the rows of a block within the picture read from: elements of the plane of a channel.
enum Source {
    /// All of them in one piece, where output rows follow each other as the rows do that they read: `part`, counted from the block's
    /// first element within the picture, from `from` on. It takes the neighbours of what lies beside the picture along, which are cleared.
    Whole { part: Range<usize>, from: usize },
    /// Row by row, the first row from element `first` on, each from its element `column` on.
    Rows { first: usize, column: usize },
}

impl Geometry {
    /// Rows of the column matrix that one input channel makes.
    fn kernel_area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The outputs, along the rows or the columns, for which position `k` of the kernel falls inside the picture.
    fn inside(&self, axis: usize, k: usize) -> Range<usize> {
        let first = self.padding.saturating_sub(k).div_ceil(self.stride);
        let last = (self.input[axis] + self.padding).saturating_sub(k).div_ceil(self.stride).min(self.output[axis]);
        first.min(last)..last
    }

    /// Every kernel position at every picture of the tile.
    fn blocks(&self, tile: &Range<usize>) -> Vec<Block> {
        let [rows, width] = self.output;
        let mut blocks = Vec::new();
        for depth in 0..self.kernel_area() {
            let (ky, kx) = (depth / self.kernel[1], depth % self.kernel[1]);
            let (inside, outputs) = (self.inside(0, ky), self.inside(1, kx));
            for picture in tile.start / rows..tile.end.div_ceil(rows) {
                let all = (picture * rows).max(tile.start)..((picture + 1) * rows).min(tile.end);
                let [first, last] =
                    [inside.start, inside.end].map(|row| (picture * rows + row).clamp(all.start, all.end));
                let place = |row: usize| (depth * tile.len() + row - tile.start) * width;
                let within = place(first)..place(last);
                let first_row = ((first - picture * rows) * self.stride + ky).saturating_sub(self.padding);
                blocks.push(Block {
                    picture,
                    before: place(all.start)..within.start,
                    after: within.end..place(all.end),
                    source: self.source(first_row.min(self.input[0]), kx, within.len(), outputs.start),
                    within,
                    outputs: outputs.clone(),
                });
            }
        }
        blocks
    }

    fn source(&self, first_row: usize, kx: usize, length: usize, first_output: usize) -> Source {
        let [_, width] = self.input;
        if self.stride > 1 || self.output[1] != width {
            let column = (first_output * self.stride + kx).saturating_sub(self.padding).min(width);
            return Source::Rows { first: first_row * width, column };
        }
        let start = first_row * width + kx;
        let skipped = self.padding.saturating_sub(start).min(length);
        let from = (start + skipped).saturating_sub(self.padding).min(self.input_area());
        Source::Whole { part: skipped..skipped + (length - skipped).min(self.input_area() - from), from }
    }

    /// Clears what lies beside the picture in whole rows.
    fn clear_sides(&self, outputs: &Range<usize>, rows: &mut [f32]) {
        let width = self.output[1];
        for column in (0..outputs.start).chain(outputs.end..width) {
            rows.iter_mut().skip(column).step_by(width).for_each(|element| *element = 0.0);
        }
    }

    /// Fills `columns` with the tile of `x [N, I, H, W]`.
    pub fn gather(&self, x: &[f32], tile: &Range<usize>, columns: &mut [f32], workers: Workers) {
        let part = (self.kernel_area() * tile.len() * self.output[1]).max(1);
        let blocks = self.blocks(tile);
        match workers {
            Workers::One => {
                columns.chunks_mut(part).enumerate().for_each(|(c, part)| self.gather_channel(x, &blocks, c, part));
            }
            Workers::All => {
                let parts = columns.par_chunks_mut(part).enumerate().with_min_len(CHANNELS_A_JOB);
                parts.for_each(|(c, part)| self.gather_channel(x, &blocks, c, part));
            }
        }
    }

    fn gather_channel(&self, x: &[f32], blocks: &[Block], channel: usize, columns: &mut [f32]) {
        for block in blocks {
            columns[block.before.clone()].fill(0.0);
            columns[block.after.clone()].fill(0.0);
            let plane = self.plane(x, block.picture, channel);
            let rows = &mut columns[block.within.clone()];
            match &block.source {
                Source::Whole { part, from } => {
                    rows[part.clone()].copy_from_slice(&plane[*from..from + part.len()]);
                }
                Source::Rows { first, column } => {
                    let sources = plane[*first..].chunks(self.input[1].max(1)).step_by(self.stride);
                    for (row, source) in rows.chunks_exact_mut(self.output[1]).zip(sources) {
                        take(&source[*column..], self.stride, &mut row[block.outputs.clone()]);
                    }
                }
            }
            self.clear_sides(&block.outputs, rows);
        }
    }

    fn plane<'a>(&self, x: &'a [f32], picture: usize, channel: usize) -> &'a [f32] {
        &x[(picture * self.channels_in + channel) * self.input_area()..][..self.input_area()]
    }

    /// Adds the gradient of the tile's columns to the gradient of `x`; `x_gradient` starts at picture `first_picture`. `columns` is
    /// overwritten in part.
    pub fn scatter(
        &self,
        columns: &mut [f32],
        tile: &Range<usize>,
        (first_picture, x_gradient): (usize, &mut [f32]),
        workers: Workers,
    ) {
        let part = (self.kernel_area() * tile.len() * self.output[1]).max(1);
        let blocks = self.blocks(tile);
        let mut planes: Vec<Vec<&mut [f32]>> = (0..self.channels_in).map(|_| Vec::new()).collect();
        for (index, plane) in x_gradient.chunks_mut(self.input_area().max(1)).enumerate() {
            planes[index % self.channels_in].push(plane);
        }
        let add = |(columns, mut planes): (&mut [f32], Vec<&mut [f32]>)| {
            self.scatter_channel(columns, &blocks, first_picture, &mut planes);
        };
        match workers {
            Workers::One => columns.chunks_mut(part).zip(planes).for_each(add),
            Workers::All => {
                columns.par_chunks_mut(part).zip(planes).with_min_len(CHANNELS_A_JOB).for_each(add);
            }
        }
    }

    /// `planes` are those of one channel, picture after picture.
    fn scatter_channel(&self, columns: &mut [f32], blocks: &[Block], first_picture: usize, planes: &mut [&mut [f32]]) {
        for block in blocks {
            let plane = &mut *planes[block.picture - first_picture];
            let rows = &mut columns[block.within.clone()];
            match &block.source {
                Source::Whole { part, from } => {
                    self.clear_sides(&block.outputs, rows);
                    plane[*from..].iter_mut().zip(&rows[part.clone()]).for_each(|(target, source)| *target += *source);
                }
                Source::Rows { first, column } => {
                    let targets = plane[*first..].chunks_mut(self.input[1].max(1)).step_by(self.stride);
                    for (row, target) in rows.chunks_exact(self.output[1]).zip(targets) {
                        let target = target[*column..].iter_mut().step_by(self.stride);
                        target.zip(&row[block.outputs.clone()]).for_each(|(target, source)| *target += *source);
                    }
                }
            }
        }
    }
}

/// Every `stride`-th element of `source`, as many as `target` takes.
fn take(source: &[f32], stride: usize, target: &mut [f32]) {
    match stride {
        1 => target.copy_from_slice(&source[..target.len()]),
        2 => every_second(source, target),
        _ => target.iter_mut().zip(source.iter().step_by(stride)).for_each(|(t, s)| *t = *s),
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
