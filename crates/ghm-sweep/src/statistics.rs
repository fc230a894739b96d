//! Means, standard deviations, paired differences and their intervals.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

/// Resamples of an interval: its ends are then settled to about a hundredth of its width.
const RESAMPLES: usize = 10_000;

/// Share of the resamples within an interval.
const COVERAGE: f64 = 0.95;

/// How numbers lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, with one less than there are numbers below the line; `None` of one number.
    pub standard_deviation: Option<f64>,
    /// How many they are.
    pub count: usize,
}

impl Spread {
    /// Of numbers; `None` of none.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Self> {
        let numbers: Vec<f64> = numbers.into_iter().collect();
        let count = numbers.len();
        let mean = mean(&numbers);
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        let standard_deviation = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        (count > 0).then_some(Self { mean, standard_deviation, count })
    }
}

/// Where a mean lies with 95% by the bootstrap: the middle 95% of the means of as many numbers, drawn from them with replacement
/// (Efron 1979, percentile method). Of two or three numbers it is their range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// Of numbers, with a seed; `None` of fewer than two.
    pub fn of(numbers: &[f64], seed: u64) -> Option<Self> {
        if numbers.len() < 2 {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = || {
            let one = (u128::from(rng.next_u64()) * numbers.len() as u128) >> 64;
            numbers[one as usize]
        };
        let mut means: Vec<f64> =
            (0..RESAMPLES).map(|_| (0..numbers.len()).map(|_| draw()).sum::<f64>() / numbers.len() as f64).collect();
        means.sort_unstable_by(f64::total_cmp);
        let outside = (1.0 - COVERAGE) / 2.0 * (RESAMPLES - 1) as f64;
        Some(Self { low: means[outside.floor() as usize], high: means[RESAMPLES - 1 - outside.floor() as usize] })
    }

    /// Whether zero lies outside.
    pub fn is_clear(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Differences between two things with the same seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// The differences, one for each seed that both have.
    pub by_seed: Vec<f64>,
    /// Their mean and standard deviation.
    pub spread: Spread,
    /// Where the mean lies; `None` of one seed.
    pub interval: Option<Interval>,
}

impl Paired {
    /// Of differences; `None` of none.
    pub fn of(differences: impl IntoIterator<Item = f64>) -> Option<Self> {
        let by_seed: Vec<f64> = differences.into_iter().collect();
        let spread = Spread::of(by_seed.iter().copied())?;
        let interval = Interval::of(&by_seed, 0);
        Some(Self { by_seed, spread, interval })
    }
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_spread_is_the_textbooks() {
        let spread = Spread::of([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((spread.mean, spread.count), (5.0, 8));
        // The sum of squares is 32.
        assert!((spread.standard_deviation.unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-15);
        assert_eq!(Spread::of([3.0]), Some(Spread { mean: 3.0, standard_deviation: None, count: 1 }));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn an_interval_has_the_width_of_the_normal_one_for_many_numbers() {
        // Of mean 0 and variance 1, in a fixed order that does not matter.
        let numbers: Vec<f64> = (0..400).map(|i| ((f64::from(i) + 0.5) / 400.0 - 0.5) * 12f64.sqrt()).collect();
        let interval = Interval::of(&numbers, 0).unwrap();
        let normal = 1.96 / 20.0;
        // 10,000 resamples settle an end to about 0.003.
        assert!((interval.low + normal).abs() < 0.01 && (interval.high - normal).abs() < 0.01, "{interval:?}");
        assert!(!interval.is_clear());
        assert_eq!(Interval::of(&numbers, 0), Some(interval));
    }

    proptest! {
        #[test]
        fn an_interval_lies_within_the_numbers_and_moves_with_them(
            numbers in proptest::collection::vec(-1.0f64..1.0, 2..8), by in -5.0f64..5.0
        ) {
            let interval = Interval::of(&numbers, 1).unwrap();
            let (least, most) = numbers.iter().fold((f64::MAX, f64::MIN), |(a, b), n| (a.min(*n), b.max(*n)));
            prop_assert!(least - 1e-12 <= interval.low && interval.low <= interval.high && interval.high <= most + 1e-12);
            let moved: Vec<f64> = numbers.iter().map(|number| number + by).collect();
            let there = Interval::of(&moved, 1).unwrap();
            prop_assert!((there.low - interval.low - by).abs() < 1e-9 && (there.high - interval.high - by).abs() < 1e-9);
        }
    }
}
