//! Logits and predictions up to the ends of their type, and those that are not finite.

use ghm_loss::{
    BalancedL1Config, Examples, FocalConfig, LossConfig, Output, QualityFocalConfig, Reduction, Targets,
    VarifocalConfig, balanced_l1, focal, quality_focal, smooth_l1, varifocal,
};
use half::{bf16, f16};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::family::{Number, targets, width};

/// Value, losses one by one and gradient of the first call, with the sum as reduction.
fn forward<T: Number>(config: &LossConfig, examples: &Examples<T>, count: usize) -> (f64, Vec<f32>, Vec<f32>) {
    let (mut gradient, mut losses) = (vec![T::default(); count * width(config)], vec![f32::NAN; count]);
    let output = Output::to(&mut gradient).reduced(Reduction::Sum).each(&mut losses);
    let value = config.clone().init().unwrap().forward(examples, output).unwrap();
    (value, losses, gradient.iter().map(|entry| entry.wide()).collect())
}

fn assert_all_finite<T: Number>(seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for config in LossConfig::defaults() {
        for _ in 0..400 {
            let count = random.random_range(1..20);
            let targets = targets(&config, count, &mut random);
            let values: Vec<T> = (0..count * width(&config)).map(|_| T::any(&mut random)).collect();
            let (value, losses, gradient) = forward(&config, &targets.examples(&values), count);
            let name = config.name();
            assert!(value.is_finite() && value >= 0.0, "{name}: {value} of {values:?}");
            assert!(losses.iter().all(|loss| loss.is_finite()), "{name}: {losses:?} of {values:?}");
            assert!(gradient.iter().all(|entry| entry.is_finite()), "{name}: {gradient:?} of {values:?}");
        }
    }
}

#[test]
fn any_finite_f32_has_a_finite_value_finite_losses_and_a_finite_gradient() {
    assert_all_finite::<f32>(1);
}

#[test]
fn any_finite_f16_has_a_finite_value_finite_losses_and_a_finite_gradient() {
    assert_all_finite::<f16>(2);
}

#[test]
fn any_finite_bf16_has_a_finite_value_finite_losses_and_a_finite_gradient() {
    assert_all_finite::<bf16>(3);
}

/// The NaN stands in the second of three examples; what the others hold is harmless.
fn assert_nan_shows_where_it_takes_part<T: Number>() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for config in LossConfig::defaults() {
        let (name, width) = (config.name(), width(&config));
        let targets = targets(&config, 3, &mut random);
        for at in width..2 * width {
            let mut values: Vec<T> = (0..3 * width).map(|entry| T::of(entry as f32 / 4.0)).collect();
            values[at] = T::of(f32::NAN);
            let examples = targets.examples(&values);
            let (value, losses, gradient) = forward(&config, &examples, 3);
            assert!(value.is_nan() && losses[1].is_nan(), "{name}: {value}, {losses:?}");
            assert!(gradient[at].is_nan(), "{name}: {gradient:?}");
            let (gates, mask) = ([1.0, 0.0, 1.0], [false, true, false]);
            for examples in [examples.gated(&gates), examples.ignoring(&mask), examples.weighted(&gates)] {
                let (value, losses, gradient) = forward(&config, &examples, 3);
                assert!(value.is_finite() && losses[1] == 0.0, "{name}: {value}, {losses:?}");
                assert_eq!(gradient[width..2 * width], vec![0.0; width], "{name}");
                assert!(gradient.iter().all(|entry| entry.is_finite()), "{name}: {gradient:?}");
            }
        }
    }
}

#[test]
fn a_nan_shows_in_the_value_of_every_loss_where_it_takes_part_and_nowhere_where_it_does_not() {
    assert_nan_shows_where_it_takes_part::<f32>();
    assert_nan_shows_where_it_takes_part::<f16>();
    assert_nan_shows_where_it_takes_part::<bf16>();
}

#[test]
fn a_weight_that_is_nan_adds_nothing_in_any_loss() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for config in LossConfig::defaults() {
        let (name, width) = (config.name(), width(&config));
        let targets = targets(&config, 3, &mut random);
        let values: Vec<f32> = (0..3 * width).map(|entry| entry as f32 / 4.0).collect();
        for none in [f32::NAN, f32::NEG_INFINITY, -1.0] {
            let with = |none: f32| forward(&config, &targets.examples(&values).weighted(&[1.0, none, 1.0]), 3);
            assert_eq!(with(none), with(0.0), "{name}");
        }
    }
}

/// Logits from where `exp` leaves f32 to the end of the range.
const LARGE: [f32; 7] = [60.0, 87.5, 100.0, 700.0, 1e9, 1e30, 3.4e38];

/// The sigmoid of `x`, one less it, and the cross entropy against `target`, in f64.
fn terms(x: f32, target: f32) -> [f64; 3] {
    let (x, target) = (f64::from(x), f64::from(target));
    let e = (-x.abs()).exp();
    let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
    let (p, q) = if x > 0.0 { (large, small) } else { (small, large) };
    [p, q, if x > 0.0 { x * (1.0 - target) } else { -x * target } + e.ln_1p()]
}

/// Where f32 ends what is nearly 0 is within 1.7e-38 of it, and so is a product of that with anything moderate.
fn assert_close(found: f32, expected: f64, place: &str) {
    let (found, tolerance) = (f64::from(found), 1e-5 * expected.abs() + 1e-36);
    assert!((found - expected).abs() <= tolerance, "{place}: {found}, expected {expected}");
}

#[test]
fn focusing_losses_of_large_logits_have_the_gradient_of_their_formulas() {
    let gamma = 2.0;
    for x in LARGE.into_iter().chain(LARGE.map(|x| -x)) {
        for target in [0.0f32, 1.0, 0.25, 1.0f32.next_down()] {
            let place = format!("logit {x}, target {target}");
            let ([p, q, cross_entropy], t) = (terms(x, target), f64::from(target));
            let (targets, mut gradient) = ([target], [0.0]);
            let (logits, slope) = ([x], (1.0 - t) * p - t * q);
            let examples = Examples::new(&logits, Targets::Dense(&targets));

            focal(&examples, FocalConfig { alpha: 0.25, gamma: 2.0 }, &mut gradient).unwrap();
            let miss = (1.0 - t) * p + t * q;
            let alpha = 0.25 * t + 0.75 * (1.0 - t);
            let bend = gamma * (1.0 - 2.0 * t) * miss * p * q;
            assert_close(gradient[0], alpha * (bend * cross_entropy + miss * miss * slope), &place);

            quality_focal(&examples, QualityFocalConfig { beta: 2.0 }, &mut gradient).unwrap();
            assert_close(gradient[0], gamma * slope * p * q * cross_entropy + slope * slope * slope, &place);

            varifocal(&examples, VarifocalConfig { alpha: 0.75, gamma: 2.0 }, &mut gradient).unwrap();
            let negative = 0.75 * p * p * (gamma * q * cross_entropy + slope);
            assert_close(gradient[0], if target > 0.0 { t * slope } else { negative }, &place);
        }
    }
}

#[test]
fn differences_beyond_the_range_of_f32_count_as_its_largest_number() {
    for (prediction, target, side) in [(3e38f32, -3e38f32, 1.0), (-3e38, 3e38, -1.0)] {
        let (predictions, targets, mut gradient) = ([prediction], [target], [0.0]);
        let examples = Examples::new(&predictions, Targets::Dense(&targets));
        assert_eq!(smooth_l1(&examples, 1.0, &mut gradient).unwrap(), f64::from(f32::MAX));
        assert_eq!(gradient, [side]);
        // Its slope is 1.5 there, and so the loss is larger than any f32.
        let value = balanced_l1(&examples, BalancedL1Config::default(), &mut gradient).unwrap();
        assert_eq!((value, gradient), (f64::from(f32::MAX), [1.5 * side]));
    }
}
