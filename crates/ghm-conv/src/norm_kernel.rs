//! Batch norm in training over slices, with its residual and ReLU, threads over channels.

use rayon::prelude::*;

use crate::geometry::Activation;
use crate::relu::relu;

/// Sizes of a batch of maps: `N` pictures, `C` channels, `area = H * W`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maps {
    /// Pictures.
    pub batch: usize,
    /// Channels.
    pub channels: usize,
    /// Elements of one channel of one picture.
    pub area: usize,
}

/// Statistics of one channel over the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChannelStatistics {
    /// Mean.
    pub mean: f32,
    /// Biased variance.
    pub variance: f32,
}

impl Maps {
    fn len(&self) -> usize {
        self.batch * self.channels * self.area
    }

    fn plane<'a>(&self, values: &'a [f32], picture: usize, channel: usize) -> &'a [f32] {
        &values[(picture * self.channels + channel) * self.area..][..self.area]
    }

    /// The planes of each channel, picture after picture.
    fn by_channel<'a>(&self, values: &'a mut [f32]) -> Vec<Vec<&'a mut [f32]>> {
        let mut channels: Vec<Vec<&mut [f32]>> = (0..self.channels).map(|_| Vec::with_capacity(self.batch)).collect();
        for (index, plane) in values.chunks_mut(self.area.max(1)).enumerate() {
            channels[index % self.channels].push(plane);
        }
        channels
    }

    fn statistics(&self, x: &[f32], channel: usize) -> ChannelStatistics {
        let count = (self.batch * self.area) as f64;
        let planes = || (0..self.batch).map(|n| self.plane(x, n, channel));
        let mean = planes().map(sum).sum::<f64>() / count;
        let shift = mean as f32;
        let variance = planes().map(|plane| squares(plane, shift)).sum::<f64>() / count;
        ChannelStatistics { mean: shift, variance: variance as f32 }
    }
}

/// Elements summed in single precision before a sum goes on in double.
const RUN: usize = 64;

pub(crate) fn sum(values: &[f32]) -> f64 {
    values.chunks(RUN).map(|run| f64::from(run.iter().sum::<f32>())).sum()
}

pub(crate) fn squares(values: &[f32], shift: f32) -> f64 {
    values.chunks(RUN).map(|run| f64::from(run.iter().map(|v| (v - shift) * (v - shift)).sum::<f32>())).sum()
}

pub(crate) fn products(a: &[f32], b: &[f32]) -> f64 {
    let runs = a.chunks(RUN).zip(b.chunks(RUN));
    runs.map(|(a, b)| f64::from(a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>())).sum()
}

/// What batch norm computes with beside its input.
#[derive(Clone, Copy, Debug)]
pub struct NormInput<'a> {
    /// `[N, C, H, W]`.
    pub x: &'a [f32],
    /// `[C]`.
    pub weight: &'a [f32],
    /// `[C]`.
    pub bias: &'a [f32],
    /// Added before the activation, `[N, C, H, W]`.
    pub residual: Option<&'a [f32]>,
    /// Applied last.
    pub activation: Activation,
    /// Added to the variance.
    pub epsilon: f32,
}

/// `activation(weight * (x - mean) / sqrt(variance + epsilon) + bias + residual)`, and each channel's statistics.
pub fn forward(maps: &Maps, input: NormInput) -> (Vec<f32>, Vec<ChannelStatistics>) {
    let mut y = vec![0.0f32; maps.len()];
    let channels = maps.by_channel(&mut y);
    let statistics = channels.into_par_iter().enumerate().map(|(channel, planes)| {
        let statistics = maps.statistics(input.x, channel);
        let scale = input.weight[channel] / (statistics.variance + input.epsilon).sqrt();
        let shift = input.bias[channel] - statistics.mean * scale;
        for (picture, plane) in planes.into_iter().enumerate() {
            let x = maps.plane(input.x, picture, channel);
            plane.iter_mut().zip(x).for_each(|(y, x)| *y = x * scale + shift);
            if let Some(residual) = input.residual {
                plane.iter_mut().zip(maps.plane(residual, picture, channel)).for_each(|(y, r)| *y += r);
            }
            if input.activation == Activation::Relu {
                plane.iter_mut().for_each(relu);
            }
        }
        statistics
    });
    let statistics = statistics.collect();
    (y, statistics)
}

/// Gradients of batch norm in training.
#[derive(Clone, Debug, Default)]
pub struct NormGradients {
    /// `[N, C, H, W]`.
    pub x: Vec<f32>,
    /// `[C]`.
    pub weight: Vec<f32>,
    /// `[C]`.
    pub bias: Vec<f32>,
}

/// Gradients through the batch's own statistics (Ioffe and Szegedy 2015, section 3), from the gradient `outgoing`
/// before the activation.
pub fn backward(
    maps: &Maps,
    x: &[f32],
    weight: &[f32],
    (statistics, epsilon): (&[ChannelStatistics], f32),
    outgoing: &[f32],
) -> NormGradients {
    let mut x_gradient = vec![0.0f32; maps.len()];
    let count = (maps.batch * maps.area) as f64;
    let channels = maps.by_channel(&mut x_gradient);
    let of_channels = channels.into_par_iter().enumerate().map(|(channel, planes)| {
        let ChannelStatistics { mean, variance } = statistics[channel];
        let inverse = 1.0 / (variance + epsilon).sqrt();
        let pairs = || (0..maps.batch).map(|n| (maps.plane(x, n, channel), maps.plane(outgoing, n, channel)));
        let bias = pairs().map(|(_, g)| sum(g)).sum::<f64>();
        let along = pairs().map(|(x, g)| products(x, g)).sum::<f64>();
        let weight_gradient = (along - f64::from(mean) * bias) * f64::from(inverse);
        // dx = weight * inverse * (g - bias / n - normalised * weight_gradient / n) = a * g + b * x + c
        let a = weight[channel] * inverse;
        let b = (-f64::from(a * inverse) * weight_gradient / count) as f32;
        let c = (-f64::from(a) * bias / count) as f32 - b * mean;
        for (plane, (x, g)) in planes.into_iter().zip(pairs()) {
            plane.iter_mut().zip(x.iter().zip(g)).for_each(|(t, (x, g))| *t = a * g + b * x + c);
        }
        (weight_gradient as f32, bias as f32)
    });
    let (weight, bias) = of_channels.unzip();
    NormGradients { x: x_gradient, weight, bias }
}
