//! Outcomes by cell, the chosen ones, and how they differ.

use std::collections::BTreeMap;

use crate::outcome::Outcome;
use crate::pairs::{Pair, pairs};
use crate::plan::{Cell, Sweep};
use crate::sensitivity::{Sensitivity, sensitivities};
use crate::statistics::{Paired, Spread};

/// What came out of each run that has ended, by cell and seed.
pub type Outcomes = BTreeMap<(Cell, u64), Outcome>;

/// What came out of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Results<'a> {
    /// The sweep.
    pub sweep: &'a Sweep,
    /// What came out of each run that has ended.
    pub outcomes: &'a Outcomes,
    /// One row for each combination of values of the axes that are not chosen from.
    pub rows: Vec<Row>,
    /// How rows differ from what they are compared with.
    pub differences: Vec<Difference>,
    /// How every two values of an axis differ, over several rows together.
    pub pairs: Vec<Pair>,
    /// How much the grids of settings that have defaults matter.
    pub sensitivities: Vec<Sensitivity>,
}

/// What came out of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The cell; of axes that are chosen from, it has the value with the best mean.
    pub cell: Cell,
    /// The number that is compared, by seed.
    pub by_seed: BTreeMap<u64, f64>,
    /// Runs that failed.
    pub failed: usize,
}

impl Row {
    /// Mean and standard deviation of the number that is compared; `None` where no run has it.
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(self.by_seed.values().copied())
    }
}

/// How a row differs from another, seed by seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The row, as an index.
    pub row: usize,
    /// What it is compared with, as an index.
    pub with: usize,
    /// Its number less the other's.
    pub paired: Paired,
}

impl<'a> Results<'a> {
    /// Of a sweep, from what came out of its runs so far.
    pub fn new(sweep: &'a Sweep, outcomes: &'a Outcomes) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for cell in sweep.cells() {
            let row = row(sweep, outcomes, cell);
            match place(sweep, &rows, &row.cell) {
                Some(other) if merit(&row) > merit(&rows[other]) => rows[other] = row,
                Some(_) => {}
                None => rows.push(row),
            }
        }
        let differences = differences(sweep, &rows);
        let pairs = pairs(sweep, &rows);
        let sensitivities = sensitivities(sweep, &rows);
        Self { sweep, outcomes, rows, differences, pairs, sensitivities }
    }

    /// The row of a combination of values, of which those of axes that are chosen from do not count.
    pub fn row_of(&self, cell: &Cell) -> Option<usize> {
        place(self.sweep, &self.rows, cell)
    }
}

/// The values of the axes that are not chosen from.
fn shown(sweep: &Sweep, cell: &Cell) -> Vec<usize> {
    sweep.axes.iter().zip(&cell.0).filter(|(axis, _)| !axis.choose).map(|(_, choice)| *choice).collect()
}

/// The row of a cell, of which the values of axes that are chosen from do not count.
pub fn place(sweep: &Sweep, rows: &[Row], cell: &Cell) -> Option<usize> {
    rows.iter().position(|row| shown(sweep, &row.cell) == shown(sweep, cell))
}

/// By which one value is chosen before another: one with which more runs have the number, and of equals the better mean.
fn merit(row: &Row) -> (usize, f64) {
    row.spread().map_or((0, f64::NEG_INFINITY), |spread| (spread.count, spread.mean))
}

fn row(sweep: &Sweep, outcomes: &Outcomes, cell: Cell) -> Row {
    let ended = || sweep.seeds.iter().filter_map(|seed| Some((*seed, outcomes.get(&(cell.clone(), *seed))?)));
    let by_seed = ended().filter_map(|(seed, outcome)| Some((seed, outcome.number(&sweep.metric)?))).collect();
    let failed = ended().filter(|(_, outcome)| matches!(outcome, Outcome::Failed { .. })).count();
    Row { by_seed, failed, cell }
}

/// By seed, a row's number less another's; of the seeds that both have.
pub fn difference(one: &Row, other: &Row) -> BTreeMap<u64, f64> {
    one.by_seed.iter().filter_map(|(seed, number)| Some((*seed, number - other.by_seed.get(seed)?))).collect()
}

fn differences(sweep: &Sweep, rows: &[Row]) -> Vec<Difference> {
    let Some((axis, value)) = sweep.compare else { return Vec::new() };
    let compared = |(row, one): (usize, &Row)| {
        if one.cell.0[axis] == value {
            return None;
        }
        let mut other = one.cell.clone();
        other.0[axis] = value;
        let with = place(sweep, rows, &other)?;
        Some(Difference { row, with, paired: Paired::of(difference(one, &rows[with]).into_values())? })
    };
    rows.iter().enumerate().filter_map(compared).collect()
}
