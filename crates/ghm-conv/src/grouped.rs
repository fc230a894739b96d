//! Convolution in groups of channels (Xie et al. 2017): each group of each picture is a convolution by itself, whose
//! channels lie together.

use rayon::prelude::*;

use crate::geometry::Geometry;
use crate::kernel::{self, BackwardInput, ConvGradients, Finish, Wanted};

impl Geometry {
    /// One group of one picture.
    fn part(&self) -> Self {
        let (channels_in, channels_out) = (self.channels_in / self.groups, self.channels_out / self.groups);
        Self { batch: 1, channels_in, channels_out, groups: 1, ..*self }
    }
}

/// The convolution, as [`kernel::forward`].
pub(crate) fn forward(g: &Geometry, x: &[f32], weight: &[f32], finish: Finish) -> Vec<f32> {
    let part = g.part();
    let mut y = vec![0.0f32; g.batch * g.output_len()];
    let outputs = y.par_chunks_mut(part.output_len().max(1)).enumerate();
    outputs.for_each(|(index, y)| {
        let group = index % g.groups;
        let finish = Finish {
            scale: finish.scale.map(|scale| chunk(scale, group, part.channels_out)),
            bias: finish.bias.map(|bias| chunk(bias, group, part.channels_out)),
            residual: finish.residual.map(|residual| chunk(residual, index, part.output_len())),
            activation: finish.activation,
        };
        let x = chunk(x, index, part.input_len());
        let weight = chunk(weight, group, part.channels_out * part.depth());
        y.copy_from_slice(&kernel::forward(&part, x, weight, finish));
    });
    y
}

/// Both gradients, as [`kernel::backward`]; those of the weights are summed over pictures in their order.
pub(crate) fn backward(g: &Geometry, input: BackwardInput, wanted: Wanted) -> ConvGradients {
    let part = g.part();
    let of_group = |group: usize| {
        let of_picture = |picture: usize| {
            let index = picture * g.groups + group;
            let input = BackwardInput {
                x: chunk(input.x, index, part.input_len()),
                weight: chunk(input.weight, group, part.channels_out * part.depth()),
                scale: input.scale.map(|scale| chunk(scale, group, part.channels_out)),
                y_gradient: chunk(input.y_gradient, index, part.output_len()),
            };
            kernel::backward(&part, input, wanted)
        };
        let (mut x, mut weight) = (Vec::with_capacity(g.batch), Vec::<f32>::new());
        for picture in 0..g.batch {
            let gradients = of_picture(picture);
            x.push(gradients.x);
            match weight.is_empty() {
                true => weight = gradients.weight,
                false => weight.iter_mut().zip(&gradients.weight).for_each(|(sum, own)| *sum += own),
            }
        }
        (x, weight)
    };
    let groups: Vec<(Vec<Vec<f32>>, Vec<f32>)> = (0..g.groups).into_par_iter().map(of_group).collect();
    let mut gradients = ConvGradients::default();
    if wanted.weight {
        gradients.weight = groups.iter().flat_map(|(_, weight)| weight).copied().collect();
    }
    if wanted.x {
        let pictures = (0..g.batch).flat_map(|picture| groups.iter().flat_map(move |(x, _)| &x[picture]));
        gradients.x = pictures.copied().collect();
    }
    gradients
}

fn chunk(values: &[f32], index: usize, length: usize) -> &[f32] {
    &values[index * length..(index + 1) * length]
}
