//! Logits and gradients of f16 and bf16.

use ghm_loss::{Examples, Kind, LossConfig, Output, Real, Targets, cross_entropy};
use half::{bf16, f16};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::family::{CLASSES, Number, width};

const COUNT: usize = 1_400;

/// Value, losses and gradient of two calls of one loss.
fn twice<T: Number>(config: &LossConfig, values: &[T], targets: Targets) -> Vec<(f64, Vec<f32>, Vec<T>)> {
    let mut loss = config.clone().init().unwrap();
    let weights: Vec<f32> = (0..COUNT).map(|at| [0.0, 0.3, 1.0, 2.5][at % 4]).collect();
    let call = |_| {
        let (mut gradient, mut losses) = (vec![T::default(); values.len()], vec![f32::NAN; COUNT]);
        let output = Output::to(&mut gradient).scaled(300.0).each(&mut losses);
        let value = loss.forward(&Examples::new(values, targets).weighted(&weights), output).unwrap();
        (value, losses, gradient)
    };
    (0..2).map(call).collect()
}

fn assert_same_as_f32<T: Number>(seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for config in LossConfig::defaults() {
        let (name, width) = (config.name(), width(&config));
        let values: Vec<T> = (0..COUNT * width).map(|_| T::of(random.random_range(-4.0..4.0))).collect();
        let rows: Vec<i32> = (0..COUNT).map(|_| random.random_range(0..CLASSES as i32)).collect();
        let hard: Vec<f32> = rows.iter().map(|&row| f32::from(row == 0)).collect();
        let unit = [-1.0, -1.0, 1.0, 1.0].repeat(COUNT);
        let targets = match config.kind() {
            Kind::Rows => Targets::ClassIndex { rows: &rows, classes: CLASSES },
            Kind::Boxes => Targets::Dense(&unit),
            Kind::Elements | Kind::Differences => Targets::Dense(&hard),
        };
        let wide: Vec<f32> = values.iter().map(|value| value.wide()).collect();
        for (found, expected) in twice(&config, &values, targets).iter().zip(twice(&config, &wide, targets)) {
            assert_eq!(found.0, expected.0, "{name}");
            assert!(found.1 == expected.1, "{name}");
            let rounded: Vec<T> = expected.2.iter().map(|&entry| T::of(entry)).collect();
            assert!(found.2 == rounded, "{name}");
            assert!(rounded.iter().any(|&entry| entry != T::default()), "{name}");
        }
    }
}

#[test]
fn f16_has_the_value_and_losses_of_its_logits_in_f32_and_their_gradient_rounded_once() {
    assert_same_as_f32::<f16>(1);
}

#[test]
fn bf16_has_the_value_and_losses_of_its_logits_in_f32_and_their_gradient_rounded_once() {
    assert_same_as_f32::<bf16>(2);
}

#[test]
fn a_gradient_beyond_the_type_is_its_largest_number_and_below_it_0() {
    fn gradient<T: Real>(logit: T, scale: f32) -> [T; 2] {
        let (logits, mut gradient) = ([logit; 2], [T::default(); 2]);
        let examples = Examples::new(&logits, Targets::Dense(&[0.0, 1.0]));
        cross_entropy(&examples, Output::to(&mut gradient).scaled(scale)).unwrap();
        gradient
    }
    assert_eq!(gradient(f16::ZERO, 1e6), [f16::MAX, f16::MIN]);
    assert_eq!(gradient(f16::ZERO, 1e-8), [f16::ZERO, f16::ZERO]);
    // 3e38 of f32's 3.4e38 is within bf16, whose largest number is 3.39e38.
    assert_eq!(gradient(bf16::ZERO, 3e38), [7.5e37, -7.5e37].map(bf16::from_f32));
    assert_eq!(gradient(bf16::from_f32(40.0), f32::MAX)[0], bf16::from_f32(f32::MAX / 2.0));
}
