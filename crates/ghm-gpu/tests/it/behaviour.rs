//! What is not finite, what repeats, and what backward does.

use burn::tensor::{Tensor, TensorData};
use ghm_gpu::DeviceDensity;
use ghm_loss::{BACKGROUND, IGNORED};

use crate::device::on_each_device;
use crate::fixture::{Call, Outcome, RELEASED, densities};

#[test]
fn ignored_rows_add_nothing_whatever_they_hold() {
    on_each_device(|device| {
        let mut call = Call::random(1, 200, 4, 5.0, 30);
        let clean = call.clone();
        for (row, logits) in call.rows.iter().zip(call.logits.chunks_mut(4)) {
            if *row == IGNORED {
                logits.copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN]);
            }
        }
        assert!(call.logits.iter().any(|x| x.is_nan()));
        let [found, expected] = [&call, &clean].map(|call| call.on(device, &mut densities(RELEASED, device).1, 1.0));
        assert!(found.bits() == expected.bits());
        assert!(found.value.is_finite());
    });
}

#[test]
fn a_nan_that_takes_part_shows_in_the_value_and_its_own_gradient_and_is_not_counted() {
    on_each_device(|device| {
        for place in [0, 5, 799] {
            let mut call = Call::random(2, 200, 4, 5.0, 30);
            call.rows[place / 4] = BACKGROUND;
            call.logits[place] = f32::NAN;
            let (mut plain, mut ours) = densities(RELEASED, device);
            let (found, expected) = (call.on(device, &mut ours, 1.0), call.on_host(&mut plain, 1.0));
            assert!(found.value.is_nan() && expected.value.is_nan());
            for (index, (entry, expected)) in found.gradient.iter().zip(&expected.gradient).enumerate() {
                assert_eq!(entry.is_nan(), index == place, "{index}");
                assert_eq!(expected.is_nan(), index == place, "{index}");
            }
            let counts = ours.to_plain().unwrap();
            assert_eq!(counts.counts(), plain.counts());
            assert_eq!(counts.counts().iter().sum::<f64>() * 4.0, examples(&call) as f64 - 1.0);
        }
    });
}

fn examples(call: &Call) -> usize {
    call.rows.iter().filter(|row| **row != IGNORED).count() * call.classes
}

#[test]
fn an_infinite_logit_that_takes_part_makes_the_value_nan() {
    on_each_device(|device| {
        for x in [f32::INFINITY, f32::NEG_INFINITY] {
            let call = Call { logits: vec![0.5, x], rows: vec![0], classes: 2 };
            assert!(call.on(device, &mut densities(RELEASED, device).1, 1.0).value.is_nan());
        }
    });
}

#[test]
fn a_class_index_that_is_none_makes_the_value_nan() {
    on_each_device(|device| {
        for row in [-3, 3, i32::MAX, i32::MIN] {
            let call = Call { logits: vec![0.5; 6], rows: vec![0, row], classes: 3 };
            let found = call.on(device, &mut densities(RELEASED, device).1, 1.0);
            assert!(found.value.is_nan(), "{row}");
            assert!(found.gradient[..3].iter().all(|entry| entry.is_finite()), "{row}");
        }
    });
}

#[test]
fn a_dense_target_outside_the_unit_interval_makes_the_value_nan_unless_gated() {
    on_each_device(|device| {
        let tensor = |values: [f32; 3]| Tensor::<1>::from_data(TensorData::from(values), device);
        let logits = tensor([0.5, -0.5, 1.0]);
        for target in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
            let value = |gate: f32| {
                let (targets, gates) = (tensor([0.0, target, 1.0]), tensor([1.0, gate, 1.0]));
                let mut density = densities(RELEASED, device).1;
                let value = ghm_gpu::ghm_c_dense(logits.clone(), targets, Some(gates), &mut density, 1.0).unwrap();
                value.into_scalar::<f32>()
            };
            assert!(value(1.0).is_nan(), "{target}");
            assert!(value(0.0).is_finite(), "{target}");
        }
    });
}

#[test]
fn a_difference_whose_square_is_no_number_makes_the_value_of_ghm_r_nan() {
    on_each_device(|device| {
        let tensor = |values: [f32; 2]| Tensor::<1>::from_data(TensorData::from(values), device);
        for x in [f32::NAN, 1e25, f32::INFINITY] {
            let mut density = densities(RELEASED, device).1;
            let (predictions, targets) = (tensor([x, 0.3]), tensor([0.0, 0.0]));
            let value = ghm_gpu::ghm_r(predictions, targets, None, 0.02, &mut density, 1.0).unwrap();
            assert!(value.into_scalar::<f32>().is_nan(), "{x}");
        }
    });
}

#[test]
fn the_same_call_gives_the_same_bits_every_time() {
    on_each_device(|device| {
        let call = Call::random(3, 40_000, 8, 6.0, 30);
        let run = || {
            let mut density = DeviceDensity::new(RELEASED, device).unwrap();
            let first = call.on(device, &mut density, 1.0).bits();
            (first, call.on(device, &mut density, 1.0).bits(), density.to_plain().unwrap())
        };
        let expected = run();
        for _ in 0..4 {
            assert!(run() == expected);
        }
    });
}

#[test]
fn backward_multiplies_the_gradient_by_what_comes_from_above() {
    on_each_device(|device| {
        let call = Call::random(5, 60, 6, 4.0, 30);
        let expected = call.on(device, &mut densities(RELEASED, device).1, 1.0);
        let (logits, rows) = call.tensors(&device.clone().autodiff());
        // The leaf lies behind the logits, and the loss is one term of several.
        let leaf = logits.clone().mul_scalar(0.5).require_grad();
        let value = ghm_gpu::ghm_c(leaf.clone() * 2.0, rows, &mut densities(RELEASED, device).1, 1.0).unwrap();
        let total = value * -3.0 + leaf.clone().sum() * 0.25;
        let found = Outcome::of(total, &leaf);
        let largest = expected.gradient.iter().fold(0.0f32, |most, entry| most.max(entry.abs()));
        for (entry, gradient) in found.gradient.iter().zip(&expected.gradient) {
            let expected = -6.0 * gradient + 0.25;
            // One rounding for each of the three operations.
            assert!((entry - expected).abs() <= 1e-6 * (6.0 * largest + 0.25), "{entry}, expected {expected}");
        }
    });
}

#[test]
fn without_autodiff_the_value_is_the_same() {
    on_each_device(|device| {
        let call = Call::random(6, 60, 6, 4.0, 30);
        let expected = call.on(device, &mut densities(RELEASED, device).1, 1.0);
        let (logits, rows) = call.tensors(device);
        let value = ghm_gpu::ghm_c(logits, rows, &mut densities(RELEASED, device).1, 1.0).unwrap();
        assert_eq!(value.into_scalar::<f32>().to_bits(), expected.value.to_bits());
    });
}

#[test]
fn logits_with_gaps_between_their_elements_are_read_where_they_are() {
    on_each_device(|device| {
        let call = Call::random(7, 48, 48, 4.0, 30);
        let (logits, rows) = call.tensors(&device.clone().autodiff());
        let mut mirrored = call.clone();
        for (index, x) in mirrored.logits.iter_mut().enumerate() {
            *x = call.logits[index % 48 * 48 + index / 48];
        }
        let mut expected = mirrored.on_host(&mut densities(RELEASED, device).0, 1.0);
        expected.gradient = (0..48 * 48).map(|index| expected.gradient[index % 48 * 48 + index / 48]).collect();
        let leaf = logits.require_grad();
        let mut density = densities(RELEASED, device).1;
        let value = ghm_gpu::ghm_c(leaf.clone().transpose(), rows, &mut density, 1.0).unwrap();
        Outcome::of(value, &leaf).assert_close(&expected, "transposed");
    });
}
