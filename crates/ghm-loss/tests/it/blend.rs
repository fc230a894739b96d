//! The density that passes from one bin to the next in a straight line.

use ghm_loss::{Between, BinWeights, DensityConfig, Examples, GradientDensity, Normalise, Targets, ghm_c};

const BINS: usize = 8;
const COUNTS: [u64; BINS] = [1000, 10, 500, 40, 7, 7, 90, 3];

fn weights(between: Between, counts: &[u64]) -> BinWeights {
    let config = DensityConfig {
        bins: counts.len(),
        momentum: 0.0,
        normalise: Normalise::Bins,
        between,
        ..DensityConfig::default()
    };
    GradientDensity::new(config).unwrap().update(counts).unwrap()
}

/// The density at gradient norm `norm`: one over the factor. At logit 100 the sigmoid is 1 and the slope 1 less the target,
/// exactly where that can be told apart from 1.
fn density_at(weights: &BinWeights, norm: f32) -> f64 {
    let (targets, mut gradient) = ([1.0 - norm], [0.0]);
    ghm_c(&Examples::new(&[100.0], Targets::Dense(&targets)), weights, &mut gradient).unwrap();
    f64::from(1.0 - targets[0]) / f64::from(gradient[0])
}

/// The grid of norms that one less a target can be.
const STEP: f32 = 1.0 / 16_777_216.0;

/// Three roundings to f32.
const ROUNDING: f64 = 3e-7;

#[test]
fn at_the_middle_of_every_bin_the_blended_density_is_that_of_the_bin() {
    let (blend, step) = (weights(Between::Blend, &COUNTS), weights(Between::Step, &COUNTS));
    for (bin, &count) in COUNTS.iter().enumerate() {
        let middle = (bin as f32 + 0.5) / BINS as f32;
        let (blend, step) = (density_at(&blend, middle), density_at(&step, middle));
        assert!((blend - step).abs() <= ROUNDING * step, "bin {bin}: {blend}, {step}");
        assert!((step - (count as usize * BINS) as f64).abs() <= ROUNDING * step, "bin {bin}: {step}");
    }
}

#[test]
fn between_two_middles_the_density_lies_on_the_line_between_them() {
    let weights = weights(Between::Blend, &COUNTS);
    for (bin, pair) in COUNTS.windows(2).enumerate() {
        let (low, high) = (pair[0] as f64, pair[1] as f64);
        for quarter in [0.25f32, 0.5, 0.75] {
            let norm = (bin as f32 + 0.5 + quarter) / BINS as f32;
            let expected = BINS as f64 * (low + f64::from(quarter) * (high - low));
            let found = density_at(&weights, norm);
            assert!((found - expected).abs() <= ROUNDING * expected, "{norm}: {found}, expected {expected}");
        }
    }
}

#[test]
fn the_blended_density_does_not_jump_at_edges_or_middles_where_the_stepped_one_does() {
    let (blend, step) = (weights(Between::Blend, &COUNTS), weights(Between::Step, &COUNTS));
    for half in 1..2 * BINS {
        let place = half as f32 / (2 * BINS) as f32;
        let (below, above) = (density_at(&blend, place - STEP), density_at(&blend, place + STEP));
        // Two steps on the steepest line.
        let most = f64::from(2.0 * STEP) * (BINS * BINS) as f64 * 1000.0 + ROUNDING * below;
        assert!((above - below).abs() <= most, "{below} and {above} at {place}");
        let (below, above) = (density_at(&step, place - STEP), density_at(&step, place));
        let edge = half % 2 == 0 && COUNTS[half / 2 - 1] != COUNTS[half / 2];
        assert_eq!((above - below).abs() > most, edge, "{below} and {above} at {place}");
    }
}

#[test]
fn before_the_first_middle_and_behind_the_last_the_density_is_level() {
    let weights = weights(Between::Blend, &COUNTS);
    for (norms, count) in [([STEP, 0.03, 0.0624], COUNTS[0]), ([0.938, 0.97, 1.0], COUNTS[BINS - 1])] {
        for norm in norms {
            let (found, expected) = (density_at(&weights, norm), (count as usize * BINS) as f64);
            assert!((found - expected).abs() <= ROUNDING * expected, "{norm}: {found}, expected {expected}");
        }
    }
}

#[test]
fn the_density_of_a_sparse_bin_keeps_its_digits_beside_a_crowded_one() {
    // 2^-21 of the way from the middle of the sparse bin to that of the crowded one.
    let share = 1.0 / 2_097_152.0;
    let found = density_at(&weights(Between::Blend, &[3_000_000, 1]), 0.75 - share / 2.0);
    let share = f64::from(share);
    let expected = 2.0 * (3e6 * share + (1.0 - share));
    assert!((found - expected).abs() <= ROUNDING * expected, "{found}, expected {expected}");
}
