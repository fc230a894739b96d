//! Who takes part and for how much, in every loss; and the losses one by one.

use ghm_loss::{Examples, Kind, LossConfig, Output, Reduction};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::family::{Owned, targets, width};

const COUNT: usize = 900;

/// Examples of ordinary size for a loss.
struct Data {
    config: LossConfig,
    values: Vec<f32>,
    targets: Owned,
}

/// Value, losses, gradient and counts.
type Outcome = (f64, Vec<f32>, Vec<f32>, Option<Vec<f64>>);

impl Data {
    fn of_every_loss(seed: u64) -> Vec<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut data = |config: LossConfig| {
            let mut targets = targets(&config, COUNT, &mut random);
            if let (Owned::Dense(targets), Kind::Differences | Kind::Boxes) = (&mut targets, config.kind()) {
                // Boxes of size 1 to 3, and differences of up to 3.
                let ordinary = |(at, target): (usize, &mut f32)| {
                    *target = if at % 4 < 2 { random.random_range(-1.0..0.0) } else { random.random_range(1.0..2.0) };
                };
                targets.iter_mut().enumerate().for_each(ordinary);
            }
            let values = (0..COUNT * width(&config)).map(|_| random.random_range(-3.0..3.0)).collect();
            Self { config, values, targets }
        };
        LossConfig::defaults().into_iter().map(&mut data).collect()
    }

    fn examples(&self) -> Examples<'_> {
        self.targets.examples(&self.values)
    }

    fn run(&self, examples: &Examples, reduction: Reduction) -> Outcome {
        let (mut gradient, mut losses) = (vec![f32::NAN; self.values.len()], vec![f32::NAN; COUNT]);
        let output = Output::to(&mut gradient).reduced(reduction).scaled(0.7).each(&mut losses);
        let mut loss = self.config.clone().init().unwrap();
        let value = loss.forward(examples, output).unwrap();
        (value, losses, gradient, loss.density().map(|density| density.counts().to_vec()))
    }

    fn is_ohem(&self) -> bool {
        matches!(self.config, LossConfig::Ohem(_))
    }
}

#[test]
fn a_mask_is_a_gate_turned_round_and_how_far_a_gate_is_open_makes_no_difference() {
    let gates: Vec<f32> = (0..COUNT).map(|at| [1.0, 0.0, 1e-30, -2.0, 7.0, f32::NAN][at % 6]).collect();
    let ones: Vec<f32> = gates.iter().map(|&gate| f32::from(gate > 0.0)).collect();
    let mask: Vec<bool> = gates.iter().map(|&gate| gate.is_nan() || gate <= 0.0).collect();
    for data in Data::of_every_loss(1) {
        for reduction in [Reduction::Mean, Reduction::Sum] {
            let gated = data.run(&data.examples().gated(&gates), reduction);
            assert!(gated == data.run(&data.examples().gated(&ones), reduction), "{}", data.config.name());
            assert!(gated == data.run(&data.examples().ignoring(&mask), reduction), "{}", data.config.name());
            assert!(gated.0 > 0.0 && gated != data.run(&data.examples(), reduction), "{}", data.config.name());
        }
    }
}

#[test]
fn a_weight_multiplies_loss_and_gradient_and_leaves_density_and_divisor_alone() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    // Powers of two multiply exactly.
    let weights: Vec<f32> = (0..COUNT).map(|_| [0.0, 0.25, 1.0, 4.0][random.random_range(0..4usize)]).collect();
    for data in Data::of_every_loss(3).into_iter().filter(|data| !data.is_ohem()) {
        for reduction in [Reduction::Mean, Reduction::Sum] {
            let name = data.config.name();
            let (_, losses, gradient, counts) = data.run(&data.examples(), reduction);
            let weighted = data.run(&data.examples().weighted(&weights), reduction);
            assert_eq!(weighted.3, counts, "{name}");
            let width = width(&data.config);
            assert!((0..COUNT).all(|at| weighted.1[at] == weights[at] * losses[at]), "{name}");
            let entries = 0..gradient.len();
            // The gradient of a box is rounded behind the product, and that of a row of logits before.
            let close = |found: f32, expected: f32| (found - expected).abs() <= 2e-7 * expected.abs();
            assert!(entries.into_iter().all(|at| close(weighted.2[at], weights[at / width] * gradient[at])), "{name}");
        }
    }
}

#[test]
fn the_mean_is_the_sum_over_the_number_that_take_part_whatever_they_weigh() {
    let gates: Vec<f32> = (0..COUNT).map(|at| f32::from(at % 3 > 0)).collect();
    let weights: Vec<f32> = (0..COUNT).map(|at| [0.0, 0.5, 2.0, 3.0][at % 4]).collect();
    for data in Data::of_every_loss(4).into_iter().filter(|data| !data.is_ohem()) {
        let examples = data.examples().gated(&gates).weighted(&weights);
        let (mean, sum) = (data.run(&examples, Reduction::Mean), data.run(&examples, Reduction::Sum));
        let count = (COUNT / 3 * 2) as f64;
        let name = data.config.name();
        // The factors of the bins are rounded to f32 with the number of examples and without.
        assert!((mean.0 * count - sum.0).abs() <= 1e-7 * sum.0, "{name}: {}, {}", mean.0, sum.0);
        let close = |(mean, sum): (&f32, &f32)| {
            (f64::from(*mean) * count - f64::from(*sum)).abs() <= 4e-7 * f64::from(sum.abs())
        };
        assert!(mean.1.iter().zip(&sum.1).all(close) && mean.2.iter().zip(&sum.2).all(close), "{name}");
    }
}

#[test]
fn the_losses_one_by_one_sum_to_the_value_in_mean_and_sum() {
    let weights: Vec<f32> = (0..COUNT).map(|at| [0.0, 0.5, 2.0, 3.0][at % 4]).collect();
    for data in Data::of_every_loss(5) {
        for reduction in [Reduction::Mean, Reduction::Sum] {
            let (value, losses, gradient, _) = data.run(&data.examples().weighted(&weights), reduction);
            let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
            // Each is rounded once.
            assert!((sum - value).abs() <= 6e-8 * value, "{}: {sum}, {value}", data.config.name());
            // Without them value and gradient are the same.
            let mut plain = vec![f32::NAN; data.values.len()];
            let output = Output::to(&mut plain).reduced(reduction).scaled(0.7);
            let mut loss = data.config.clone().init().unwrap();
            assert_eq!(loss.forward(&data.examples().weighted(&weights), output), Ok(value));
            assert!(plain == gradient);
        }
    }
}

#[test]
fn the_gradient_entry_is_the_derivative_of_the_own_loss() {
    // One at a time, in losses that look at nothing but the example itself and have no constants in their gradient.
    let step = 1.0f32 / 256.0;
    for data in Data::of_every_loss(6) {
        let name = data.config.name();
        if name.starts_with("ghm") || name.starts_with("softmax_ghm") || ["ohem", "ciou"].contains(&name) {
            continue;
        }
        let (_, _, gradient, _) = data.run(&data.examples(), Reduction::Sum);
        let width = width(&data.config);
        for corner in 0..width {
            let moved = |by: f32| {
                let mut values = data.values.clone();
                values.iter_mut().skip(corner).step_by(width).for_each(|value| *value += by);
                data.run(&data.targets.examples(&values), Reduction::Sum).1
            };
            let (above, below) = (moved(step), moved(-step));
            let far = |&at: &usize| {
                let difference = f64::from(above[at] - below[at]) / f64::from(2.0 * step);
                (f64::from(gradient[at * width + corner]) - difference).abs() > 1e-3
            };
            // At a kink the difference is that of both sides: of differences near 0, and edges that meet.
            let kinks = matches!(data.config.kind(), Kind::Differences | Kind::Boxes);
            let (far, most) = ((0..COUNT).filter(far).count(), if kinks { COUNT / 50 } else { 0 });
            assert!(far <= most, "{name}: {far} of {COUNT}");
        }
    }
}
