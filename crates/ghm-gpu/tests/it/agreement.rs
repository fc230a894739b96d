//! Values, gradients and counts are those of the plain losses, over several calls.

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use ghm_loss::{DensityConfig, Ema, Examples, IGNORED, Normalise, Output, Targets};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::device::on_each_device;
use crate::fixture::{Call, Outcome, RELEASED, assert_close_to, densities, near_an_edge};

/// Calls of every kind: a crowd, no example at all, few bins filled, logits to 100, a crowd again.
fn calls(bins: usize, classes: usize) -> Vec<Call> {
    let mut calls: Vec<Call> = [4.0, 4.0, 0.3, 100.0, 6.0]
        .into_iter()
        .enumerate()
        .map(|(step, reach)| Call::random(step as u64, 300, classes, reach, bins))
        .collect();
    calls[1].rows.fill(IGNORED);
    calls
}

fn assert_agreement(config: DensityConfig, calls: &[Call], device: &Device) {
    let (mut plain, mut ours) = densities(config, device);
    for (step, call) in calls.iter().enumerate() {
        let what = format!("{config:?}, {} classes, call {step}", call.classes);
        let expected = call.on_host(&mut plain, 0.7);
        call.on(device, &mut ours, 0.7).assert_close(&expected, &what);
        let found = ours.to_plain().unwrap();
        assert_eq!(found.steps(), plain.steps(), "{what}");
        for (bin, (found, expected)) in found.counts().iter().zip(plain.counts()).enumerate() {
            // Counts of some hundred are whole numbers; an average of f32 is a few roundings off.
            let tolerance = if config.momentum > 0.0 { 1e-6 * expected } else { 0.0 };
            assert!((found - expected).abs() <= tolerance, "{what}: bin {bin} has {found}, expected {expected}");
        }
    }
}

#[test]
fn every_average_divisor_and_cap_gives_the_plain_values_and_gradients() {
    on_each_device(|device| {
        let calls = calls(30, 4);
        for ema in [Ema::Released, Ema::Paper, Ema::Corrected] {
            for normalise in [Normalise::Bins, Normalise::Nonempty] {
                for (cap, momentum) in [(None, 0.75), (Some(2.0), 0.75), (None, 0.99), (Some(0.5), 0.0)] {
                    assert_agreement(DensityConfig { momentum, normalise, ema, cap, ..RELEASED }, &calls, device);
                }
            }
        }
    });
}

#[test]
fn any_number_of_bins_gives_the_plain_values_and_gradients() {
    on_each_device(|device| {
        // The last two are beyond the cube's own histogram.
        for bins in [1, 2, 3, 7, 10, 64, 100, 255, 300, 2500, 10_000] {
            assert_agreement(DensityConfig { bins, ..RELEASED }, &calls(bins.min(400), 4)[..2], device);
        }
    });
}

#[test]
fn any_number_of_classes_gives_the_plain_values_and_gradients() {
    on_each_device(|device| {
        // Rows of one, two, four values a load, and more of them than a row has.
        for classes in [1, 2, 3, 6, 12, 80] {
            assert_agreement(RELEASED, &calls(30, classes), device);
        }
    });
}

#[test]
fn more_values_than_the_grid_has_units_give_the_plain_values_and_gradients() {
    on_each_device(|device| {
        // 1024 cubes of 256 units take one value each, and more of them twice.
        let call = Call::random(9, 110_001, 3, 8.0, 30);
        assert_agreement(RELEASED, &[call.clone(), call], device);
    });
}

#[test]
fn logits_of_zero_lie_on_the_edge_in_the_middle_and_belong_above_it() {
    on_each_device(|device| {
        let call = Call { logits: vec![0.0, -0.0, 0.0, 0.0], rows: vec![0, -1], classes: 2 };
        for bins in [2, 10, 30] {
            let config = DensityConfig { bins, momentum: 0.0, ..RELEASED };
            assert_agreement(config, std::slice::from_ref(&call), device);
        }
    });
}

#[test]
fn the_largest_finite_logits_have_finite_terms() {
    on_each_device(|device| {
        let right = Call { logits: vec![1e30, -1e30, -f32::MAX, 3e38], rows: vec![0, 1], classes: 2 };
        assert_agreement(RELEASED, std::slice::from_ref(&right), device);
        let wrong = Call { logits: vec![-1e30, 1e30, 200.0, -90.0, -1e30, 0.1], rows: vec![0, 0, 1], classes: 2 };
        assert_agreement(RELEASED, &[wrong], device);
    });
}

#[test]
fn a_call_without_rows_is_a_call() {
    on_each_device(|device| {
        let config = DensityConfig { ema: Ema::Paper, ..RELEASED };
        let (mut plain, mut ours) = densities(config, device);
        let crowd = Call::random(1, 50, 4, 4.0, 30);
        let nothing = Call { logits: vec![], rows: vec![], classes: 4 };
        for call in [&crowd, &nothing, &crowd] {
            let expected = call.on_host(&mut plain, 1.0);
            let (logits, rows) = call.tensors(device);
            let value = ghm_gpu::ghm_c(logits, rows, &mut ours, 1.0).unwrap().into_scalar::<f32>();
            assert!((value - expected.value).abs() <= 1e-5 * expected.value);
        }
    });
}

/// Random numbers, of which `bins` tells which to avoid: `g` is the gradient norm of a number and its target.
fn pairs(seed: u64, count: usize, bins: usize, g: impl Fn(f64, f64) -> f64) -> (Vec<f32>, Vec<f32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let pair = |_| {
        let (mut x, t) = (rng.random_range(-4.0f32..4.0), rng.random_range(0.0f32..1.0));
        while near_an_edge(g(x.into(), t.into()), bins) {
            x += 0.01;
        }
        (x, t)
    };
    (0..count).map(pair).unzip()
}

fn gates(seed: u64, count: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let kinds = [0.0, -0.0, -1.0, f32::NAN, 0.3, 1.0, f32::INFINITY];
    (0..count).map(|_| kinds[rng.random_range(0..kinds.len())]).collect()
}

fn gated_by<'a>(examples: Examples<'a>, gates: Option<&'a [f32]>) -> Examples<'a> {
    gates.map_or(examples, |gates| examples.gated(gates))
}

fn flat(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

#[test]
fn dense_targets_give_the_plain_values_and_gradients_with_and_without_gates() {
    on_each_device(|device| {
        let tracked = device.clone().autodiff();
        for (count, gated) in [(1200, false), (1201, true), (1202, true)] {
            let (mut plain, mut ours) = densities(RELEASED, device);
            for seed in 0..3 {
                let (x, t) = pairs(seed, count, 30, |x, t| (1.0 / (1.0 + (-x).exp()) - t).abs());
                let gate = gated.then(|| gates(seed, count));
                let mut gradient = vec![0.0; count];
                let targets = Targets::Dense(&t);
                let examples = gated_by(Examples::new(&x, targets), gate.as_deref());
                let output = Output::to(&mut gradient).scaled(2.0);
                let value = ghm_loss::ghm_c(&examples, &mut plain, output).unwrap();
                let values = flat(&x, &tracked).require_grad();
                let (targets, gate) = (flat(&t, device), gate.map(|gate| flat(&gate, device)));
                let found = ghm_gpu::ghm_c_dense(values.clone(), targets, gate, &mut ours, 2.0).unwrap();
                let plain = Outcome { value: value as f32, gradient };
                Outcome::of(found, &values).assert_close(&plain, &format!("{count}, gated {gated}, call {seed}"));
            }
        }
    });
}

#[test]
fn ghm_r_gives_the_plain_values_and_gradients_with_and_without_gates() {
    on_each_device(|device| {
        let tracked = device.clone().autodiff();
        let config = DensityConfig { bins: 10, momentum: 0.7, ..RELEASED };
        for (count, gated, mu) in [(1200, false, 0.02f32), (1201, true, 0.02), (1202, true, 1.5)] {
            let (mut plain, mut ours) = densities(config, device);
            for seed in 0..3 {
                let norm = |x: f64, t: f64| (x - t).abs() / ((x - t).powi(2) + f64::from(mu).powi(2)).sqrt();
                let (x, t) = pairs(seed, count, 10, norm);
                let gate = gated.then(|| gates(seed, count));
                let mut gradient = vec![0.0; count];
                let examples = gated_by(Examples::new(&x, Targets::Dense(&t)), gate.as_deref());
                let output = Output::to(&mut gradient).scaled(10.0);
                let value = ghm_loss::ghm_r(&examples, mu, &mut plain, output).unwrap();
                let values = flat(&x, &tracked).require_grad();
                let (targets, gate) = (flat(&t, device), gate.map(|gate| flat(&gate, device)));
                let found = ghm_gpu::ghm_r(values.clone(), targets, gate, mu, &mut ours, 10.0).unwrap();
                let plain = Outcome { value: value as f32, gradient };
                Outcome::of(found, &values).assert_close(&plain, &format!("{count}, gated {gated}, call {seed}"));
            }
        }
    });
}

#[test]
fn half_precision_logits_give_the_values_of_what_they_are_rounded_to() {
    on_each_device(|device| {
        for dtype in [FloatDType::F16, FloatDType::BF16] {
            if !device.supports_dtype(dtype) {
                continue;
            }
            let mut call = Call::random(4, 400, 8, 5.0, 30);
            let (logits, rows) = call.tensors(&device.clone().autodiff());
            let logits = logits.cast(dtype).require_grad();
            call.logits = logits.clone().into_data().convert::<f32>().try_into_vec::<f32>().unwrap();
            let (mut plain, mut ours) = densities(RELEASED, device);
            let found = ghm_gpu::ghm_c(logits.clone(), rows, &mut ours, 1.0).unwrap();
            let found = Outcome::of(found, &logits);
            let expected = call.on_host(&mut plain, 1.0);
            // Gradients are rounded to 11 or 8 bits.
            assert_close_to(&found, &expected, 4e-3, &format!("{dtype:?}"));
            assert!((found.value - expected.value).abs() <= 1e-5 * expected.value);
        }
    });
}
