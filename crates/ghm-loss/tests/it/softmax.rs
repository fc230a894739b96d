//! Losses of one class out of several against their formulas, in f64.

use ghm_loss::{
    BACKGROUND, Between, Counts, DensityConfig, Examples, GradientDensity, IGNORED, LossError, Normalise, Output,
    Reduction, SoftmaxNorm, Targets, ghm_c, softmax_cross_entropy, softmax_ghm_c,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::fixture::random_between;

const NORMS: [SoftmaxNorm; 2] = [SoftmaxNorm::Largest, SoftmaxNorm::Euclidean];

/// exp is 1.2e-7 off and every entry is rounded twice more.
const ROUNDING: f64 = 1e-6;

/// Rows with a class each, a few ignored, gated out or without weight; what takes no part is NaN.
struct Data {
    classes: usize,
    logits: Vec<f32>,
    rows: Vec<i32>,
    gates: Vec<f32>,
    weights: Vec<f32>,
}

impl Data {
    fn random(seed: u64, count: usize, classes: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut logits = random_between(seed, count * classes, -6.0, 6.0);
        let rows: Vec<i32> = (0..count)
            .map(|_| if random.random_bool(0.1) { IGNORED } else { random.random_range(0..classes as i32) })
            .collect();
        let gates: Vec<f32> = (0..count).map(|_| if random.random_bool(0.9) { 0.4 } else { 0.0 }).collect();
        let weights = (0..count).map(|_| [0.0, 0.5, 1.0, 2.0][random.random_range(0..4usize)]).collect();
        for row in (0..count).filter(|&row| rows[row] == IGNORED || gates[row] == 0.0) {
            logits[row * classes..(row + 1) * classes].fill(f32::NAN);
        }
        Self { classes, logits, rows, gates, weights }
    }

    fn examples(&self) -> Examples<'_> {
        self.part(0, self.rows.len())
    }

    fn part(&self, from: usize, to: usize) -> Examples<'_> {
        let targets = Targets::ClassIndex { rows: &self.rows[from..to], classes: self.classes };
        let logits = &self.logits[from * self.classes..to * self.classes];
        Examples::new(logits, targets).gated(&self.gates[from..to]).weighted(&self.weights[from..to])
    }

    fn takes_part(&self) -> impl Iterator<Item = usize> {
        (0..self.rows.len()).filter(|&row| self.rows[row] != IGNORED && self.gates[row] > 0.0)
    }

    fn class(&self, row: usize) -> usize {
        self.rows[row] as usize
    }

    /// `p - y` of a row that takes part.
    fn slopes(&self, row: usize) -> Vec<f64> {
        let exps: Vec<f64> =
            self.logits[row * self.classes..(row + 1) * self.classes].iter().map(|&x| f64::from(x).exp()).collect();
        let sum: f64 = exps.iter().sum();
        let own = |class: usize| if class == self.class(row) { 1.0 } else { 0.0 };
        exps.iter().enumerate().map(|(class, exp)| exp / sum - own(class)).collect()
    }

    fn loss(&self, row: usize) -> f64 {
        -(1.0 + self.slopes(row)[self.class(row)]).ln()
    }

    fn norm(&self, row: usize, norm: SoftmaxNorm) -> f64 {
        let slopes = self.slopes(row);
        match norm {
            SoftmaxNorm::Largest => slopes[self.class(row)].abs(),
            SoftmaxNorm::Euclidean => (slopes.iter().map(|slope| slope * slope).sum::<f64>() / 2.0).sqrt(),
        }
    }

    /// Value, losses and gradient with the factor of each row held fast.
    fn expected(&self, factor: impl Fn(usize) -> f64) -> (f64, Vec<f64>, Vec<f64>) {
        let (mut losses, mut gradient) = (vec![0.0; self.rows.len()], vec![0.0; self.logits.len()]);
        for row in self.takes_part() {
            let factor = factor(row) * f64::from(self.weights[row]);
            losses[row] = factor * self.loss(row);
            for (entry, slope) in gradient[row * self.classes..].iter_mut().zip(self.slopes(row)) {
                *entry = factor * slope;
            }
        }
        (losses.iter().sum(), losses, gradient)
    }
}

type Outcome = (f64, Vec<f32>, Vec<f32>);

fn run(data: &Data, reduction: Reduction, loss: impl FnOnce(Output) -> Result<f64, LossError>) -> Outcome {
    let (mut losses, mut gradient) = (vec![f32::NAN; data.rows.len()], vec![f32::NAN; data.logits.len()]);
    let value = loss(Output::to(&mut gradient).reduced(reduction).scaled(0.7).each(&mut losses)).unwrap();
    (value, losses, gradient)
}

fn assert_outcome(found: &Outcome, expected: &(f64, Vec<f64>, Vec<f64>), place: &str) {
    assert!((found.0 - expected.0).abs() <= ROUNDING * expected.0, "{place}: {}, expected {}", found.0, expected.0);
    let (found, expected) = (found.1.iter().chain(&found.2), expected.1.iter().chain(&expected.2));
    for (at, (&found, &expected)) in found.zip(expected).enumerate() {
        // 1 - p_t of the reference is a difference.
        let tolerance = ROUNDING * expected.abs() + 1e-14;
        assert!(
            (f64::from(found) - expected).abs() <= tolerance,
            "{place}: entry {at} is {found}, expected {expected}"
        );
    }
}

#[test]
fn softmax_cross_entropy_has_the_value_losses_and_gradient_of_its_formula() {
    for classes in [1, 2, 7, 80] {
        let data = Data::random(1, 60, classes);
        let count = data.takes_part().count() as f64;
        for (reduction, divisor) in [(Reduction::Sum, 1.0), (Reduction::Mean, count)] {
            let found = run(&data, reduction, |output| softmax_cross_entropy(&data.examples(), output));
            let scale = f64::from(0.7f32) / divisor;
            assert_outcome(&found, &data.expected(|_| scale), &format!("{classes} classes, {reduction:?}"));
        }
    }
}

/// What the rows that take part are divided by, by the definition of both densities, without a moving average.
fn densities(data: &Data, norm: SoftmaxNorm, density_at: impl Fn(usize, f64) -> f64) -> Vec<f64> {
    (0..data.rows.len())
        .map(|row| if data.takes_part().any(|at| at == row) { density_at(row, data.norm(row, norm)) } else { 1.0 })
        .collect()
}

#[test]
fn softmax_ghm_c_divides_each_row_by_the_count_of_its_bin_for_all_classes_or_its_own() {
    let bins = 10;
    let bin_of = |g: f64| ((g * bins as f64) as usize).min(bins - 1);
    for norm in NORMS {
        for by_class in [false, true] {
            let data = Data::random(2, 300, 5);
            let classes = by_class.then_some(5);
            let config =
                DensityConfig { bins, momentum: 0.0, normalise: Normalise::Bins, classes, ..DensityConfig::default() };
            let divided_by = densities(&data, norm, |row, g| {
                let alike = |&other: &usize| {
                    bin_of(data.norm(other, norm)) == bin_of(g) && (!by_class || data.rows[other] == data.rows[row])
                };
                (data.takes_part().filter(alike).count() * bins * classes.unwrap_or(1)) as f64
            });
            let count = data.takes_part().count() as f64;
            for (reduction, times) in [(Reduction::Mean, 1.0), (Reduction::Sum, count)] {
                let mut density = GradientDensity::new(config).unwrap();
                let found = run(&data, reduction, |output| softmax_ghm_c(&data.examples(), norm, &mut density, output));
                let expected = data.expected(|row| f64::from(0.7f32) * times / divided_by[row]);
                assert_outcome(&found, &expected, &format!("{norm:?}, {classes:?} classes, {reduction:?}"));
                assert_eq!(density.counts().iter().sum::<f64>(), count);
            }
        }
    }
}

#[test]
fn softmax_ghm_c_by_the_exact_density_divides_each_row_by_the_density_of_its_window() {
    let data = Data::random(3, 200, 4);
    for norm in NORMS {
        let half = 0.5 / 10.0;
        let divided_by = densities(&data, norm, |_, g| {
            let inside = |&other: &usize| (g - half..g + half).contains(&data.norm(other, norm));
            data.takes_part().filter(inside).count() as f64 / ((g + half).min(1.0) - (g - half).max(0.0))
        });
        let density = ghm_loss::ExactDensity { bins: 10, cap: None };
        let found = run(&data, Reduction::Mean, |output| softmax_ghm_c(&data.examples(), norm, density, output));
        assert_outcome(&found, &data.expected(|row| f64::from(0.7f32) / divided_by[row]), &format!("{norm:?}"));
    }
}

#[test]
fn with_factors_held_fast_the_gradient_is_that_of_the_value() {
    let (rows, classes, step) = ([2, 0, 1, 1], 3, 1.0f32 / 64.0);
    let logits = random_between(4, 12, -3.0, 3.0);
    let targets = Targets::ClassIndex { rows: &rows, classes };
    for norm in NORMS {
        // One bin, so that no step changes the factor.
        let config = DensityConfig { bins: 1, ..DensityConfig::default() };
        let counts = Counts::of_rows(&Examples::new(&logits, targets), norm, &config).unwrap();
        let weights = GradientDensity::new(config).unwrap().update(counts.as_slice()).unwrap();
        let value_of = |logits: &[f32], gradient: &mut [f32]| {
            softmax_ghm_c(&Examples::new(logits, targets).weighted(&[1.0, 2.0, 0.5, 1.0]), norm, &weights, gradient)
                .unwrap()
        };
        let mut gradient = [0.0; 12];
        value_of(&logits, &mut gradient);
        for (at, &entry) in gradient.iter().enumerate() {
            let moved = |by: f32| {
                let mut logits = logits.clone();
                logits[at] += by;
                value_of(&logits, &mut [0.0; 12])
            };
            let difference = (moved(step) - moved(-step)) / f64::from(2.0 * step);
            // The third derivative of cross entropy is below 1/8, the factors are at most 2.
            assert!((f64::from(entry) - difference).abs() < 1e-4, "{entry}, by differences {difference}");
        }
    }
}

#[test]
fn two_classes_are_ghm_c_of_the_difference_of_their_logits() {
    let (first, second) = (random_between(5, 400, -4.0, 4.0), random_between(6, 400, -4.0, 4.0));
    let rows: Vec<i32> = (0..400).map(|row| i32::from(row % 3 == 0)).collect();
    let pairs: Vec<f32> = first.iter().zip(&second).flat_map(|(&first, &second)| [first, second]).collect();
    let differences: Vec<f32> = first.iter().zip(&second).map(|(first, second)| second - first).collect();
    let targets: Vec<f32> = rows.iter().map(|&row| row as f32).collect();
    let config = DensityConfig { bins: 10, between: Between::Blend, ..DensityConfig::default() };
    let mut densities = [(); 2].map(|()| GradientDensity::new(config).unwrap());
    let (mut of_pairs, mut of_differences) = ([0.0; 800], [0.0; 400]);
    let examples = Examples::new(&pairs, Targets::ClassIndex { rows: &rows, classes: 2 });
    let value = softmax_ghm_c(&examples, SoftmaxNorm::Largest, &mut densities[0], &mut of_pairs).unwrap();
    let examples = Examples::new(&differences, Targets::Dense(&targets));
    let expected = ghm_c(&examples, &mut densities[1], &mut of_differences).unwrap();
    assert_eq!(densities[0].counts(), densities[1].counts());
    // The difference of two logits is rounded by 2.4e-7, and the blend is ten times as steep.
    let close = |found: f64, expected: f64| (found - expected).abs() <= 1e-5 * expected.abs();
    assert!(close(value, expected), "{value}, {expected}");
    for (pair, &single) in of_pairs.chunks(2).zip(&of_differences) {
        assert!(close(f64::from(pair[1]), f64::from(single)), "{pair:?}, {single}");
        assert!(close(f64::from(pair[0]), -f64::from(single)), "{pair:?}, {single}");
    }
}

#[test]
fn shards_of_rows_with_merged_counts_give_what_the_whole_gives() {
    let data = Data::random(7, 3_001, 6);
    let ends = [(0, 700), (700, 700), (700, 2_000), (2_000, 3_001)];
    for (norm, classes) in [(NORMS[0], None), (NORMS[1], Some(6))] {
        let config = DensityConfig { between: Between::Blend, classes, ..DensityConfig::default() };
        let mut density = GradientDensity::new(config).unwrap();
        let whole = run(&data, Reduction::Mean, |output| softmax_ghm_c(&data.examples(), norm, &mut density, output));
        let mut counts = Counts::of_nothing(&config).unwrap();
        for (from, to) in ends {
            counts.merge(&Counts::of_rows(&data.part(from, to), norm, &config).unwrap()).unwrap();
        }
        assert_eq!(counts, Counts::of_rows(&data.examples(), norm, &config).unwrap());
        let weights = GradientDensity::new(config).unwrap().update(counts.as_slice()).unwrap();
        let (mut value, mut gradient) = (0.0, Vec::new());
        for (from, to) in ends {
            let mut own = vec![f32::NAN; (to - from) * 6];
            value += softmax_ghm_c(&data.part(from, to), norm, &weights, Output::to(&mut own).scaled(0.7)).unwrap();
            gradient.extend(own);
        }
        assert!(gradient == whole.2);
        assert!((value - whole.0).abs() <= 1e-12 * whole.0, "{value}, {}", whole.0);
    }
}

#[test]
fn softmax_losses_are_bit_equal_for_any_number_of_threads() {
    let data = Data::random(8, 20_011, 5);
    let on_threads = |count: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
        pool.install(|| {
            let mut density = GradientDensity::new(DensityConfig::default()).unwrap();
            let ghm_c =
                run(&data, Reduction::Mean, |output| softmax_ghm_c(&data.examples(), NORMS[1], &mut density, output));
            (ghm_c, run(&data, Reduction::Mean, |output| softmax_cross_entropy(&data.examples(), output)))
        })
    };
    let alone = on_threads(1);
    assert!(on_threads(2) == alone);
    assert!(on_threads(5) == alone);
}

#[test]
fn what_softmax_cannot_compare_is_refused_and_changes_nothing() {
    let (logits, mut gradient) = ([0.5f32; 6], [9.0; 6]);
    let rows = |rows| Examples::new(&logits, Targets::ClassIndex { rows, classes: 3 });
    let error = softmax_cross_entropy(&rows(&[2, BACKGROUND]), &mut gradient).unwrap_err();
    assert_eq!(error.to_string(), "targets[1] is -1 (background): softmax needs a class for it; -2 leaves a row out");
    // Where it takes no part it may be anything.
    assert!(softmax_cross_entropy(&rows(&[2, BACKGROUND]).gated(&[1.0, 0.0]), &mut [0.0; 6]).is_ok());
    let dense = Examples::new(&logits, Targets::Dense(&logits));
    assert_eq!(softmax_cross_entropy(&dense, &mut gradient), Err(LossError::NoClasses));
    let config = DensityConfig { classes: Some(4), ..DensityConfig::default() };
    let mut density = GradientDensity::new(config).unwrap();
    let error = softmax_ghm_c(&rows(&[2, 1]), NORMS[0], &mut density, &mut gradient).unwrap_err();
    assert_eq!(error.to_string(), "classes of the density and classes of the targets differ in length: 4 and 3");
    assert_eq!(Counts::of_rows(&rows(&[2, 1]), NORMS[0], &config).unwrap_err(), error);
    let error = softmax_cross_entropy(&rows(&[2, 1]).weighted(&[1.0; 6]), &mut gradient).unwrap_err();
    assert_eq!(error.to_string(), "weights and the rows differ in length: 6 and 2");
    assert_eq!((gradient, density), ([9.0; 6], GradientDensity::new(config).unwrap()));
}
