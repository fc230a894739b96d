//! One axis of several sweeps in one table.

use crate::markdown::{chosen, failures, line, number, seeds};
use crate::plan::Cell;
use crate::results::Results;

/// A sweep of such a table.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// What its columns are called.
    pub name: &'a str,
    /// What came out of it.
    pub results: &'a Results<'a>,
    /// The axis whose values are the rows, one that is not chosen from.
    pub axis: usize,
}

/// Means and standard deviations as Markdown: a row for each value that the axis has in one of the sweeps, values of one name being one,
/// and for each sweep a column for each combination of its other axes; then what was chosen, and what failed.
///
/// # Panics
/// For an axis that its sweep does not have.
pub fn joined(parts: &[Part]) -> String {
    let mut values: Vec<&str> = Vec::new();
    for choice in parts.iter().flat_map(|part| &part.results.sweep.axes[part.axis].choices) {
        if !values.contains(&choice.name.as_str()) {
            values.push(&choice.name);
        }
    }
    let columns: Vec<(&Part, Cell)> =
        parts.iter().flat_map(|part| columns(part).into_iter().map(move |cell| (part, cell))).collect();
    let axis = parts.first().map_or(String::new(), |part| part.results.sweep.axes[part.axis].name.clone());
    let head: Vec<String> = [axis].into_iter().chain(columns.iter().map(|(part, cell)| named(part, cell))).collect();
    let mut lines = vec![line(&head), line(&vec!["---".to_owned(); head.len()])];
    for value in values {
        let cells = columns.iter().map(|(part, cell)| at(part, cell, value).unwrap_or_default());
        lines.push(line(&[value.to_owned()].into_iter().chain(cells).collect::<Vec<_>>()));
    }
    let of = |part: &Part| {
        let sweep = part.results.sweep;
        format!("{}: {}, {}", part.name, sweep.metric, seeds(sweep))
    };
    let of: Vec<String> = parts.iter().map(of).collect();
    let mut text = format!("Mean ± standard deviation ({}):\n\n{}", of.join("; "), lines.concat());
    for part in parts {
        if let Some(chosen) = chosen(part.results.sweep) {
            text += &format!("\nOf {} each with the {chosen} of the best mean, which is in brackets.\n", part.name);
        }
    }
    for part in parts {
        let failures = failures(part.results);
        if !failures.is_empty() {
            text += &format!("\nFailed of {}:\n\n{failures}", part.name);
        }
    }
    text
}

/// A row for each column of a sweep, its value of the axis of the rows being whatever.
fn columns(part: &Part) -> Vec<Cell> {
    let mut columns: Vec<Cell> = Vec::new();
    let cells = part.results.rows.iter().map(|row| row.cell.with(part.axis, 0));
    for cell in cells {
        if !columns.iter().any(|other| part.results.row_of(other) == part.results.row_of(&cell)) {
            columns.push(cell);
        }
    }
    columns
}

/// The sweep's name and the values of the axes that are shown, but for that of the rows.
fn named(part: &Part, cell: &Cell) -> String {
    let sweep = part.results.sweep;
    let names = sweep.names(cell).into_iter().zip(&sweep.axes).enumerate();
    let shown = names.filter(|(axis, (_, of))| *axis != part.axis && !of.choose).map(|(_, (name, _))| name);
    [part.name].into_iter().chain(shown).collect::<Vec<_>>().join(", ")
}

/// What a column has of a value; `None` where the sweep does not have that value.
fn at(part: &Part, column: &Cell, value: &str) -> Option<String> {
    let results = part.results;
    let value = results.sweep.axes[part.axis].choices.iter().position(|choice| choice.name == value)?;
    Some(number(results, &results.rows[results.row_of(&column.with(part.axis, value))?]))
}
