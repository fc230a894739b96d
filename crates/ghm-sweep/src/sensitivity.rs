//! How much a grid of settings matters, and what it costs to leave them at their defaults.

use crate::plan::Sweep;
use crate::results::{Row, difference};
use crate::statistics::{Paired, Spread};

/// How the rows of a grid lie: those that differ in nothing but the axes that have a default.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// The row of the defaults, as an index.
    pub default: usize,
    /// The row with the least mean.
    pub least: usize,
    /// The row with the largest mean.
    pub most: usize,
    /// How the means of the rows lie.
    pub spread: Spread,
    /// The standard deviation that means would have if no setting mattered: that of the seeds within a row, over the root of
    /// their number; `None` of one seed.
    pub chance: Option<f64>,
    /// What the best row has more than the default's.
    pub regret: Paired,
}

/// One for each combination of values of the axes that have no default and are not chosen from; none where the sweep names no defaults.
/// Of a grid without the default's runs nothing is said.
pub fn sensitivities(sweep: &Sweep, rows: &[Row]) -> Vec<Sensitivity> {
    if sweep.default.is_empty() {
        return Vec::new();
    }
    let is_default = |row: &Row| sweep.default.iter().all(|(axis, value)| row.cell.0[*axis] == *value);
    let of_grid = |(default, row): (usize, &Row)| {
        let beside = |other: &Row| sweep.beside_grid().all(|axis| other.cell.0[axis] == row.cell.0[axis]);
        let grid = || rows.iter().enumerate().filter(|(_, other)| beside(other));
        let chance = chance(grid().filter_map(|(_, other)| other.spread()));
        let mut means: Vec<(usize, f64)> =
            grid().filter_map(|(place, other)| Some((place, other.spread()?.mean))).collect();
        let spread = Spread::of(means.iter().map(|(_, mean)| *mean))?;
        means.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        let ((least, _), (most, _)) = (*means.first()?, *means.last()?);
        let regret = Paired::of(difference(&rows[most], row).into_values())?;
        Some(Sensitivity { default, least, most, spread, chance, regret })
    };
    rows.iter().enumerate().filter(|(_, row)| is_default(row)).filter_map(of_grid).collect()
}

/// The standard deviation of a mean of seeds: the root of the mean, over the rows, of their variance by their number of seeds.
fn chance(spreads: impl Iterator<Item = Spread>) -> Option<f64> {
    let variance = |spread: Spread| Some(spread.standard_deviation?.powi(2) / spread.count as f64);
    Spread::of(spreads.filter_map(variance)).map(|spread| spread.mean.sqrt())
}
