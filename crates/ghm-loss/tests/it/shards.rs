//! One call spread over workers: counts of each shard, merged, and the factors of the sum applied to each shard.

use ghm_loss::{Counts, DensityConfig, Ema, Examples, GradientDensity, LossError, Normalise, Targets};

use crate::calls;
use crate::fixture::{density, random_between, random_logits, random_rows};

const CLASSES: usize = 7;
const ROWS: usize = 6_001;

/// Where the shards begin and end, in rows; one of them is empty.
const ENDS: [[usize; 2]; 4] = [[0, 1_000], [1_000, 1_000], [1_000, 4_097], [4_097, ROWS]];

fn fresh(bins: usize) -> GradientDensity {
    density(bins, 0.75, Normalise::Nonempty, Ema::Released)
}

fn of_bins(bins: usize) -> DensityConfig {
    DensityConfig { bins, ..DensityConfig::default() }
}

fn examples<'a>(values: &'a [f32], targets: Targets<'a>, gates: Option<&'a [f32]>) -> Examples<'a> {
    let examples = Examples::new(values, targets);
    gates.map_or(examples, |gates| examples.gated(gates))
}

/// The counts of logits of background.
fn counted(logits: &[f32], bins: usize) -> Counts {
    let targets = vec![0.0; logits.len()];
    Counts::of_logits(&Examples::new(logits, Targets::Dense(&targets)), &of_bins(bins)).unwrap()
}

/// Value and gradient.
type Outcome = (f64, Vec<f32>);

fn outcome(length: usize, loss: impl FnOnce(&mut [f32]) -> Result<f64, LossError>) -> Outcome {
    let mut gradient = vec![f32::MAX; length];
    (loss(&mut gradient).unwrap(), gradient)
}

fn merged(bins: usize, shards: impl Iterator<Item = Counts>) -> Counts {
    let mut sum = Counts::of_nothing(&of_bins(bins)).unwrap();
    shards.for_each(|counts| sum.merge(&counts).unwrap());
    sum
}

/// Gradients bit for bit; values to the rounding of sums that are joined in another order, by fours in f32 first.
fn assert_whole(shards: &[Outcome], whole: &Outcome) {
    assert!(shards.iter().flat_map(|(_, gradient)| gradient).eq(&whole.1));
    let value: f64 = shards.iter().map(|(value, _)| value).sum();
    assert!((value - whole.0).abs() <= 1e-8 * whole.0, "{value}, {}", whole.0);
}

#[test]
fn shards_of_logits_with_merged_counts_give_what_the_whole_gives_call_after_call() {
    let (mut by_shards, mut by_whole) = (fresh(30), fresh(30));
    for seed in 1..4 {
        let (rows, logits) = (random_rows(seed, ROWS, CLASSES), random_logits(seed, ROWS * CLASSES));
        let weights = random_between(seed, logits.len(), -0.3, 1.0);
        let part = |[from, to]: [usize; 2]| {
            let elements = from * CLASSES..to * CLASSES;
            let targets = Targets::ClassIndex { rows: &rows[from..to], classes: CLASSES };
            (&logits[elements.clone()], targets, Some(&weights[elements]))
        };
        let count = |ends| {
            let (logits, targets, weights) = part(ends);
            Counts::of_logits(&examples(logits, targets, weights), &of_bins(30)).unwrap()
        };
        let counts = merged(30, ENDS.into_iter().map(count));
        assert_eq!(counts, count([0, ROWS]));
        let bin_weights = by_shards.update(counts.as_slice()).unwrap();
        let shards = ENDS.map(|ends| {
            let (logits, targets, weights) = part(ends);
            outcome(logits.len(), |gradient| calls::ghm_c(logits, targets, weights, &bin_weights, 0.7, gradient))
        });
        let (logits, targets, weights) = part([0, ROWS]);
        let whole =
            outcome(logits.len(), |gradient| calls::ghm_c(logits, targets, weights, &mut by_whole, 0.7, gradient));
        assert_whole(&shards, &whole);
        assert_eq!(by_shards, by_whole);
    }
}

#[test]
fn shards_of_predictions_with_merged_counts_give_what_the_whole_gives() {
    let predictions = random_between(1, ROWS, -0.2, 0.2);
    let (targets, weights) = (random_between(2, ROWS, -0.2, 0.2), random_between(3, ROWS, -0.3, 1.0));
    let part = |[from, to]: [usize; 2]| (&predictions[from..to], &targets[from..to], Some(&weights[from..to]));
    let count = |ends| {
        let (predictions, targets, weights) = part(ends);
        Counts::of_predictions(&examples(predictions, Targets::Dense(targets), weights), 0.02, &of_bins(10)).unwrap()
    };
    let counts = merged(10, ENDS.into_iter().map(count));
    let bin_weights = fresh(10).update(counts.as_slice()).unwrap();
    let shards = ENDS.map(|ends| {
        let (predictions, targets, weights) = part(ends);
        outcome(predictions.len(), |gradient| {
            calls::ghm_r(predictions, targets, weights, 0.02, &bin_weights, 10.0, gradient)
        })
    });
    let mut density = fresh(10);
    let whole = outcome(ROWS, |gradient| {
        calls::ghm_r(&predictions, &targets, Some(&weights), 0.02, &mut density, 10.0, gradient)
    });
    assert_whole(&shards, &whole);
}

#[test]
fn counts_are_merged_in_any_order() {
    let count = |seed| counted(&random_logits(seed, 100), 30);
    let forwards = merged(30, [1, 2, 3].map(count).into_iter());
    assert_eq!(forwards, merged(30, [3, 1, 2].map(count).into_iter()));
    assert_eq!(forwards.as_slice().iter().sum::<u64>(), 300);
}

#[test]
fn counts_of_another_number_of_bins_are_refused_and_change_nothing() {
    let mut counts = counted(&[0.5], 4);
    let before = counts.clone();
    let error = counts.merge(&Counts::of_nothing(&of_bins(5)).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "counts and those they are added to differ in length: 5 and 4");
    assert_eq!(counts, before);
    assert!(matches!(Counts::of_nothing(&of_bins(0)), Err(LossError::Setting { name: "bins", .. })));
    let error =
        Counts::of_predictions(&Examples::new(&[0.5f32], Targets::Dense(&[0.0])), 0.0, &of_bins(4)).unwrap_err();
    assert!(matches!(error, LossError::Setting { name: "mu", .. }));
}

#[test]
fn counts_written_out_and_read_again_are_the_same() {
    let counts = counted(&random_logits(1, 100), 5);
    let text = serde_json::to_string(&counts).unwrap();
    assert!(text.starts_with('['));
    assert_eq!(serde_json::from_str::<Counts>(&text).unwrap(), counts);
}
