//! Every loss in one shape, for tests that run over all of them: slices, a scale, and a gradient to write.
//!
//! The weights of a harmonised loss are its gates, and it is a mean; the others are weighted sums.

use ghm_loss::{
    BalancedCrossEntropyConfig, BalancedL1Config, Density, Examples, FocalConfig, LossError, OhemConfig, Output,
    QualityFocalConfig, Reduction, Targets, VarifocalConfig,
};

type Weights<'a> = Option<&'a [f32]>;

fn gated<'a>(values: &'a [f32], targets: Targets<'a>, gates: Weights<'a>) -> Examples<'a> {
    let examples = Examples::new(values, targets);
    gates.map_or(examples, |gates| examples.gated(gates))
}

fn weighted<'a>(values: &'a [f32], targets: Targets<'a>, weights: Weights<'a>) -> Examples<'a> {
    let examples = Examples::new(values, targets);
    weights.map_or(examples, |weights| examples.weighted(weights))
}

fn mean(scale: f32, gradient: &mut [f32]) -> Output<'_> {
    Output::to(gradient).scaled(scale)
}

fn sum(scale: f32, gradient: &mut [f32]) -> Output<'_> {
    mean(scale, gradient).reduced(Reduction::Sum)
}

pub fn ghm_c<'d>(
    x: &[f32],
    t: Targets,
    weights: Weights,
    density: impl Into<Density<'d>>,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    ghm_loss::ghm_c(&gated(x, t, weights), density, mean(scale, gradient))
}

pub fn ghm_r<'d>(
    x: &[f32],
    t: &[f32],
    weights: Weights,
    mu: f32,
    density: impl Into<Density<'d>>,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    ghm_loss::ghm_r(&gated(x, Targets::Dense(t), weights), mu, density, mean(scale, gradient))
}

pub fn cross_entropy(
    x: &[f32],
    t: Targets,
    weights: Weights,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    ghm_loss::cross_entropy(&weighted(x, t, weights), sum(scale, gradient))
}

pub fn focal(
    x: &[f32],
    t: Targets,
    weights: Weights,
    config: FocalConfig,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    ghm_loss::focal(&weighted(x, t, weights), config, sum(scale, gradient))
}

pub fn balanced_cross_entropy(
    x: &[f32],
    t: Targets,
    weights: Weights,
    config: &BalancedCrossEntropyConfig,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    ghm_loss::balanced_cross_entropy(&weighted(x, t, weights), config, sum(scale, gradient))
}

pub fn ohem(
    x: &[f32],
    t: Targets,
    weights: Weights,
    config: OhemConfig,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    ghm_loss::ohem(&weighted(x, t, weights), config, sum(scale, gradient))
}

pub fn quality_focal(
    x: &[f32],
    t: Targets,
    weights: Weights,
    config: QualityFocalConfig,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    ghm_loss::quality_focal(&weighted(x, t, weights), config, sum(scale, gradient))
}

pub fn varifocal(
    x: &[f32],
    t: Targets,
    weights: Weights,
    config: VarifocalConfig,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    ghm_loss::varifocal(&weighted(x, t, weights), config, sum(scale, gradient))
}

pub fn asl1(
    x: &[f32],
    t: &[f32],
    weights: Weights,
    mu: f32,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    ghm_loss::asl1(&weighted(x, Targets::Dense(t), weights), mu, sum(scale, gradient))
}

pub fn smooth_l1(
    x: &[f32],
    t: &[f32],
    weights: Weights,
    beta: f32,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    ghm_loss::smooth_l1(&weighted(x, Targets::Dense(t), weights), beta, sum(scale, gradient))
}

pub fn l1(x: &[f32], t: &[f32], weights: Weights, scale: f32, gradient: &mut [f32]) -> Result<f64, LossError> {
    ghm_loss::l1(&weighted(x, Targets::Dense(t), weights), sum(scale, gradient))
}

pub fn balanced_l1(
    x: &[f32],
    t: &[f32],
    weights: Weights,
    config: BalancedL1Config,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    ghm_loss::balanced_l1(&weighted(x, Targets::Dense(t), weights), config, sum(scale, gradient))
}

pub fn giou(x: &[f32], t: &[f32], weights: Weights, scale: f32, gradient: &mut [f32]) -> Result<f64, LossError> {
    ghm_loss::giou(&weighted(x, Targets::Dense(t), weights), sum(scale, gradient))
}

pub fn diou(x: &[f32], t: &[f32], weights: Weights, scale: f32, gradient: &mut [f32]) -> Result<f64, LossError> {
    ghm_loss::diou(&weighted(x, Targets::Dense(t), weights), sum(scale, gradient))
}

pub fn ciou(x: &[f32], t: &[f32], weights: Weights, scale: f32, gradient: &mut [f32]) -> Result<f64, LossError> {
    ghm_loss::ciou(&weighted(x, Targets::Dense(t), weights), sum(scale, gradient))
}
