//! 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3), forward and the gradient of the weights, threads over channels
//! and products.
//!
//! Tiles of 4x4 outputs and the 6x6 inputs they look at become 36 points each ([`crate::tile`]); at each point all
//! channels of all tiles are one product of matrices. That takes a quarter of the multiplications. Tiles are worked on in
//! blocks, so that memory stays small.

use std::mem::take;
use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::gemm::{Into, Matrix, Workers, multiply};
use crate::geometry::Geometry;
use crate::kernel::{Finish, finish_run};
use crate::scratch::with_scratch;
use crate::tile::{IN, OUT, each, of_input, of_kernel, of_output, to_kernel, to_output};

/// Points of a tile.
const POINTS: usize = IN * IN;

/// Tiles of a block, as far as whole lines of tiles allow.
const BLOCK_TILES: usize = 512;

/// Fewer tiles do not pay for the transformed weights.
const LEAST_TILES: usize = 48;

/// Fewer channels do not pay for the transforms.
const LEAST_CHANNELS: usize = 32;

/// Channels that one thread takes at a time.
const CHANNELS_A_JOB: usize = 8;

/// Floats between two matrices of points, beyond what they hold: rows of all points at a power of two apart would share
/// few lines of a cache.
const APART: usize = 80;

/// The most lanes of a vector, and what rows of a tile's phases are padded to.
const LANES: usize = 16;

/// Whether the convolution has this form, and enough of it.
pub(crate) fn suits(g: &Geometry) -> bool {
    let form = g.kernel == [3, 3] && g.stride == 1 && g.padding == 1;
    let [rows, columns] = tiles_of(g);
    let tiles = g.batch * rows * columns;
    let full = 5 * g.batch * g.output_area() >= 3 * tiles * OUT * OUT;
    form && full && tiles >= LEAST_TILES && g.channels_in.min(g.channels_out) >= LEAST_CHANNELS
}

/// Lines and columns of tiles of one picture.
fn tiles_of(g: &Geometry) -> [usize; 2] {
    g.output.map(|side| side.div_ceil(OUT))
}

/// The weights of a convolution, or of that which takes gradients of its output to gradients of its input.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weights<'a> {
    /// `[O, I, 3, 3]`.
    Forward(&'a [f32]),
    /// `[I, O, 3, 3]` of the convolution itself, where `O` and `I` are of the gradients' one; and the factors `[I]` of its
    /// output.
    Backward(&'a [f32], Option<&'a [f32]>),
}

impl Weights<'_> {
    /// The weight at `(row, column)` of the kernel.
    #[inline(always)]
    fn at(self, g: &Geometry, [out, channel]: [usize; 2], place: usize) -> f32 {
        match self {
            Self::Forward(weights) => weights[(out * g.channels_in + channel) * 9 + place],
            // Turned by half a circle, for a gradient goes the other way.
            Self::Backward(weights, scale) => {
                weights[(channel * g.channels_out + out) * 9 + 8 - place] * scale.map_or(1.0, |scale| scale[channel])
            }
        }
    }
}

/// The convolution; see [`crate::kernel::forward`].
pub(crate) fn forward(g: &Geometry, x: &[f32], weights: Weights, finish: Finish) -> Vec<f32> {
    let mut y = vec![0.0f32; g.batch * g.output_len()];
    let blocks = Block::all(g);
    let tiles = blocks.iter().map(|block| block.tiles(g)).max().unwrap_or(0);
    let points = Points { rows: g.channels_out, columns: g.channels_in };
    let (inputs, products) =
        (Points { rows: g.channels_in, columns: tiles }, Points { rows: g.channels_out, columns: tiles });
    with_scratch([points.len(), inputs.len(), products.len()], |[kernel, v, m]| {
        transform_weights(g, weights, points, kernel);
        let mut rest = &mut y[..];
        for block in &blocks {
            let tiles = block.tiles(g);
            transform_maps(g, block, Side::Input(x), inputs, v);
            let work = points.matrices(kernel).zip(inputs.matrices(v)).collect::<Vec<_>>();
            products.matrices_mut(m).into_par_iter().zip(work).for_each(|(m, (u, v))| {
                let (u, v) = (Matrix::new(u, g.channels_out, g.channels_in), Matrix::new(v, g.channels_in, tiles));
                multiply(u, v, &mut m[..g.channels_out * tiles], Into::Replace, Workers::One);
            });
            let pictures = block.pictures.len();
            // A picture's last block is done with it.
            let own = if block.lines.end == tiles_of(g)[0] { pictures * g.output_len() } else { 0 };
            write_outputs(g, block, (products, m, tiles), finish, &mut rest[..pictures * g.output_len()]);
            rest = &mut take(&mut rest)[own..];
        }
    });
    y
}

/// The gradient of the weights `[O, I, 3, 3]`; see [`crate::kernel::backward`].
pub(crate) fn weight_gradient(g: &Geometry, x: &[f32], y_gradient: &[f32], scale: Option<&[f32]>) -> Vec<f32> {
    let mut gradient = vec![0.0f32; g.channels_out * g.channels_in * 9];
    let blocks = Block::all(g);
    let tiles = blocks.iter().map(|block| block.tiles(g)).max().unwrap_or(0);
    let points = Points { rows: g.channels_out, columns: g.channels_in };
    let (inputs, outgoing) =
        (Points { rows: g.channels_in, columns: tiles }, Points { rows: g.channels_out, columns: tiles });
    with_scratch([points.len(), inputs.len(), outgoing.len()], |[kernel, v, m]| {
        for (index, block) in blocks.iter().enumerate() {
            let tiles = block.tiles(g);
            transform_maps(g, block, Side::Input(x), inputs, v);
            transform_maps(g, block, Side::Output(y_gradient), outgoing, m);
            let work = outgoing.matrices(m).zip(inputs.matrices(v)).collect::<Vec<_>>();
            let into = if index == 0 { Into::Replace } else { Into::Add };
            points.matrices_mut(kernel).into_par_iter().zip(work).for_each(|(u, (m, v))| {
                let (m, v) = (Matrix::new(m, g.channels_out, tiles), Matrix::new(v, g.channels_in, tiles));
                multiply(m, v.transposed(), u, into, Workers::One);
            });
        }
        let sources = points.matrices(kernel).collect::<Vec<_>>();
        gradient.par_chunks_mut(g.channels_in * 9).enumerate().for_each(|(out, gradient)| {
            let rows = sources.iter().map(|matrix| &matrix[out * g.channels_in..][..g.channels_in]).collect();
            let scale = scale.map_or(1.0, |scale| scale[out]);
            pulp::Arch::new().dispatch(KernelGradient { rows, scale, gradient });
        });
    });
    gradient
}

/// A matrix for each point, all in one slice.
#[derive(Clone, Copy)]
struct Points {
    rows: usize,
    columns: usize,
}

impl Points {
    fn each(self) -> usize {
        self.rows * self.columns + APART
    }

    fn len(self) -> usize {
        POINTS * self.each()
    }

    fn matrices(self, all: &[f32]) -> impl Iterator<Item = &[f32]> {
        all.chunks(self.each()).map(move |matrix| &matrix[..self.rows * self.columns])
    }

    fn matrices_mut(self, all: &mut [f32]) -> Vec<&mut [f32]> {
        all.chunks_mut(self.each()).map(|matrix| &mut matrix[..self.rows * self.columns]).collect()
    }

    /// Runs of rows of all points, for one thread each: `rows` of them, `columns` long.
    fn row_groups(self, all: &mut [f32], rows: usize, columns: usize) -> Vec<Vec<&mut [f32]>> {
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
struct Block {
    pictures: Range<usize>,
    lines: Range<usize>,
}

impl Block {
    fn all(g: &Geometry) -> Vec<Self> {
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

    fn tiles(&self, g: &Geometry) -> usize {
        self.pictures.len() * self.lines.len() * tiles_of(g)[1]
    }

    /// Picture and line of every line of tiles.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.pictures.clone().flat_map(|picture| self.lines.clone().map(move |line| (picture, line)))
    }
}

/// What is cut into tiles.
#[derive(Clone, Copy)]
enum Side<'a> {
    /// `[N, I, H, W]`: 6x6, overlapping.
    Input(&'a [f32]),
    /// Gradients `[N, O, H, W]`: 4x4.
    Output(&'a [f32]),
}

/// Maps to the points of a block's tiles: `[POINTS][channels][tiles]`.
fn transform_maps(g: &Geometry, block: &Block, side: Side, points: Points, into: &mut [f32]) {
    let tiles = block.tiles(g);
    let groups = points.row_groups(into, CHANNELS_A_JOB, tiles);
    groups.into_par_iter().enumerate().for_each(|(group, points)| {
        let first = group * CHANNELS_A_JOB;
        pulp::Arch::new().dispatch(MapTransform {
            g,
            block,
            side,
            channels: points_rows(&points, tiles, first),
            points,
        });
    });
}

/// The channels of a group of rows.
fn points_rows(points: &[&mut [f32]], tiles: usize, first: usize) -> Range<usize> {
    first..first + points.first().map_or(0, |rows| rows.len() / tiles)
}

struct MapTransform<'a> {
    g: &'a Geometry,
    block: &'a Block,
    side: Side<'a>,
    channels: Range<usize>,
    /// `[POINTS]`, each `[channels][tiles]`.
    points: Vec<&'a mut [f32]>,
}

impl WithSimd for MapTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let columns = tiles_of(self.g)[1];
        let tiles = self.block.tiles(self.g);
        let mut phases = Phases::new(columns);
        for (row, channel) in self.channels.clone().enumerate() {
            for (line_index, (picture, line)) in self.block.places().enumerate() {
                let at = row * tiles + line_index * columns;
                match self.side {
                    Side::Input(x) => {
                        let plane = plane(x, self.g.channels_in, self.g.input_area(), picture, channel);
                        phases.read(plane, self.g.input, (OUT * line) as isize - 1, 1, IN);
                        input_line(simd, &mut phases, &mut self.points, at, columns);
                    }
                    Side::Output(y) => {
                        let plane = plane(y, self.g.channels_out, self.g.output_area(), picture, channel);
                        phases.read(plane, self.g.output, (OUT * line) as isize, 0, OUT);
                        output_line(simd, &mut phases, &mut self.points, at, columns);
                    }
                }
            }
        }
    }
}

fn plane(maps: &[f32], channels: usize, area: usize, picture: usize, channel: usize) -> &[f32] {
    &maps[(picture * channels + channel) * area..][..area]
}

/// Rows of a map, each as four: its elements 0, 4, 8, ..., then 1, 5, 9, ..., and so on; as vectors want them.
struct Phases {
    /// Length of each of the four: a tile more than there are, and room for a whole vector.
    length: usize,
    /// A row as it is, with zeros around it.
    row: Vec<f32>,
    /// `[IN][OUT][length]`.
    values: Vec<f32>,
    /// The same, columns transformed.
    turned: Vec<f32>,
}

impl Phases {
    fn new(columns: usize) -> Self {
        let length = columns.next_multiple_of(LANES) + LANES;
        let all = vec![0.0; IN * OUT * length];
        Self { length, row: vec![0.0; OUT * length], values: all.clone(), turned: all }
    }

    /// Takes in `rows` rows of `plane` from row `first` on, which begin with `left` zeros; zeros beyond its sides.
    #[inline(always)]
    fn read(&mut self, plane: &[f32], [height, width]: [usize; 2], first: isize, left: usize, rows: usize) {
        for row in 0..rows {
            let phases = &mut self.values[row * OUT * self.length..][..OUT * self.length];
            let Some(y) = first.checked_add_unsigned(row).and_then(|y| usize::try_from(y).ok()).filter(|y| *y < height)
            else {
                phases.fill(0.0);
                continue;
            };
            self.row[left..left + width].copy_from_slice(&plane[y * width..][..width]);
            self.row[left + width..].fill(0.0);
            let (p0, phases) = phases.split_at_mut(self.length);
            let (p1, phases) = phases.split_at_mut(self.length);
            let (p2, p3) = phases.split_at_mut(self.length);
            let all = p0.iter_mut().zip(p1).zip(p2.iter_mut().zip(p3));
            for (four, ((p0, p1), (p2, p3))) in self.row.as_chunks::<OUT>().0.iter().zip(all) {
                [*p0, *p1, *p2, *p3] = *four;
            }
        }
    }
}

#[inline(always)]
fn load<S: Simd>(values: &[f32], at: usize) -> S::f32s {
    S::as_simd_f32s(&values[at..at + S::F32_LANES]).0[0]
}

/// The first `length` lanes from `at` on, then zeros.
#[inline(always)]
fn load_some<S: Simd>(simd: S, values: &[f32], at: usize, length: usize) -> S::f32s {
    let values = &values[at..at + length];
    match S::as_simd_f32s(values).0.first() {
        Some(whole) => *whole,
        None => simd.partial_load_f32s(values),
    }
}

#[inline(always)]
fn store<S: Simd>(simd: S, values: &mut [f32], at: usize, length: usize, vector: S::f32s) {
    let target = &mut values[at..at + length];
    match S::as_mut_simd_f32s(target).0.first_mut() {
        Some(whole) => *whole = vector,
        None => simd.partial_store_f32s(target, vector),
    }
}

#[inline(always)]
fn input_line<S: Simd>(simd: S, phases: &mut Phases, points: &mut [&mut [f32]], at: usize, columns: usize) {
    let (length, pitch) = (phases.length, OUT * phases.length);
    for start in (0..pitch).step_by(S::F32_LANES) {
        let d = each!(row in 0 1 2 3 4 5 => load::<S>(&phases.values, row * pitch + start));
        for (row, vector) in of_input(simd, d).into_iter().enumerate() {
            store(simd, &mut phases.turned, row * pitch + start, S::F32_LANES, vector);
        }
    }
    for row in 0..IN {
        for start in (0..columns).step_by(S::F32_LANES) {
            let place = row * pitch + start;
            let d = each!(column in 0 1 2 3 4 5 => {
                load::<S>(&phases.turned, place + column % OUT * length + column / OUT)
            });
            let lanes = S::F32_LANES.min(columns - start);
            for (column, vector) in of_input(simd, d).into_iter().enumerate() {
                store(simd, points[row * IN + column], at + start, lanes, vector);
            }
        }
    }
}

#[inline(always)]
fn output_line<S: Simd>(simd: S, phases: &mut Phases, points: &mut [&mut [f32]], at: usize, columns: usize) {
    let (length, pitch) = (phases.length, OUT * phases.length);
    for start in (0..pitch).step_by(S::F32_LANES) {
        let y = each!(row in 0 1 2 3 => load::<S>(&phases.values, row * pitch + start));
        for (row, vector) in of_output(simd, y).into_iter().enumerate() {
            store(simd, &mut phases.turned, row * pitch + start, S::F32_LANES, vector);
        }
    }
    for row in 0..IN {
        for start in (0..columns).step_by(S::F32_LANES) {
            let y = each!(column in 0 1 2 3 => load::<S>(&phases.turned, row * pitch + column * length + start));
            let lanes = S::F32_LANES.min(columns - start);
            for (column, vector) in of_output(simd, y).into_iter().enumerate() {
                store(simd, points[row * IN + column], at + start, lanes, vector);
            }
        }
    }
}

/// The weights' points: `[POINTS][O][I]`.
fn transform_weights(g: &Geometry, weights: Weights, points: Points, into: &mut [f32]) {
    let groups = points.row_groups(into, CHANNELS_A_JOB, g.channels_in);
    groups.into_par_iter().enumerate().for_each(|(group, points)| {
        pulp::Arch::new().dispatch(WeightTransform { g, weights, first: group * CHANNELS_A_JOB, points });
    });
}

struct WeightTransform<'a> {
    g: &'a Geometry,
    weights: Weights<'a>,
    /// The first output channel.
    first: usize,
    /// `[POINTS]`, each `[channels][I]`.
    points: Vec<&'a mut [f32]>,
}

impl WithSimd for WeightTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let channels_in = self.g.channels_in;
        let outs = self.points.first().map_or(0, |rows| rows.len() / channels_in);
        // Output channels within a run of input channels: backward, they are neighbours in memory.
        for start in (0..channels_in).step_by(S::F32_LANES) {
            let lanes = S::F32_LANES.min(channels_in - start);
            for out in 0..outs {
                let mut kernel = [[0.0f32; LANES]; 9];
                for lane in 0..lanes {
                    for (place, weights) in kernel.iter_mut().enumerate() {
                        weights[lane] = self.weights.at(self.g, [self.first + out, start + lane], place);
                    }
                }
                let lines = each!(column in 0 1 2 => {
                    of_kernel(simd, each!(row in 0 1 2 => load::<S>(&kernel[3 * row + column], 0)))
                });
                for row in 0..IN {
                    let line = of_kernel(simd, each!(column in 0 1 2 => lines[column][row]));
                    for (column, vector) in line.into_iter().enumerate() {
                        store(simd, self.points[row * IN + column], out * channels_in + start, lanes, vector);
                    }
                }
            }
        }
    }
}

struct KernelGradient<'a> {
    /// `[POINTS]`, each `[I]`.
    rows: Vec<&'a [f32]>,
    scale: f32,
    /// `[I, 3, 3]`.
    gradient: &'a mut [f32],
}

impl WithSimd for KernelGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let channels = self.gradient.len() / 9;
        for start in (0..channels).step_by(S::F32_LANES) {
            let lanes = S::F32_LANES.min(channels - start);
            let lines = each!(column in 0 1 2 3 4 5 => {
                to_kernel(simd, each!(row in 0 1 2 3 4 5 => load_some(simd, self.rows[row * IN + column], start, lanes)))
            });
            let mut kernel = [[0.0f32; LANES]; 9];
            for row in 0..3 {
                let line = to_kernel(simd, each!(column in 0 1 2 3 4 5 => lines[column][row]));
                for (column, vector) in line.into_iter().enumerate() {
                    store(simd, &mut kernel[3 * row + column], 0, S::F32_LANES, vector);
                }
            }
            for (lane, gradient) in self.gradient[9 * start..].as_chunks_mut::<9>().0.iter_mut().take(lanes).enumerate()
            {
                for (gradient, weights) in gradient.iter_mut().zip(&kernel) {
                    *gradient = weights[lane] * self.scale;
                }
            }
        }
    }
}

/// The points of the products to outputs, finished; `y` begins with the block's first picture.
fn write_outputs(
    g: &Geometry,
    block: &Block,
    (points, m, tiles): (Points, &[f32], usize),
    finish: Finish,
    y: &mut [f32],
) {
    let sources = m.chunks(points.each()).collect::<Vec<_>>();
    y.par_chunks_mut(g.output_area()).enumerate().with_min_len(CHANNELS_A_JOB).for_each(|(index, target)| {
        let (picture, channel) = (block.pictures.start + index / g.channels_out, index % g.channels_out);
        let first = channel * tiles + index / g.channels_out * block.lines.len() * tiles_of(g)[1];
        pulp::Arch::new().dispatch(OutputTransform {
            g,
            block,
            sources: &sources,
            first,
            picture,
            channel,
            finish,
            target,
        });
    });
}

struct OutputTransform<'a> {
    g: &'a Geometry,
    block: &'a Block,
    sources: &'a [&'a [f32]],
    /// The place of the picture's first tile of the block in each of the sources.
    first: usize,
    picture: usize,
    channel: usize,
    finish: Finish<'a>,
    /// The whole plane.
    target: &'a mut [f32],
}

impl WithSimd for OutputTransform<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [height, width] = self.g.output;
        let columns = tiles_of(self.g)[1];
        let length = columns.next_multiple_of(LANES);
        let mut phases = vec![0.0f32; OUT * OUT * length];
        let mut row = vec![0.0f32; OUT * length];
        let place = (self.picture * self.g.channels_out + self.channel) * self.g.output_area();
        for (index, line) in self.block.lines.clone().enumerate() {
            for start in (0..columns).step_by(S::F32_LANES) {
                let at = self.first + index * columns + start;
                let lanes = S::F32_LANES.min(columns - start);
                let lines = each!(column in 0 1 2 3 4 5 => {
                    to_output(simd, each!(row in 0 1 2 3 4 5 => load_some(simd, self.sources[row * IN + column], at, lanes)))
                });
                for row in 0..OUT {
                    let outputs = to_output(simd, each!(column in 0 1 2 3 4 5 => lines[column][row]));
                    for (column, vector) in outputs.into_iter().enumerate() {
                        store(simd, &mut phases, (row * OUT + column) * length + start, S::F32_LANES, vector);
                    }
                }
            }
            for (y, phases) in (OUT * line..height).zip(phases.chunks(OUT * length)) {
                let (p0, phases) = phases.split_at(length);
                let (p1, phases) = phases.split_at(length);
                let (p2, p3) = phases.split_at(length);
                let all = p0.iter().zip(p1).zip(p2.iter().zip(p3));
                for (four, ((p0, p1), (p2, p3))) in row.as_chunks_mut::<OUT>().0.iter_mut().zip(all) {
                    *four = [*p0, *p1, *p2, *p3];
                }
                let target = &mut self.target[y * width..][..width];
                finish_run(self.finish, (self.channel, place + y * width), &row, target);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Activation, ConvSpec};
    use crate::kernel::{BackwardInput, Wanted, backward_by_tiles, forward_by_tiles};
    use crate::testing::{assert_near, noise};

    /// Pictures, input and output channels, sides: whole tiles and cut ones, one block and several, lines of a picture in
    /// blocks of their own, fewer channels and tiles than lanes.
    const SIZES: [[usize; 5]; 9] = [
        [1, 3, 5, 4, 4],
        [2, 17, 9, 7, 5],
        [1, 1, 1, 1, 1],
        [3, 40, 33, 13, 18],
        [2, 32, 64, 64, 64],
        [1, 8, 8, 150, 131],
        [9, 16, 24, 30, 40],
        [1, 12, 7, 9, 2100],
        [2, 33, 35, 3, 66],
    ];

    #[test]
    fn values_and_gradients_are_those_of_the_general_path() {
        for (case, [batch, channels_in, channels_out, height, width]) in SIZES.into_iter().enumerate() {
            let shape = [batch, channels_in, height, width];
            let spec = ConvSpec { stride: 1, padding: 1 };
            let g = Geometry::new(shape, [channels_out, channels_in, 3, 3], spec);
            let (x, y) = (noise(1, batch * g.input_len()), noise(2, batch * g.output_len()));
            let (weight, residual) = (noise(3, channels_out * channels_in * 9), noise(4, y.len()));
            let (scale, bias) = (noise(5, channels_out), noise(6, channels_out));
            let scale = (case % 2 == 0).then_some(&scale[..]);
            let finish = Finish {
                scale,
                bias: (case % 3 == 0).then_some(&bias[..]),
                residual: (case % 3 > 0).then_some(&residual[..]),
                activation: if case % 4 < 2 { Activation::Relu } else { Activation::None },
            };
            let name = format!("{shape:?} to {channels_out}");
            let found = forward(&g, &x, Weights::Forward(&weight), finish);
            assert_near(&found, &forward_by_tiles(&g, &x, &weight, finish), &format!("{name}, output"));

            let input = BackwardInput { x: &x, weight: &weight, scale, y_gradient: &y };
            let expected = backward_by_tiles(&g, input, Wanted { x: true, weight: true });
            let found = weight_gradient(&g, &x, &y, scale);
            assert_near(&found, &expected.weight, &format!("{name}, gradient of weight"));
            let back = Geometry { channels_in: g.channels_out, channels_out: g.channels_in, ..g };
            let plain = Finish { scale: None, bias: None, residual: None, activation: Activation::None };
            let found = forward(&back, &y, Weights::Backward(&weight, scale), plain);
            assert_near(&found, &expected.x, &format!("{name}, gradient of input"));
        }
    }

    #[test]
    fn results_are_the_same_bits_for_any_number_of_threads() {
        let g = Geometry::new([3, 32, 30, 40], [48, 32, 3, 3], ConvSpec { stride: 1, padding: 1 });
        let (x, y) = (noise(7, 3 * g.input_len()), noise(8, 3 * g.output_len()));
        let weight = noise(9, 48 * 32 * 9);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let finish = Finish { scale: None, bias: None, residual: None, activation: Activation::None };
                (forward(&g, &x, Weights::Forward(&weight), finish), weight_gradient(&g, &x, &y, None))
            })
        };
        assert!(with(1) == with(3));
    }

    #[test]
    fn it_is_chosen_for_its_form_and_where_there_is_enough_to_do() {
        let suits = |x: [usize; 4], weight: [usize; 4], stride, padding| {
            suits(&Geometry::new(x, weight, ConvSpec { stride, padding }))
        };
        assert!(suits([2, 256, 64, 64], [256, 256, 3, 3], 1, 1));
        assert!(!suits([2, 256, 64, 64], [256, 256, 3, 3], 2, 1), "stride");
        assert!(!suits([2, 256, 64, 64], [256, 256, 3, 3], 1, 0), "padding");
        assert!(!suits([2, 256, 64, 64], [256, 256, 1, 1], 1, 1), "kernel");
        assert!(!suits([2, 256, 4, 4], [256, 256, 3, 3], 1, 1), "few tiles");
        assert!(!suits([200, 256, 1, 1], [256, 256, 3, 3], 1, 1), "tiles cut");
        assert!(!suits([2, 3, 64, 64], [256, 3, 3, 3], 1, 1), "few channels");
    }
}
