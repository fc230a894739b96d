//! Convolution forward and backward over slices, threads over tiles.
//!
//! Every output element is computed by one product of a fixed shape, and partial weight gradients are summed in a fixed
//! order, so results do not depend on the number of threads.

use std::ops::Range;
use std::sync::Mutex;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::gemm::{Into, Matrix, Workers, multiply};
use crate::geometry::{Activation, Geometry};
use crate::grouped;
use crate::relu::at_least;
use crate::scratch::with_scratch;
use crate::winograd::{self, Weights};

/// Output positions in a tile: the column matrix of a 3x3 convolution over 256 channels then takes 4.7 MB.
const TILE_POSITIONS: usize = 512;

/// Tiles that a convolution is cut into where that leaves each [`SMALLEST_TILE`].
const LEAST_TILES: usize = 8;

/// Output positions below which a product no longer pays for packing the weights.
const SMALLEST_TILE: usize = 128;

/// Output positions that make a partial weight gradient worth its own buffer.
const GROUP_POSITIONS: usize = 256;

impl Geometry {
    fn tiles(&self, rows: Range<usize>) -> Vec<Range<usize>> {
        let fair = rows.len().div_ceil(LEAST_TILES);
        let step = (TILE_POSITIONS / self.output[1]).min(fair).max((SMALLEST_TILE / self.output[1]).max(1));
        rows.clone().step_by(step).map(|start| start..(start + step).min(rows.end)).collect()
    }

    /// Runs of pictures that share a partial weight gradient.
    fn groups(&self) -> Vec<Range<usize>> {
        let step = GROUP_POSITIONS.div_ceil(self.output_area().max(1)).max(1);
        (0..self.batch).step_by(step).map(|start| start..(start + step).min(self.batch)).collect()
    }
}

/// Few jobs leave threads idle, so their products are shared out instead.
fn workers(jobs: usize) -> Workers {
    if jobs < rayon::current_num_threads() { Workers::All } else { Workers::One }
}

/// What is done to the product while it is in cache: `activation(scale * product + bias + residual)`.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a> {
    /// `[O]`.
    pub scale: Option<&'a [f32]>,
    /// `[O]`.
    pub bias: Option<&'a [f32]>,
    /// `[N, O, OH, OW]`.
    pub residual: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Activation,
}

/// The convolution.
///
/// # Shapes
/// `x [N, I, H, W]`, `weight [O, I / groups, KH, KW]`; result `[N, O, OH, OW]`.
pub fn forward(g: &Geometry, x: &[f32], weight: &[f32], finish: Finish) -> Vec<f32> {
    if g.groups > 1 {
        return grouped::forward(g, x, weight, finish);
    }
    if winograd::suits(g) {
        return winograd::forward(g, x, Weights::Forward(weight), finish);
    }
    forward_by_tiles(g, x, weight, finish)
}

/// Columns of a tile, one product.
pub(crate) fn forward_by_tiles(g: &Geometry, x: &[f32], weight: &[f32], finish: Finish) -> Vec<f32> {
    let mut y = vec![0.0f32; g.batch * g.output_len()];
    let width = g.output[1];
    let tiles = split_by_tile(g, &mut y);
    let workers = workers(tiles.len());
    tiles.into_par_iter().for_each(|(tile, parts)| {
        let columns = tile.len() * width;
        with_scratch([g.depth() * columns, g.channels_out * columns], |[gathered, product]| {
            g.gather(x, &tile, gathered, workers);
            let left = Matrix::new(weight, g.channels_out, g.depth());
            multiply(left, Matrix::new(gathered, g.depth(), columns), product, Into::Replace, workers);
            write_tile(g, &tile, product, finish, parts);
        });
    });
    y
}

/// The output cut so that each tile owns its rows: for every tile its pictures' channels, in memory order.
fn split_by_tile<'a>(g: &Geometry, y: &'a mut [f32]) -> Vec<(Range<usize>, Vec<&'a mut [f32]>)> {
    let [rows, width] = g.output;
    let mut tiles: Vec<_> = g.tiles(0..g.batch * rows).into_iter().map(|tile| (tile, Vec::new())).collect();
    let Some(step) = tiles.first().map(|tile| tile.0.len()) else { return tiles };
    for (index, plane) in y.chunks_mut((rows * width).max(1)).enumerate() {
        let mut row = index / g.channels_out * rows;
        let end = row + rows;
        let mut rest = plane;
        while row < end {
            let next = ((row / step + 1) * step).min(end);
            let (part, tail) = rest.split_at_mut((next - row) * width);
            tiles[row / step].1.push(part);
            (rest, row) = (tail, next);
        }
    }
    tiles
}

/// Moves a tile's product `[O, columns]` to its places, finishing it on the way.
fn write_tile(g: &Geometry, tile: &Range<usize>, product: &[f32], finish: Finish, parts: Vec<&mut [f32]>) {
    pulp::Arch::new().dispatch(WriteTile { g, tile, product, finish, parts });
}

struct WriteTile<'a> {
    g: &'a Geometry,
    tile: &'a Range<usize>,
    product: &'a [f32],
    finish: Finish<'a>,
    parts: Vec<&'a mut [f32]>,
}

impl WithSimd for WriteTile<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { g, tile, product, finish, parts } = self;
        let width = g.output[1];
        let columns = tile.len() * width;
        let first_picture = tile.start / g.output[0];
        for (index, part) in parts.into_iter().enumerate() {
            let (picture, channel) = (first_picture + index / g.channels_out, index % g.channels_out);
            let first_row = (picture * g.output[0]).max(tile.start);
            let source = &product[channel * columns + (first_row - tile.start) * width..][..part.len()];
            let place = (picture * g.channels_out + channel) * g.output_area() + (first_row % g.output[0]) * width;
            finish_run(finish, (channel, place), source, part);
        }
    }
}

/// Finishes products of one channel; `place` is that of the first in the whole output. For loops that are compiled for
/// wide vectors.
#[inline(always)]
pub(crate) fn finish_run(finish: Finish, (channel, place): (usize, usize), products: &[f32], outputs: &mut [f32]) {
    let (scale, shift) = (finish.scale.map_or(1.0, |s| s[channel]), finish.bias.map_or(0.0, |b| b[channel]));
    let least = if finish.activation == Activation::Relu { 0.0 } else { f32::NEG_INFINITY };
    match finish.residual {
        None => {
            for (y, product) in outputs.iter_mut().zip(products) {
                *y = at_least(least, product * scale + shift);
            }
        }
        Some(residual) => {
            for ((y, product), r) in outputs.iter_mut().zip(products).zip(&residual[place..]) {
                *y = at_least(least, product * scale + shift + r);
            }
        }
    }
}

/// What a backward pass is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The gradient of the input.
    pub x: bool,
    /// The gradient of the weights.
    pub weight: bool,
}

/// Gradients of one convolution; empty where not wanted.
#[derive(Clone, Debug, Default)]
pub struct ConvGradients {
    /// `[N, I, H, W]`.
    pub x: Vec<f32>,
    /// `[O, I / groups, KH, KW]`.
    pub weight: Vec<f32>,
}

/// What a backward pass reads.
#[derive(Clone, Copy, Debug)]
pub struct BackwardInput<'a> {
    /// `[N, I, H, W]`.
    pub x: &'a [f32],
    /// `[O, I / groups, KH, KW]`.
    pub weight: &'a [f32],
    /// `[O]`, as in the forward pass.
    pub scale: Option<&'a [f32]>,
    /// The gradient of the output before its activation, `[N, O, OH, OW]`.
    pub y_gradient: &'a [f32],
}

/// Both gradients.
pub fn backward(g: &Geometry, input: BackwardInput, wanted: Wanted) -> ConvGradients {
    match g.groups > 1 {
        true => grouped::backward(g, input, wanted),
        false if winograd::suits(g) => backward_by_winograd(g, input, wanted),
        false => backward_by_tiles(g, input, wanted),
    }
}

fn backward_by_winograd(g: &Geometry, input: BackwardInput, wanted: Wanted) -> ConvGradients {
    let mut gradients = ConvGradients::default();
    if wanted.weight {
        gradients.weight = winograd::weight_gradient(g, input.x, input.y_gradient, input.scale);
    }
    if wanted.x {
        let back = Geometry { channels_in: g.channels_out, channels_out: g.channels_in, ..*g };
        let finish = Finish { scale: None, bias: None, residual: None, activation: Activation::None };
        gradients.x = winograd::forward(&back, input.y_gradient, Weights::Backward(input.weight, input.scale), finish);
    }
    gradients
}

/// Both in one walk over the tiles.
pub(crate) fn backward_by_tiles(g: &Geometry, input: BackwardInput, wanted: Wanted) -> ConvGradients {
    let mut x_gradient = vec![0.0f32; if wanted.x { g.batch * g.input_len() } else { 0 }];
    let groups = g.groups();
    let partials: Vec<Mutex<Vec<f32>>> = groups.iter().map(|_| Mutex::new(Vec::<f32>::new())).collect();
    let mut rest = x_gradient.as_mut_slice();
    let mut jobs = Vec::with_capacity(groups.len());
    for (group, partial) in groups.into_iter().zip(&partials) {
        let length = if wanted.x { group.len() * g.input_len() } else { 0 };
        let (part, tail) = std::mem::take(&mut rest).split_at_mut(length);
        rest = tail;
        jobs.push((group, partial, part));
    }
    let workers = workers(jobs.len());
    jobs.into_par_iter().for_each(|(group, partial, x_part)| {
        let mut sum = vec![0.0f32; if wanted.weight { input.weight.len() } else { 0 }];
        for tile in g.tiles(group.start * g.output[0]..group.end * g.output[0]) {
            let tile = Tile { rows: tile, first_picture: group.start, workers };
            backward_tile(g, &input, &tile, &mut sum, x_part);
        }
        if let Ok(mut slot) = partial.lock() {
            *slot = sum;
        }
    });
    ConvGradients {
        x: x_gradient,
        weight: sum_in_order(partials.into_iter().map(|p| p.into_inner().unwrap_or_default()).collect()),
    }
}

struct Tile {
    rows: Range<usize>,
    /// The picture at which the gradient of the input starts.
    first_picture: usize,
    workers: Workers,
}

fn backward_tile(g: &Geometry, input: &BackwardInput, tile: &Tile, weight_sum: &mut [f32], x_part: &mut [f32]) {
    let columns = tile.rows.len() * g.output[1];
    with_scratch([g.depth() * columns, g.channels_out * columns], |[gathered, outgoing]| {
        gather_outgoing(g, input, &tile.rows, outgoing);
        let outgoing = Matrix::new(outgoing, g.channels_out, columns);
        if !weight_sum.is_empty() {
            g.gather(input.x, &tile.rows, gathered, tile.workers);
            multiply(
                outgoing,
                Matrix::new(gathered, g.depth(), columns).transposed(),
                weight_sum,
                Into::Add,
                tile.workers,
            );
        }
        if !x_part.is_empty() {
            let left = Matrix::new(input.weight, g.channels_out, g.depth()).transposed();
            multiply(left, outgoing, gathered, Into::Replace, tile.workers);
            g.scatter(gathered, &tile.rows, (tile.first_picture, x_part), tile.workers);
        }
    });
}

/// The tile of the product's gradient as `[O, columns]`.
fn gather_outgoing(g: &Geometry, input: &BackwardInput, tile: &Range<usize>, outgoing: &mut [f32]) {
    let (rows, width) = (g.output[0], g.output[1]);
    let columns = tile.len() * width;
    let mut row = tile.start;
    while row < tile.end {
        let picture = row / rows;
        let end = ((picture + 1) * rows).min(tile.end);
        let length = (end - row) * width;
        for channel in 0..g.channels_out {
            let from = (picture * g.channels_out + channel) * g.output_area() + (row % rows) * width;
            let target = &mut outgoing[channel * columns + (row - tile.start) * width..][..length];
            let source = &input.y_gradient[from..from + length];
            match input.scale {
                None => target.copy_from_slice(source),
                Some(scale) => target.iter_mut().zip(source).for_each(|(t, s)| *t = s * scale[channel]),
            }
        }
        row = end;
    }
}

/// The sum of partial results, in their order.
fn sum_in_order(parts: Vec<Vec<f32>>) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    for part in parts {
        total.par_chunks_mut(1 << 16).zip(part.par_chunks(1 << 16)).for_each(|(t, p)| {
            t.iter_mut().zip(p).for_each(|(t, p)| *t += *p);
        });
    }
    total
}
