//! The 3x3 max-pool of a ResNet's stem on burn tensors, threads over channels.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Tensor, module};
use rayon::prelude::*;

use crate::primitive::{flex, flex_tracked, runs_here, tensor, values};

/// Side of the window.
const SIDE: usize = 3;

/// Max-pool of 3x3 windows, 2 pixels apart, padded by 1.
///
/// # Shapes
/// `[N, C, H, W]` to `[N, C, (H + 1) / 2, (W + 1) / 2]`, rounded down.
pub fn max_pool_stem(x: Tensor<4>) -> Tensor<4> {
    if !runs_here(&x) {
        return module::max_pool2d(x, MaxPoolOptions::new([SIDE; 2]).with_stride([2; 2]).with_padding([1; 2]));
    }
    let [n, c, h, w] = x.dims();
    let maps = Maps { input: [h, w], output: [h.div_ceil(2), w.div_ceil(2)] };
    let shape = [n, c, maps.output[0], maps.output[1]];
    if !x.is_autodiff() {
        let (pooled, _) = maps.forward(values(&flex(x)));
        return Tensor::from_primitive::<Flex>(tensor(pooled, shape));
    }
    let x = flex_tracked(x);
    let node = x.node();
    let (pooled, winners) = maps.forward(values(&x.into_primitive().to_contiguous()));
    let pooled = tensor(pooled, shape);
    let output = match PoolBackward.prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish((maps, winners, [n, c, h, w]), pooled),
        OpsKind::UnTracked(prep) => prep.finish(pooled),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(output)
}

/// Rows and columns before and after.
#[derive(Clone, Copy, Debug)]
struct Maps {
    input: [usize; 2],
    output: [usize; 2],
}

impl Maps {
    /// The pooled planes, and for each of their elements where in its input plane it came from.
    fn forward(&self, x: &[f32]) -> (Vec<f32>, Vec<u32>) {
        let (area_in, area) = (self.input[0] * self.input[1], self.output[0] * self.output[1]);
        let mut pooled = vec![0.0f32; x.len() / area_in.max(1) * area];
        let mut winners = vec![0u32; pooled.len()];
        let planes = pooled.par_chunks_mut(area).zip(winners.par_chunks_mut(area)).zip(x.par_chunks(area_in));
        planes.for_each(|((pooled, winners), x)| self.pool_plane(x, pooled, winners));
        (pooled, winners)
    }

    fn pool_plane(&self, x: &[f32], pooled: &mut [f32], winners: &mut [u32]) {
        let [height, width] = self.input;
        for (index, (best, winner)) in pooled.iter_mut().zip(winners).enumerate() {
            let (row, column) = (2 * (index / self.output[1]), 2 * (index % self.output[1]));
            *best = f32::NEG_INFINITY;
            for y in row.saturating_sub(1)..(row + 2).min(height) {
                let window = y * width + column.saturating_sub(1)..y * width + (column + 2).min(width);
                for (at, value) in window.clone().zip(&x[window]) {
                    // NaN wins and stays.
                    if *value > *best || (value.is_nan() && !best.is_nan()) {
                        (*best, *winner) = (*value, at as u32);
                    }
                }
            }
        }
    }
}

#[derive(Debug)]
struct PoolBackward;

impl Backward<Flex, 1> for PoolBackward {
    type State = (Maps, Vec<u32>, [usize; 4]);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [node] = ops.parents;
        let (maps, winners, shape) = ops.state;
        let outgoing = grads.consume::<Flex>(&ops.node).to_contiguous();
        let Some(node) = node else { return };
        let (area_in, area) = (maps.input[0] * maps.input[1], maps.output[0] * maps.output[1]);
        let mut gradient = vec![0.0f32; shape.iter().product()];
        let sources = values(&outgoing).par_chunks(area).zip(winners.par_chunks(area));
        gradient.par_chunks_mut(area_in).zip(sources).for_each(|(gradient, (outgoing, winners))| {
            outgoing.iter().zip(winners).for_each(|(g, at)| gradient[*at as usize] += g);
        });
        grads.register::<Flex>(node.id, tensor(gradient, shape));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn output_and_gradient_equal_burns_own() {
        let device = Device::flex().autodiff();
        for shape in [[2, 3, 8, 10], [1, 2, 7, 5], [1, 1, 1, 1]] {
            let x = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device).require_grad();
            let ours = max_pool_stem(x.clone());
            let options = MaxPoolOptions::new([SIDE; 2]).with_stride([2; 2]).with_padding([1; 2]);
            let theirs = module::max_pool2d(x.clone(), options);
            assert_eq!(ours.dims(), theirs.dims());
            let slope = Tensor::random(ours.dims(), Distribution::Default, &device);
            let our_grads = (ours.clone() * slope.clone()).sum().backward();
            let their_grads = (theirs.clone() * slope).sum().backward();
            assert_eq!(ours.into_data(), theirs.into_data());
            assert_eq!(x.grad(&our_grads).unwrap().into_data(), x.grad(&their_grads).unwrap().into_data());
        }
    }
}
