//! Weights to their points, and gradients of points to those of weights.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::CHANNELS_A_JOB;
use super::lanes::{LANES, load, load_some, store};
use super::points::Points;
use crate::geometry::Geometry;
use crate::tile::{IN, each, of_kernel, to_kernel};

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

/// The weights' points: `[POINTS][O][I]`.
pub(super) fn transform_weights(g: &Geometry, weights: Weights, points: Points, into: &mut [f32]) {
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
                let points = each!(row in 0 1 2 3 4 5 => of_kernel(simd, each!(column in 0 1 2 => lines[column][row])));
                for (row, line) in points.into_iter().enumerate() {
                    for (column, vector) in line.into_iter().enumerate() {
                        store(simd, self.points[row * IN + column], out * channels_in + start, lanes, vector);
                    }
                }
            }
        }
    }
}

pub(super) struct KernelGradient<'a> {
    /// `[POINTS]`, each `[I]`.
    pub rows: Vec<&'a [f32]>,
    pub scale: f32,
    /// `[I, 3, 3]`.
    pub gradient: &'a mut [f32],
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
            let weights = each!(row in 0 1 2 => to_kernel(simd, each!(column in 0 1 2 3 4 5 => lines[column][row])));
            for (row, line) in weights.into_iter().enumerate() {
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
