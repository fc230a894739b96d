//! Times of several repeats.

use serde_json::{Value, json};

/// Times of several repeats, in seconds.
pub struct Seconds {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Seconds {
    pub fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |index: usize| times.get(index).copied().unwrap_or(f64::NAN);
        let (middle, last) = (times.len() / 2, times.len().saturating_sub(1));
        let median = (at(middle) + at(last.saturating_sub(middle))) / 2.0;
        Self { median, min: at(0), max: at(last) }
    }

    pub fn json(&self) -> Value {
        json!({"median": self.median, "min": self.min, "max": self.max})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        for (times, median) in [(vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 2.0, 3.0], 2.5), (vec![7.0], 7.0)] {
            let seconds = Seconds::of(times);
            assert_eq!(seconds.median, median);
            assert!(seconds.min <= median && median <= seconds.max);
        }
    }
}
