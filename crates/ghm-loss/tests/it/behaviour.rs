//! What holds of every loss: threads, targets in two shapes, ignored rows, weights, scale, wrong input.

use ghm_loss::{
    BalancedCrossEntropyConfig, BalancedL1Config, Ema, ExactDensity, FocalConfig, GradientDensity, IGNORED, LossError,
    Normalise, OhemConfig, QualityFocalConfig, Targets, VarifocalConfig,
};

use crate::calls;
use crate::fixture::{dense, density, random_between, random_logits, random_rows};

const CLASSES: usize = 7;

/// Value and gradient.
type Outcome = (f64, Vec<f32>);

fn fresh() -> GradientDensity {
    density(30, 0.75, Normalise::Nonempty, Ema::Corrected)
}

const EXACT: ExactDensity = ExactDensity { bins: 30, cap: None };

/// Every classification loss on the same data, by name.
fn classification(
    logits: &[f32],
    targets: Targets,
    weights: Option<&[f32]>,
    scale: f32,
) -> [(&'static str, Outcome); 9] {
    let run = |loss: &dyn Fn(&mut [f32]) -> Result<f64, LossError>| {
        let mut gradient = vec![f32::MAX; logits.len()];
        (loss(&mut gradient).unwrap(), gradient)
    };
    let focal = FocalConfig { alpha: 0.25, gamma: 1.5 };
    let balanced = BalancedCrossEntropyConfig { alpha: 0.3, class_weights: class_weights(logits.len()) };
    let (hardest, ratio) = (OhemConfig::Hardest { count: 700 }, OhemConfig::Ratio { ratio: 1.5, least: 30 });
    let (quality, varifocal) = (QualityFocalConfig { beta: 1.5 }, VarifocalConfig::default());
    [
        ("ghm_c", run(&|gradient| calls::ghm_c(logits, targets, weights, &mut fresh(), scale, gradient))),
        ("ghm_c_exact", run(&|gradient| calls::ghm_c(logits, targets, weights, EXACT, scale, gradient))),
        ("focal", run(&|gradient| calls::focal(logits, targets, weights, focal, scale, gradient))),
        ("cross_entropy", run(&|gradient| calls::cross_entropy(logits, targets, weights, scale, gradient))),
        (
            "balanced_cross_entropy",
            run(&|gradient| calls::balanced_cross_entropy(logits, targets, weights, &balanced, scale, gradient)),
        ),
        ("ohem, hardest", run(&|gradient| calls::ohem(logits, targets, weights, hardest, scale, gradient))),
        ("ohem, ratio", run(&|gradient| calls::ohem(logits, targets, weights, ratio, scale, gradient))),
        ("quality_focal", run(&|gradient| calls::quality_focal(logits, targets, weights, quality, scale, gradient))),
        ("varifocal", run(&|gradient| calls::varifocal(logits, targets, weights, varifocal, scale, gradient))),
    ]
}

/// A weight for each of [`CLASSES`], where there are whole rows of logits.
fn class_weights(logits: usize) -> Option<Vec<f32>> {
    let whole_rows = logits > 0 && logits.is_multiple_of(CLASSES);
    whole_rows.then(|| random_between(5, CLASSES, 0.5, 2.0))
}

/// Every regression loss on the same data, by name.
fn regression(x: &[f32], t: &[f32], weights: Option<&[f32]>, scale: f32) -> [(&'static str, Outcome); 6] {
    let run = |loss: &dyn Fn(&mut [f32]) -> Result<f64, LossError>| {
        let mut gradient = vec![f32::MAX; x.len()];
        (loss(&mut gradient).unwrap(), gradient)
    };
    let balanced = BalancedL1Config::default();
    [
        ("ghm_r", run(&|gradient| calls::ghm_r(x, t, weights, 0.02, &mut fresh(), scale, gradient))),
        ("ghm_r_exact", run(&|gradient| calls::ghm_r(x, t, weights, 0.02, EXACT, scale, gradient))),
        ("asl1", run(&|gradient| calls::asl1(x, t, weights, 0.02, scale, gradient))),
        ("smooth_l1", run(&|gradient| calls::smooth_l1(x, t, weights, 0.11, scale, gradient))),
        ("l1", run(&|gradient| calls::l1(x, t, weights, scale, gradient))),
        ("balanced_l1", run(&|gradient| calls::balanced_l1(x, t, weights, balanced, scale, gradient))),
    ]
}

#[test]
fn values_and_gradients_are_bit_equal_for_any_number_of_threads() {
    // Several chunks, and none of the lengths a round number.
    let rows = random_rows(1, 11_003, CLASSES);
    let logits = random_logits(2, rows.len() * CLASSES);
    let offsets = random_between(3, logits.len(), -1.0, 1.0);
    let weights = random_between(4, logits.len(), -0.3, 1.0);
    let on_threads = |count: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
        pool.install(|| {
            let targets = Targets::ClassIndex { rows: &rows, classes: CLASSES };
            let outcomes = classification(&logits, targets, Some(&weights), 0.3);
            let others = regression(&logits, &offsets, Some(&weights), 0.3);
            let bits = |(value, gradient): &Outcome| {
                (value.to_bits(), gradient.iter().map(|entry| entry.to_bits()).collect::<Vec<_>>())
            };
            outcomes.iter().chain(&others).map(|(_, outcome)| bits(outcome)).collect::<Vec<_>>()
        })
    };
    let alone = on_threads(1);
    assert!(on_threads(2) == alone);
    assert!(on_threads(5) == alone);
}

#[test]
fn class_indices_equal_the_one_hot_matrix_they_stand_for_bit_for_bit() {
    let rows = random_rows(1, 5_001, CLASSES);
    let logits = random_logits(2, rows.len() * CLASSES);
    let (one_hot, gate) = dense(&rows, CLASSES);
    let weights = random_between(3, logits.len(), -0.3, 1.0);
    let gated: Vec<f32> = weights.iter().zip(&gate).map(|(weight, gate)| weight * gate).collect();
    for (given, expanded) in [(None, &gate), (Some(weights.as_slice()), &gated)] {
        let short = classification(&logits, Targets::ClassIndex { rows: &rows, classes: CLASSES }, given, 1.0);
        let long = classification(&logits, Targets::Dense(&one_hot), Some(expanded), 1.0);
        assert!(short == long);
    }
}

#[test]
fn ignored_rows_contribute_nothing_whatever_they_hold() {
    let mut rows = random_rows(1, 3_000, CLASSES);
    rows[0] = IGNORED;
    let mut logits = random_logits(2, rows.len() * CLASSES);
    let kept: Vec<usize> = (0..rows.len()).filter(|&row| rows[row] != IGNORED).collect();
    for row in (0..rows.len()).filter(|&row| rows[row] == IGNORED) {
        logits[row * CLASSES..(row + 1) * CLASSES].fill(f32::NAN);
    }
    let kept_rows: Vec<i32> = kept.iter().map(|&row| rows[row]).collect();
    let pick = |entries: &[f32]| -> Vec<f32> {
        kept.iter().flat_map(|&row| entries[row * CLASSES..(row + 1) * CLASSES].to_vec()).collect()
    };
    let whole = classification(&logits, Targets::ClassIndex { rows: &rows, classes: CLASSES }, None, 1.0);
    let alone = classification(&pick(&logits), Targets::ClassIndex { rows: &kept_rows, classes: CLASSES }, None, 1.0);
    for ((name, (value, gradient)), (_, (expected, expected_gradient))) in whole.iter().zip(&alone) {
        // Chunks begin elsewhere, so sums are joined in another order, by fours in f32 first.
        assert!((value - expected).abs() <= 1e-8 * expected, "{name}: {value}, {expected}");
        assert_eq!(&pick(gradient), expected_gradient, "{name}");
        let others = (0..gradient.len()).filter(|index| rows[index / CLASSES] == IGNORED);
        assert!(others.into_iter().all(|index| gradient[index] == 0.0), "{name}");
    }
}

#[test]
fn elements_without_positive_weight_add_nothing_whatever_they_hold() {
    let weights = [1.0, 0.0, -2.0, 0.5, f32::NAN];
    let (x, t) = ([0.5, f32::NAN, f32::INFINITY, -1.0, 3.0], [1.0, 1.0, 0.0, 0.0, 1.0]);
    let outcomes = classification(&x, Targets::Dense(&t), Some(&weights), 1.0);
    for (name, (value, gradient)) in outcomes.iter().chain(&regression(&x, &t, Some(&weights), 1.0)) {
        assert!(value.is_finite() && *value > 0.0, "{name}");
        let silent: Vec<bool> = gradient.iter().map(|&entry| entry == 0.0).collect();
        assert_eq!(silent, [false, true, true, false, true], "{name}");
    }
}

#[test]
fn a_nan_that_takes_part_shows_in_the_value_and_its_own_gradient_alone() {
    let (mut x, t) = (random_logits(1, 2_000), vec![0.0; 2_000]);
    x[1_234] = f32::NAN;
    let outcomes = classification(&x, Targets::Dense(&t), None, 1.0);
    for (name, (value, gradient)) in outcomes.iter().chain(&regression(&x, &t, None, 1.0)) {
        assert!(value.is_nan(), "{name}");
        let nans: Vec<usize> = (0..gradient.len()).filter(|&index| gradient[index].is_nan()).collect();
        assert_eq!(nans, [1_234], "{name}");
    }
    let mut density = density(30, 0.0, Normalise::Nonempty, Ema::Released);
    calls::ghm_c(&x, Targets::Dense(&t), None, &mut density, 1.0, &mut vec![0.0; 2_000]).unwrap();
    assert_eq!(density.counts().iter().sum::<f64>(), 1_999.0);
}

#[test]
fn an_infinite_value_that_takes_part_gives_a_value_that_is_not_finite() {
    for x in [f32::INFINITY, f32::NEG_INFINITY] {
        let outcomes = classification(&[x, 0.5], Targets::Dense(&[1.0, 0.0]), None, 1.0);
        for (name, (value, _)) in outcomes.iter().chain(&regression(&[x, 0.5], &[1.0, 0.0], None, 1.0)) {
            assert!(!value.is_finite(), "{name} of {x}");
        }
    }
}

#[test]
fn scale_multiplies_value_and_gradient() {
    let (x, t) = (random_logits(1, 500), vec![0.0; 500]);
    let run = |scale| (classification(&x, Targets::Dense(&t), None, scale), regression(&x, &t, None, scale));
    let ((classes, offsets), (scaled_classes, scaled_offsets)) = (run(1.0), run(4.0));
    let plain = classes.iter().chain(&offsets);
    for ((name, plain), (_, scaled)) in plain.zip(scaled_classes.iter().chain(&scaled_offsets)) {
        assert_eq!(scaled.0, 4.0 * plain.0, "{name}");
        assert!(scaled.1.iter().zip(&plain.1).all(|(scaled, plain)| *scaled == 4.0 * plain), "{name}");
    }
}

#[test]
fn how_large_a_weight_is_makes_no_difference_to_a_harmonised_loss() {
    let (x, t) = (random_logits(1, 500), vec![0.0; 500]);
    let weights: Vec<f32> = (0..500).map(|index| [0.0, 0.1, 7.0][index % 3]).collect();
    let gates: Vec<f32> = weights.iter().map(|&weight| f32::from(weight > 0.0)).collect();
    let both = |weights: &[f32]| {
        let [ghm_c, ghm_c_exact, ..] = classification(&x, Targets::Dense(&t), Some(weights), 1.0);
        let [ghm_r, ghm_r_exact, ..] = regression(&x, &t, Some(weights), 1.0);
        (ghm_c, ghm_c_exact, ghm_r, ghm_r_exact)
    };
    assert!(both(&weights) == both(&gates));
}

#[test]
fn nothing_gives_zero() {
    let outcomes = classification(&[], Targets::ClassIndex { rows: &[], classes: 3 }, None, 1.0);
    for (name, (value, gradient)) in outcomes.iter().chain(&regression(&[], &[], None, 1.0)) {
        assert_eq!((*value, gradient.len()), (0.0, 0), "{name}");
    }
}

#[test]
fn slices_of_different_length_are_refused_by_both_lengths_and_change_nothing() {
    let mut gradient = [9.0; 3];
    let mut density = fresh();
    let dense = Targets::Dense(&[0.0; 3]);
    let mut texts = Vec::new();
    let mut record = |result: Result<f64, LossError>| texts.push(result.unwrap_err().to_string());
    record(calls::ghm_c(&[0.0; 2], Targets::Dense(&[0.0; 2]), None, &mut density, 1.0, &mut gradient));
    record(calls::ghm_c(&[0.0; 3], dense, Some(&[1.0; 4]), &mut density, 1.0, &mut gradient));
    record(calls::ghm_c(&[0.0; 3], Targets::Dense(&[0.0; 5]), None, &mut density, 1.0, &mut gradient));
    let rows = Targets::ClassIndex { rows: &[0, 1], classes: 2 };
    record(calls::cross_entropy(&[0.0; 3], rows, None, 1.0, &mut gradient));
    record(calls::ghm_r(&[0.0; 3], &[0.0; 6], None, 0.02, &mut density, 1.0, &mut gradient));
    assert_eq!(
        texts,
        [
            "gradient and logits differ in length: 3 and 2",
            "gates and logits differ in length: 4 and 3",
            "targets and logits differ in length: 5 and 3",
            "targets describe 2 rows of 2 classes, but there are 3 logits",
            "targets and predictions differ in length: 6 and 3",
        ]
    );
    assert_eq!(gradient, [9.0; 3]);
    assert_eq!(density, fresh());
}

#[test]
fn settings_outside_their_range_are_refused_by_name() {
    let (x, t, mut gradient) = ([0.5], [1.0], [0.0]);
    for (alpha, gamma, name) in [(1.5, 2.0, "alpha"), (0.25, -1.0, "gamma"), (0.25, f32::NAN, "gamma")] {
        let config = FocalConfig { alpha, gamma };
        let error = calls::focal(&x, Targets::Dense(&t), None, config, 1.0, &mut gradient).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{name} is ")), "{error}");
    }
    for beta in [-1.0, f32::NAN, f32::INFINITY] {
        let error = calls::smooth_l1(&x, &t, None, beta, 1.0, &mut gradient).unwrap_err();
        assert!(error.to_string().starts_with("beta is "), "{error}");
    }
}

#[test]
fn settings_of_the_other_classification_losses_outside_their_range_are_refused_by_name() {
    let (x, dense, mut gradient) = ([0.5], Targets::Dense(&[1.0]), [9.0]);
    let mut refused = |name: &str, loss: &dyn Fn(&mut [f32]) -> Result<f64, LossError>| {
        let error = loss(&mut gradient).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{name} is ")), "{error}");
        assert_eq!(gradient, [9.0]);
    };
    for alpha in [-0.1, 1.1, f32::NAN] {
        let config = BalancedCrossEntropyConfig { alpha, class_weights: None };
        refused("alpha", &|gradient| calls::balanced_cross_entropy(&x, dense, None, &config, 1.0, gradient));
    }
    for beta in [-1.0, 101.0, f32::NAN] {
        let config = QualityFocalConfig { beta };
        refused("beta", &|gradient| calls::quality_focal(&x, dense, None, config, 1.0, gradient));
    }
    for (alpha, gamma, name) in [(-1.0, 2.0, "alpha"), (f32::INFINITY, 2.0, "alpha"), (0.75, f32::NAN, "gamma")] {
        let config = VarifocalConfig { alpha, gamma };
        refused(name, &|gradient| calls::varifocal(&x, dense, None, config, 1.0, gradient));
    }
    let ratio = |ratio| (OhemConfig::Ratio { ratio, least: 1 }, "ratio");
    for (config, name) in [(OhemConfig::Hardest { count: 0 }, "count"), ratio(-1.0), ratio(f32::NAN)] {
        refused(name, &|gradient| calls::ohem(&x, dense, None, config, 1.0, gradient));
    }
}
