//! Every two values of an axis, seed by seed, over the values of another one together.

use std::collections::BTreeMap;

use crate::plan::{Pairs, Sweep};
use crate::results::{Row, difference, place};
use crate::statistics::{Paired, Spread};

/// How one value of an axis differs from another one, over several rows together.
#[derive(Clone, Debug, PartialEq)]
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
    pub paired: Paired,
    /// The mean over the rows that were left out, in the same way; `None` where none was, or no seed has it.
    pub left_out: Option<Paired>,
    /// What the mean has beyond that one; `None` where no seed has both.
    pub beyond: Option<Paired>,
}

/// Every two values, the later one less the earlier one, for each combination of values of the other axes; none where the sweep
/// does not ask for them. Of two values that have no seed in common nothing is said.
pub fn pairs(sweep: &Sweep, rows: &[Row]) -> Vec<Pair> {
    let Some(asked) = &sweep.pairs else { return Vec::new() };
    let values = sweep.axes[asked.axis].choices.len();
    let firsts = rows.iter().filter(|row| asked.counted(&row.cell, 0).first() == Some(&row.cell));
    let of_first = |first| {
        let two = (0..values).flat_map(|one| (0..one).map(move |other| (one, other)));
        two.filter_map(move |(one, other)| pair((sweep, asked), rows, first, (one, other)))
    };
    firsts.flat_map(of_first).collect()
}

fn pair((sweep, asked): (&Sweep, &Pairs), rows: &[Row], first: &Row, (one, other): (usize, usize)) -> Option<Pair> {
    let places = |cells: Vec<_>| cells.iter().map(|cell| place(sweep, rows, cell)).collect::<Option<Vec<usize>>>();
    let differences = |ones: &[usize], others: &[usize]| -> Vec<BTreeMap<u64, f64>> {
        ones.iter().zip(others).map(|(one, other)| difference(&rows[*one], &rows[*other])).collect()
    };
    let counted = |value| places(asked.counted(&first.cell, value));
    let left_out = |value| places(asked.left_out(&first.cell, value));
    let (ones, others) = (counted(one)?, counted(other)?);

    let each = differences(&ones, &others);
    let ends = || each.iter().filter_map(|by_seed| Paired::of(by_seed.values().copied())?.interval);
    let higher = ends().filter(|interval| interval.low > 0.0).count();
    let lower = ends().filter(|interval| interval.high < 0.0).count();

    let over = means(&each);
    let without = means(&differences(&left_out(one)?, &left_out(other)?));
    let beyond = Paired::of(over.iter().filter_map(|(seed, mean)| Some(mean - without.get(seed)?)));
    let (paired, left_out) = (Paired::of(over.into_values())?, Paired::of(without.into_values()));
    Some(Pair { rows: ones, with: others, higher, lower, paired, left_out, beyond })
}

/// By seed, the mean of several differences; of the seeds that all of them have.
fn means(differences: &[BTreeMap<u64, f64>]) -> BTreeMap<u64, f64> {
    let Some(first) = differences.first() else { return BTreeMap::new() };
    let of_seed = |seed: &u64| {
        let each: Option<Vec<f64>> = differences.iter().map(|by_seed| by_seed.get(seed).copied()).collect();
        Some((*seed, Spread::of(each?)?.mean))
    };
    first.keys().filter_map(of_seed).collect()
}
