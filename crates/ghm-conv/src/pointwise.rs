//! 1x1 convolutions of stride 1: products of matrices as they lie, forward and backward, threads over channels or pictures.
//!
//! A picture `[I, H * W]` is its own matrix of columns, so nothing is gathered, and results are written where they belong.

use std::ops::Range;

use rayon::prelude::*;

use crate::gemm::{Into, Matrix, Workers, multiply, multiply_part};
use crate::geometry::Geometry;
use crate::kernel::{BackwardInput, ConvGradients, Finish, Wanted, finish_run, sum_in_order, workers};

/// Positions whose outputs are finished together, while they are in cache.
const POSITIONS: usize = 1024;

/// Jobs that a pass is cut into, where that leaves each [`LEAST_CHANNELS`].
const LEAST_JOBS: usize = 8;

/// Channels of a job below which a product no longer pays.
const LEAST_CHANNELS: usize = 64;

/// Positions that make a partial weight gradient worth its own buffer.
const GROUP_POSITIONS: usize = 256;

/// Whether the convolution has this form.
pub(crate) fn suits(g: &Geometry) -> bool {
    g.kernel == [1, 1] && g.stride == 1 && g.padding == 0
}

/// The convolution; see [`crate::kernel::forward`].
pub(crate) fn forward(g: &Geometry, x: &[f32], weight: &[f32], finish: Finish) -> Vec<f32> {
    let area = g.output_area();
    let weights = Matrix::new(weight, g.channels_out, g.channels_in);
    by_channels(g.batch, g.channels_out, area, |picture, channels, y| {
        let (left, x) = (weights.rows(channels.clone()), &x[picture * g.input_len()..][..g.input_len()]);
        for positions in runs(area) {
            let right = Matrix::part(&x[positions.start..], g.channels_in, positions.len(), area);
            multiply_part(left, right, (&mut y[positions.start..], area), Into::Replace, Workers::One);
            for (channel, row) in channels.clone().zip(y.chunks_mut(area)) {
                let place = (picture * g.channels_out + channel) * area + positions.start;
                finish_run(finish, channel, place, &mut row[positions.clone()]);
            }
        }
    })
}

/// Both gradients; see [`crate::kernel::backward`].
pub(crate) fn backward(g: &Geometry, input: BackwardInput, wanted: Wanted) -> ConvGradients {
    let mut gradients = ConvGradients::default();
    if wanted.x {
        gradients.x = input_gradient(g, &input);
    }
    if wanted.weight {
        gradients.weight = weight_gradient(g, &input);
    }
    gradients
}

fn input_gradient(g: &Geometry, input: &BackwardInput) -> Vec<f32> {
    let area = g.output_area();
    let scaled: Option<Vec<f32>> = input.scale.map(|scale| {
        let rows = input.weight.chunks(g.channels_in).zip(scale);
        rows.flat_map(|(row, scale)| row.iter().map(move |weight| weight * scale)).collect()
    });
    let weights = Matrix::new(scaled.as_deref().unwrap_or(input.weight), g.channels_out, g.channels_in).transposed();
    by_channels(g.batch, g.channels_in, area, |picture, channels, x_gradient| {
        let outgoing = &input.y_gradient[picture * g.output_len()..][..g.output_len()];
        let right = Matrix::new(outgoing, g.channels_out, area);
        multiply(weights.rows(channels), right, x_gradient, Into::Replace, Workers::One);
    })
}

fn weight_gradient(g: &Geometry, input: &BackwardInput) -> Vec<f32> {
    let area = g.output_area();
    let step = GROUP_POSITIONS.div_ceil(area.max(1)).max(1);
    let groups: Vec<Range<usize>> =
        (0..g.batch).step_by(step).map(|first| first..(first + step).min(g.batch)).collect();
    let workers = workers(groups.len());
    let of_group = |pictures: Range<usize>| {
        let mut sum = vec![0.0f32; input.weight.len()];
        for picture in pictures {
            let left = Matrix::new(&input.y_gradient[picture * g.output_len()..], g.channels_out, area);
            let right = Matrix::new(&input.x[picture * g.input_len()..], g.channels_in, area);
            multiply(left, right.transposed(), &mut sum, Into::Add, workers);
        }
        sum
    };
    let mut gradient = sum_in_order(groups.into_par_iter().map(of_group).collect());
    if let Some(scale) = input.scale {
        for (row, scale) in gradient.chunks_mut(g.channels_in).zip(scale) {
            row.iter_mut().for_each(|weight| *weight *= scale);
        }
    }
    gradient
}

/// Maps `[pictures, channels, area]`, of which `write` writes some channels of one picture.
fn by_channels(
    pictures: usize,
    channels: usize,
    area: usize,
    write: impl Fn(usize, Range<usize>, &mut [f32]) + Sync,
) -> Vec<f32> {
    let mut maps = vec![0.0f32; pictures * channels * area];
    let splits = LEAST_JOBS.div_ceil(pictures.max(1));
    let step = channels.div_ceil(splits).max(LEAST_CHANNELS).min(channels).max(1);
    let mut jobs = Vec::new();
    for (picture, planes) in maps.chunks_mut((channels * area).max(1)).enumerate() {
        for (part, own) in planes.chunks_mut(step * area).enumerate() {
            jobs.push((picture, part * step..(part * step + step).min(channels), own));
        }
    }
    jobs.into_par_iter().for_each(|(picture, channels, own)| write(picture, channels, own));
    maps
}

/// Runs of positions.
fn runs(area: usize) -> impl Iterator<Item = Range<usize>> {
    (0..area).step_by(POSITIONS).map(move |start| start..(start + POSITIONS).min(area))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Activation, ConvSpec};
    use crate::kernel::{backward_by_tiles, forward_by_tiles};
    use crate::testing::{assert_near, noise};

    #[test]
    fn values_and_gradients_are_those_of_the_general_path() {
        let sizes = [[1, 1, 1, 1, 1], [2, 70, 131, 9, 7], [3, 16, 64, 40, 33], [9, 130, 20, 4, 5]];
        for (case, [batch, channels_in, channels_out, height, width]) in sizes.into_iter().enumerate() {
            let shape = [batch, channels_in, height, width];
            let g = Geometry::new(shape, [channels_out, channels_in, 1, 1], ConvSpec { stride: 1, padding: 0 });
            assert!(suits(&g));
            let [x, y] = [g.input_len(), g.output_len()].map(|length| noise(case as u64, batch * length));
            let (weight, residual) = (noise(7, channels_out * channels_in), noise(8, y.len()));
            let (scale, bias) = (noise(9, channels_out), noise(10, channels_out));
            let scale = (case % 2 == 0).then_some(&scale[..]);
            let activation = if case % 2 == 1 { Activation::Relu } else { Activation::None };
            let finish = Finish { scale, bias: Some(&bias), residual: (case > 1).then_some(&residual), activation };
            let name = format!("{shape:?} to {channels_out}");
            let expected = forward_by_tiles(&g, &x, &weight, finish);
            assert_near(&forward(&g, &x, &weight, finish), &expected, &format!("{name}, output"));
            let input = BackwardInput { x: &x, weight: &weight, scale, y_gradient: &y };
            let both = Wanted { x: true, weight: true };
            let (found, expected) = (backward(&g, input, both), backward_by_tiles(&g, input, both));
            assert_near(&found.weight, &expected.weight, &format!("{name}, gradient of weight"));
            assert_near(&found.x, &expected.x, &format!("{name}, gradient of input"));
        }
    }
}
