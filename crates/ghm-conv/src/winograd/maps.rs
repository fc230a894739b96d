//! Maps to the points of their tiles.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::CHANNELS_A_JOB;
use super::lanes::{LANES, load, store};
use super::points::{Block, Points, tiles_of};
use crate::geometry::Geometry;
use crate::tile::{IN, OUT, each, of_input, of_output};

/// What is cut into tiles.
#[derive(Clone, Copy)]
pub(super) enum Side<'a> {
    /// `[N, I, H, W]`: 6x6, overlapping.
    Input(&'a [f32]),
    /// Gradients `[N, O, H, W]`: 4x4.
    Output(&'a [f32]),
}

/// Maps to the points of a block's tiles: `[POINTS][channels][tiles]`.
pub(super) fn transform_maps(g: &Geometry, block: &Block, side: Side, points: Points, into: &mut [f32]) {
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
