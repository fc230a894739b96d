//! The density over several calls: what it counts, how it averages, that it can be saved.

use ghm_loss::{Ema, GradientDensity, Normalise, Targets};
use proptest::prelude::*;

use crate::calls;
use crate::fixture::{dense, density, random_logits, random_rows};

const CLASSES: usize = 6;
const ROWS: usize = 4000;

/// One call of GHM-C on data of its own.
fn call(density: &mut GradientDensity, seed: u64) -> (f64, Vec<f32>) {
    let (logits, rows) = (random_logits(seed, ROWS * CLASSES), random_rows(seed, ROWS, CLASSES));
    let mut gradient = vec![0.0; logits.len()];
    let targets = Targets::ClassIndex { rows: &rows, classes: CLASSES };
    let value = calls::ghm_c(&logits, targets, None, density, 1.0, &mut gradient).unwrap();
    (value, gradient)
}

#[test]
fn the_first_call_of_the_corrected_average_equals_a_call_without_average_bit_for_bit() {
    for normalise in [Normalise::Bins, Normalise::Nonempty] {
        // Powers of two: multiplying a count by 1 - m and dividing by it again is exact.
        for momentum in [0.5, 0.75] {
            let plain = call(&mut density(30, 0.0, normalise, Ema::Released), 1);
            let corrected = call(&mut density(30, momentum, normalise, Ema::Corrected), 1);
            assert_eq!(corrected, plain);
        }
    }
}

#[test]
fn the_first_call_as_released_is_too_large_by_one_over_one_minus_momentum() {
    let (plain, _) = call(&mut density(30, 0.0, Normalise::Nonempty, Ema::Released), 1);
    let (released, _) = call(&mut density(30, 0.75, Normalise::Nonempty, Ema::Released), 1);
    assert!((released - 4.0 * plain).abs() <= 1e-12 * released);
}

#[test]
fn by_the_paper_every_bin_decays_in_a_call_without_examples() {
    let mut density = density(30, 0.75, Normalise::Bins, Ema::Paper);
    call(&mut density, 1);
    let before = density.counts().to_vec();
    assert_eq!(calls::ghm_c(&[], Targets::Dense(&[]), None, &mut density, 1.0, &mut []).unwrap(), 0.0);
    let decayed: Vec<f64> = before.iter().map(|count| 0.75 * count).collect();
    assert_eq!(density.counts(), decayed);
}

#[test]
fn the_counts_of_a_call_are_those_of_its_gradient_norms_and_sum_to_the_elements_that_take_part() {
    let mut density = density(30, 0.0, Normalise::Nonempty, Ema::Released);
    call(&mut density, 1);
    let rows = random_rows(1, ROWS, CLASSES);
    let (targets, weights) = dense(&rows, CLASSES);
    let mut slopes = vec![0.0; targets.len()];
    let logits = random_logits(1, targets.len());
    calls::cross_entropy(&logits, Targets::Dense(&targets), None, 1.0, &mut slopes).unwrap();
    let mut expected = vec![0.0; 30];
    for (slope, weight) in slopes.iter().zip(&weights) {
        expected[density.bin_of(slope.abs())] += f64::from(*weight);
    }
    assert_eq!(density.counts(), expected);
    assert_eq!(density.counts().iter().sum::<f64>(), weights.iter().map(|&weight| f64::from(weight)).sum::<f64>());
}

#[test]
fn every_bin_carries_gradient_norm_in_proportion_to_its_place_however_many_examples_it_holds() {
    let mut density = density(10, 0.0, Normalise::Bins, Ema::Paper);
    let (_, gradient) = call(&mut density, 3);
    let mut slopes = vec![0.0; gradient.len()];
    let (logits, rows) = (random_logits(3, ROWS * CLASSES), random_rows(3, ROWS, CLASSES));
    let targets = Targets::ClassIndex { rows: &rows, classes: CLASSES };
    calls::cross_entropy(&logits, targets, None, 1.0, &mut slopes).unwrap();
    let mut carried = [0.0; 10];
    for (slope, harmonised) in slopes.iter().zip(&gradient) {
        carried[density.bin_of(slope.abs())] += f64::from(harmonised.abs());
    }
    for (bin, carried) in carried.iter().enumerate() {
        // The mean norm of the bin, j/10 to (j + 1)/10, over the number of bins.
        let (low, high) = (bin as f64 / 100.0 - 1e-6, (bin + 1) as f64 / 100.0 + 1e-6);
        assert!((low..=high).contains(carried), "bin {bin} carries {carried}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_density_saved_and_restored_continues_as_if_never_stopped(
        bins in 1usize..100,
        momentum in 0.0f64..0.999,
        before in 0u64..4,
        ema in prop_oneof![Just(Ema::Released), Just(Ema::Paper), Just(Ema::Corrected)],
    ) {
        let mut density = density(bins, momentum, Normalise::Nonempty, ema);
        (0..before).for_each(|seed| drop(call(&mut density, seed)));
        let text = serde_json::to_string(&density).unwrap();
        let mut restored: GradientDensity = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&restored, &density);
        prop_assert_eq!(restored.steps(), before);
        for seed in 10..12 {
            prop_assert_eq!(call(&mut restored, seed), call(&mut density, seed));
        }
        prop_assert_eq!(restored, density);
    }
}
