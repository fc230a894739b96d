//! Group norm over slices, with its ReLU, threads over groups (Wu and He 2018).

use rayon::prelude::*;

use crate::geometry::Activation;
use crate::norm_kernel::{ChannelStatistics, Maps, NormGradients, NormInput, products, squares, sum};
use crate::relu::relu;

/// Channels of a picture that are normalised together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Sizes of the batch.
    pub maps: Maps,
    /// Channels of one group; divides the channels.
    pub channels: usize,
}

impl Groups {
    /// Elements of one group of one picture.
    fn len(&self) -> usize {
        (self.channels * self.maps.area).max(1)
    }

    /// The first channel of group `index`, counted through all pictures.
    fn first_channel(&self, index: usize) -> usize {
        index * self.channels % self.maps.channels
    }
}

/// `activation(weight * (x - mean) / sqrt(variance + epsilon) + bias)` with the mean and variance of each picture's
/// groups, and these, picture after picture.
///
/// `input.residual` is not looked at.
pub fn forward(groups: &Groups, input: NormInput) -> (Vec<f32>, Vec<ChannelStatistics>) {
    let mut y = vec![0.0f32; input.x.len()];
    let count = groups.len() as f64;
    let jobs = y.par_chunks_mut(groups.len()).zip(input.x.par_chunks(groups.len())).enumerate();
    let statistics = jobs.map(|(index, (y, x))| {
        let mean = (sum(x) / count) as f32;
        let variance = (squares(x, mean) / count) as f32;
        let inverse = 1.0 / (variance + input.epsilon).sqrt();
        let first = groups.first_channel(index);
        let planes = y.chunks_mut(groups.maps.area.max(1)).zip(x.chunks(groups.maps.area.max(1)));
        for (channel, (y, x)) in planes.enumerate() {
            let scale = input.weight[first + channel] * inverse;
            let shift = input.bias[first + channel] - mean * scale;
            y.iter_mut().zip(x).for_each(|(y, x)| *y = x * scale + shift);
        }
        if input.activation == Activation::Relu {
            y.iter_mut().for_each(relu);
        }
        ChannelStatistics { mean, variance }
    });
    let statistics = statistics.collect();
    (y, statistics)
}

/// Gradients through the groups' own statistics, from the gradient `outgoing` before the activation.
pub fn backward(
    groups: &Groups,
    x: &[f32],
    weight: &[f32],
    (statistics, epsilon): (&[ChannelStatistics], f32),
    outgoing: &[f32],
) -> NormGradients {
    let mut x_gradient = vec![0.0f32; x.len()];
    let area = groups.maps.area.max(1);
    let inputs = x.par_chunks(groups.len()).zip(outgoing.par_chunks(groups.len()));
    let jobs = x_gradient.par_chunks_mut(groups.len()).zip(inputs).enumerate();
    // Of every group: the gradients of its channels' weights and biases.
    let of_groups = jobs.map(|(index, (t, (x, g)))| {
        let ChannelStatistics { mean, variance } = statistics[index];
        let inverse = 1.0 / (variance + epsilon).sqrt();
        let weight = &weight[groups.first_channel(index)..][..groups.channels];
        let planes = || x.chunks(area).zip(g.chunks(area));
        let of_channels: Vec<[f64; 2]> = planes()
            .map(|(x, g)| {
                let bias = sum(g);
                [(products(x, g) - f64::from(mean) * bias) * f64::from(inverse), bias]
            })
            .collect();
        let count = groups.len() as f64;
        let total = |part: usize| weight.iter().zip(&of_channels).map(|(w, c)| f64::from(*w) * c[part]).sum::<f64>();
        let (along, level) = (total(0) / count, total(1) / count);
        // dx = inverse * (weight * g - level - normalised * along) = a * g + b * x + c
        let b = (-f64::from(inverse * inverse) * along) as f32;
        let c = (-f64::from(inverse) * level) as f32 - b * mean;
        for ((t, (x, g)), weight) in t.chunks_mut(area).zip(planes()).zip(weight) {
            let a = weight * inverse;
            t.iter_mut().zip(x.iter().zip(g)).for_each(|(t, (x, g))| *t = a * g + b * x + c);
        }
        of_channels
    });
    let of_groups: Vec<Vec<[f64; 2]>> = of_groups.collect();
    let mut sums = vec![[0.0f64; 2]; groups.maps.channels];
    for (index, channel) in of_groups.iter().flatten().enumerate() {
        let total = &mut sums[index % groups.maps.channels];
        *total = [total[0] + channel[0], total[1] + channel[1]];
    }
    let (weight, bias) = sums.into_iter().map(|[weight, bias]| (weight as f32, bias as f32)).unzip();
    NormGradients { x: x_gradient, weight, bias }
}
