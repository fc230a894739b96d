//! Points of products to finished outputs.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::CHANNELS_A_JOB;
use super::lanes::{LANES, load_some, store};
use super::points::{Block, Points, tiles_of};
use crate::geometry::Geometry;
use crate::kernel::{Finish, finish_run};
use crate::tile::{IN, OUT, each, to_output};

/// The points of the products to outputs, finished; `y` begins with the block's first picture.
pub(super) fn write_outputs(
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
                let outputs = each!(row in 0 1 2 3 => {
                    to_output(simd, each!(column in 0 1 2 3 4 5 => lines[column][row]))
                });
                for (row, outputs) in outputs.into_iter().enumerate() {
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
