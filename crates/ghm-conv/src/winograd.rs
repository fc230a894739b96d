//! 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3), forward and the gradient of the weights, threads over channels
//! and products.
//!
//! Tiles of 4x4 outputs and the 6x6 inputs they look at become 36 points each ([`crate::tile`]); at each point all
//! channels of all tiles are one product of matrices. That takes a quarter of the multiplications. Tiles are worked on in
//! blocks, so that memory stays small.

use std::mem::take;

use rayon::prelude::*;

use crate::gemm::{Into, Matrix, Workers, multiply};
use crate::geometry::Geometry;
use crate::kernel::Finish;
use crate::scratch::with_scratch;
use crate::tile::OUT;

pub(crate) use weights::Weights;

use maps::{Side, transform_maps};
use outputs::write_outputs;
use points::{Block, Points, tiles_of};
use weights::{KernelGradient, transform_weights};

mod lanes;
mod maps;
mod outputs;
mod points;
mod weights;

/// Fewer tiles do not pay for the transformed weights.
const LEAST_TILES: usize = 48;

/// Fewer channels do not pay for the transforms.
const LEAST_CHANNELS: usize = 32;

/// Channels that one thread takes at a time.
const CHANNELS_A_JOB: usize = 8;

/// Whether the convolution has this form, and enough of it.
pub(crate) fn suits(g: &Geometry) -> bool {
    let form = g.kernel == [3, 3] && g.stride == 1 && g.padding == 1;
    let [rows, columns] = tiles_of(g);
    let tiles = g.batch * rows * columns;
    let full = 5 * g.batch * g.output_area() >= 3 * tiles * OUT * OUT;
    form && full && tiles >= LEAST_TILES && g.channels_in.min(g.channels_out) >= LEAST_CHANNELS
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
            let spec = ConvSpec { stride: 1, padding: 1, groups: 1 };
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
        let g = Geometry::new([3, 32, 30, 40], [48, 32, 3, 3], ConvSpec { stride: 1, padding: 1, groups: 1 });
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
            suits(&Geometry::new(x, weight, ConvSpec { stride, padding, groups: 1 }))
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
