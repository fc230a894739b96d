//! Every two values of an axis, seed by seed, over the values of another one together.

use serde::Serialize;

use crate::plan::Sweep;
use crate::results::{Row, difference, place};
use crate::statistics::{Interval, Spread};

/// How one value of an axis differs from another one, over several rows together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// Rows with the one value, as indices.
    pub rows: Vec<usize>,
    /// Rows with the other one, in the same order.
    pub with: Vec<usize>,
    /// In how many of them the one is higher: the interval of the differences lies above 0.
    pub higher: usize,
    /// In how many of them it is lower.
    pub lower: usize,
    /// The mean over the rows of the one's number less the other's, with each seed that all of them have.
    pub by_seed: Vec<f64>,
    /// Their mean and standard deviation.
    pub spread: Spread,
    /// Where the mean lies; `None` of one seed.
    pub interval: Option<Interval>,
}

/// Every two values, the later one less the earlier one, for each combination of values of the other axes; none where the sweep does not ask for them.
/// Of two values that have no seed in common nothing is said.
pub fn pairs(sweep: &Sweep, rows: &[Row]) -> Vec<Pair> {
    let Some(asked) = &sweep.pairs else { return Vec::new() };
    let of = |first: &Row, value: usize| -> Option<Vec<usize>> {
        asked.cells(&first.cell, value).iter().map(|cell| place(sweep, rows, cell)).collect()
    };
    let values = sweep.axes[asked.axis].choices.len();
    let firsts = rows.iter().filter(|row| asked.cells(&row.cell, 0).first() == Some(&row.cell));
    let of_first = |first| {
        let two = (0..values).flat_map(|one| (0..one).map(move |other| (one, other)));
        two.filter_map(move |(one, other)| pair(sweep, rows, of(first, one)?, of(first, other)?))
    };
    firsts.flat_map(of_first).collect()
}

fn pair(sweep: &Sweep, rows: &[Row], ones: Vec<usize>, others: Vec<usize>) -> Option<Pair> {
    let both = || ones.iter().zip(&others).map(|(one, other)| (&rows[*one], &rows[*other]));
    let of_seed = |seed: &u64| {
        let each: Option<Vec<f64>> =
            both().map(|(one, other)| Some(one.by_seed.get(seed)? - other.by_seed.get(seed)?)).collect();
        Spread::of(each?).map(|spread| spread.mean)
    };
    let by_seed: Vec<f64> = sweep.seeds.iter().filter_map(of_seed).collect();
    let spread = Spread::of(by_seed.iter().copied())?;
    let intervals: Vec<Interval> = both().filter_map(|(one, other)| Interval::of(&difference(one, other), 0)).collect();
    let higher = intervals.iter().filter(|interval| interval.low > 0.0).count();
    let lower = intervals.iter().filter(|interval| interval.high < 0.0).count();
    let interval = Interval::of(&by_seed, 0);
    Some(Pair { rows: ones, with: others, higher, lower, by_seed, spread, interval })
}
