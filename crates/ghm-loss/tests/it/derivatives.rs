//! Gradients against central differences of the values.

use ghm_loss::{
    BalancedCrossEntropyConfig, BalancedL1Config, Ema, ExactDensity, FocalConfig, Normalise, OhemConfig,
    QualityFocalConfig, Targets, VarifocalConfig,
};
use proptest::prelude::*;

use crate::calls;
use crate::fixture::density;

/// Wide enough that the rounding of an f32 loss (6e-8 of it) is small against the difference, narrow enough that the
/// third derivative, at most 6 or so of each loss here, leaves an error of `6 STEP^2 / 6`, which is 2.4e-4.
const STEP: f32 = 1.0 / 64.0;

/// The gradient of one element by central differences of `value_at`.
fn difference(at: f32, value_at: impl Fn(f32) -> f64) -> f64 {
    let (above, below) = (at + STEP, at - STEP);
    (value_at(above) - value_at(below)) / (f64::from(above) - f64::from(below))
}

fn assert_agree(gradient: f32, difference: f64) -> Result<(), TestCaseError> {
    let gradient = f64::from(gradient);
    prop_assert!((gradient - difference).abs() < 1e-3, "gradient {}, by differences {}", gradient, difference);
    Ok(())
}

fn any_target() -> impl Strategy<Value = f32> {
    prop_oneof![Just(0.0f32), Just(1.0f32), 0.0f32..=1.0]
}

proptest! {
    #[test]
    fn cross_entropy_and_focal_have_the_gradient_of_their_value(
        logit in -10.0f32..10.0,
        target in any_target(),
        weight in 0.1f32..2.0,
        alpha in 0.0f32..=1.0,
        gamma in prop_oneof![Just(2.0f32), Just(0.0), 1.0f32..4.0],
    ) {
        let (targets, weights, config) = ([target], [weight], FocalConfig { alpha, gamma });
        let mut gradient = [0.0];
        let cross_entropy = |logit: f32, gradient: &mut [f32]| {
            calls::cross_entropy(&[logit], Targets::Dense(&targets), Some(&weights), 0.5, gradient).unwrap()
        };
        let focal = |logit: f32, gradient: &mut [f32]| {
            calls::focal(&[logit], Targets::Dense(&targets), Some(&weights), config, 0.5, gradient).unwrap()
        };
        cross_entropy(logit, &mut gradient);
        assert_agree(gradient[0], difference(logit, |logit| cross_entropy(logit, &mut [0.0])))?;
        focal(logit, &mut gradient);
        assert_agree(gradient[0], difference(logit, |logit| focal(logit, &mut [0.0])))?;
    }

    #[test]
    fn balanced_quality_focal_and_varifocal_losses_have_the_gradient_of_their_value(
        logit in -10.0f32..10.0,
        target in any_target(),
        weight in 0.1f32..2.0,
        alpha in 0.0f32..=1.0,
        exponent in prop_oneof![Just(2.0f32), Just(0.0), 1.0f32..4.0],
    ) {
        // Below 2 the power of `|t - sigmoid(x)|` has a kink, or nearly one, where the two meet.
        let miss = (target - 1.0 / (1.0 + (-logit).exp())).abs();
        prop_assume!(exponent == 0.0 || exponent >= 2.0 || target == 0.0 || target == 1.0 || miss > 0.05);
        let (targets, weights) = ([target], [weight]);
        let (dense, weights) = (Targets::Dense(&targets), Some(weights.as_slice()));
        let balanced = BalancedCrossEntropyConfig { alpha, class_weights: Some(vec![1.5]) };
        let (quality, varifocal) = (QualityFocalConfig { beta: exponent }, VarifocalConfig { alpha, gamma: exponent });
        type Loss<'a> = &'a dyn Fn(&[f32], &mut [f32]) -> f64;
        let losses: [Loss; 3] = [
            &|x, gradient| calls::balanced_cross_entropy(x, dense, weights, &balanced, 0.5, gradient).unwrap(),
            &|x, gradient| calls::quality_focal(x, dense, weights, quality, 0.5, gradient).unwrap(),
            &|x, gradient| calls::varifocal(x, dense, weights, varifocal, 0.5, gradient).unwrap(),
        ];
        for loss in losses {
            let mut gradient = [0.0];
            loss(&[logit], &mut gradient);
            assert_agree(gradient[0], difference(logit, |logit| loss(&[logit], &mut [0.0])))?;
        }
    }

    /// OHEM with its choice held fast is cross entropy of those chosen.
    #[test]
    fn ohem_has_the_gradient_of_its_value_with_the_choice_held_fast(
        logits in prop::collection::vec(-8.0f32..8.0, 1..40),
        config in prop_oneof![
            (1usize..50).prop_map(|count| OhemConfig::Hardest { count }),
            (0.0f32..3.0, 0usize..10).prop_map(|(ratio, least)| OhemConfig::Ratio { ratio, least }),
        ],
    ) {
        let targets: Vec<f32> = (0..logits.len()).map(|index| f32::from(index % 3 == 0)).collect();
        let targets = Targets::Dense(&targets);
        let mut gradient = vec![0.0; logits.len()];
        let value = calls::ohem(&logits, targets, None, config, 1.0, &mut gradient).unwrap();
        let chosen: Vec<f32> = gradient.iter().map(|&entry| f32::from(entry != 0.0)).collect();
        let value_of = |logits: &[f32]| {
            calls::cross_entropy(logits, targets, Some(&chosen), 1.0, &mut vec![0.0; logits.len()]).unwrap()
        };
        prop_assert_eq!(value, value_of(&logits));
        for index in 0..logits.len() {
            let alone = difference(logits[index], |logit| {
                let mut moved = logits.clone();
                moved[index] = logit;
                value_of(&moved)
            });
            assert_agree(gradient[index], alone)?;
        }
    }

    #[test]
    fn the_losses_of_differences_have_the_gradient_of_their_value(
        d in -3.0f32..3.0,
        weight in 0.1f32..2.0,
        width in 0.5f32..1.5,
    ) {
        // A kink cannot be differentiated across.
        prop_assume!(d.abs() > 2.0 * STEP && (d.abs() - width).abs() > 2.0 * STEP);
        let weights = [weight];
        type Loss = fn(&[f32], &[f32], Option<&[f32]>, f32, &mut [f32]) -> f64;
        let losses: [Loss; 4] = [
            |x, t, weights, _, gradient| calls::l1(x, t, weights, 0.5, gradient).unwrap(),
            |x, t, weights, beta, gradient| calls::smooth_l1(x, t, weights, beta, 0.5, gradient).unwrap(),
            |x, t, weights, mu, gradient| calls::asl1(x, t, weights, mu, 0.5, gradient).unwrap(),
            |x, t, weights, beta, gradient| {
                // The paper's gamma bends it near 0 by more than the differences resolve: a third derivative of 150.
                let config = BalancedL1Config { alpha: 0.5, gamma: 0.5, beta };
                calls::balanced_l1(x, t, weights, config, 0.5, gradient).unwrap()
            },
        ];
        for loss in losses {
            let mut gradient = [0.0];
            loss(&[d], &[0.0], Some(&weights), width, &mut gradient);
            assert_agree(gradient[0], difference(d, |d| loss(&[d], &[0.0], Some(&weights), width, &mut [0.0])))?;
        }
    }

    /// GHM-C with the factors of its bins held fast is cross entropy with these factors as weights.
    #[test]
    fn ghm_c_has_the_gradient_of_its_value_with_the_bin_weights_held_fast(
        logits in prop::collection::vec(-8.0f32..8.0, 1..40),
        bins in 1usize..40,
        ema in prop_oneof![Just(Ema::Released), Just(Ema::Paper), Just(Ema::Corrected)],
        normalise in prop_oneof![Just(Normalise::Bins), Just(Normalise::Nonempty)],
    ) {
        let targets: Vec<f32> = (0..logits.len()).map(|index| f32::from(index % 3 == 0)).collect();
        let mut unused = vec![0.0; logits.len()];
        calls::cross_entropy(&logits, Targets::Dense(&targets), None, 1.0, &mut unused).unwrap();
        let mut density = density(bins, 0.5, normalise, ema);
        let places: Vec<usize> = unused.iter().map(|slope| density.bin_of(slope.abs())).collect();
        let mut counts = vec![0; bins];
        places.iter().for_each(|&place| counts[place] += 1);
        let weights = density.clone().update(&counts).unwrap();
        let frozen: Vec<f32> = places.iter().map(|&place| weights.factors()[place] as f32).collect();

        let mut gradient = unused.clone();
        let value = calls::ghm_c(&logits, Targets::Dense(&targets), None, &mut density, 1.0, &mut gradient).unwrap();
        let value_of = |logits: &[f32]| {
            calls::cross_entropy(logits, Targets::Dense(&targets), Some(&frozen), 1.0, &mut vec![0.0; logits.len()])
                .unwrap()
        };
        prop_assert!((value - value_of(&logits)).abs() <= 1e-6 * value);
        for index in 0..logits.len() {
            let alone = difference(logits[index], |logit| {
                let mut moved = logits.clone();
                moved[index] = logit;
                value_of(&moved)
            });
            assert_agree(gradient[index], alone)?;
        }
    }

    /// The same of GHM-R and ASL1.
    #[test]
    fn ghm_r_has_the_gradient_of_its_value_with_the_bin_weights_held_fast(
        differences in prop::collection::vec(-3.0f32..3.0, 1..40),
        bins in 1usize..20,
        mu in 0.5f32..1.5,
    ) {
        let targets = vec![0.0; differences.len()];
        let mut slopes = targets.clone();
        calls::asl1(&differences, &targets, None, mu, 1.0, &mut slopes).unwrap();
        let mut density = density(bins, 0.0, Normalise::Nonempty, Ema::Released);
        let places: Vec<usize> = slopes.iter().map(|slope| density.bin_of(slope.abs())).collect();
        let mut counts = vec![0; bins];
        places.iter().for_each(|&place| counts[place] += 1);
        let weights = density.clone().update(&counts).unwrap();
        let frozen: Vec<f32> = places.iter().map(|&place| weights.factors()[place] as f32).collect();

        let mut gradient = slopes.clone();
        let value = calls::ghm_r(&differences, &targets, None, mu, &mut density, 1.0, &mut gradient).unwrap();
        let value_of = |predictions: &[f32]| {
            calls::asl1(predictions, &targets, Some(&frozen), mu, 1.0, &mut vec![0.0; predictions.len()]).unwrap()
        };
        prop_assert!((value - value_of(&differences)).abs() <= 1e-6 * value);
        for index in 0..differences.len() {
            let alone = difference(differences[index], |d| {
                let mut moved = differences.clone();
                moved[index] = d;
                value_of(&moved)
            });
            assert_agree(gradient[index], alone)?;
        }
    }
}

/// A harmonised loss by exact densities against `value_of`, the same loss with these held fast.
fn assert_held_fast(
    values: &[f32],
    (value, gradient): (f64, &[f32]),
    value_of: impl Fn(&[f32]) -> f64,
) -> Result<(), TestCaseError> {
    prop_assert!((value - value_of(values)).abs() <= 1e-6 * value);
    for (index, &entry) in gradient.iter().enumerate() {
        let alone = difference(values[index], |moved| {
            let mut values = values.to_vec();
            values[index] = moved;
            value_of(&values)
        });
        assert_agree(entry, alone)?;
    }
    Ok(())
}

proptest! {
    /// GHM-C and GHM-R by the exact density are cross entropy and ASL1 with one over the density as weights.
    #[test]
    fn the_exact_losses_have_the_gradient_of_their_value_with_the_densities_held_fast(
        x in prop::collection::vec(-4.0f32..4.0, 1..40),
        bins in 1usize..40,
        mu in 0.5f32..1.5,
    ) {
        let t: Vec<f32> = (0..x.len()).map(|index| f32::from(index % 3 == 0)).collect();
        let density = ExactDensity { bins, cap: None };
        let frozen = |slopes: &[f32]| -> Vec<f32> {
            let norms: Vec<f32> = slopes.iter().map(|slope| slope.abs()).collect();
            density.of_norms(&norms).unwrap().iter().map(|density| (1.0 / density) as f32).collect()
        };
        let mut gradient = vec![0.0; x.len()];

        calls::cross_entropy(&x, Targets::Dense(&t), None, 1.0, &mut gradient).unwrap();
        let held = frozen(&gradient);
        let value = calls::ghm_c(&x, Targets::Dense(&t), None, density, 1.0, &mut gradient).unwrap();
        assert_held_fast(&x, (value, gradient.as_slice()), |x| {
            calls::cross_entropy(x, Targets::Dense(&t), Some(&held), 1.0, &mut vec![0.0; x.len()]).unwrap()
        })?;

        calls::asl1(&x, &t, None, mu, 1.0, &mut gradient).unwrap();
        let held = frozen(&gradient);
        let value = calls::ghm_r(&x, &t, None, mu, density, 1.0, &mut gradient).unwrap();
        assert_held_fast(&x, (value, gradient.as_slice()), |x| {
            calls::asl1(x, &t, Some(&held), mu, 1.0, &mut vec![0.0; x.len()]).unwrap()
        })?;
    }
}
