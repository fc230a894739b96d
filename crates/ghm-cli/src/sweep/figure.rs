//! A sweep's charts: its number over one axis, a series for each value that stands side by side.

use anyhow::Result;
use ghm_report::{Chart, ChartAxis, Figure, Mark, Point, Series};
use ghm_sweep::{Cell, Results};

/// A chart for each combination of the other axes; none where nothing has come out yet, or nothing varies.
pub fn figures(results: &Results) -> Result<Vec<Figure>> {
    let charts =
        charts(results).into_iter().filter(|chart| chart.series.iter().any(|series| !series.points.is_empty()));
    charts.map(|chart| Ok(Figure { svg: chart.svg()?, title: chart.title })).collect()
}

fn charts(results: &Results) -> Vec<Chart> {
    let sweep = results.sweep;
    let Some(columns) = sweep.columns else { return Vec::new() };
    let shown: Vec<usize> =
        (0..sweep.axes.len()).filter(|axis| *axis != columns && !sweep.axes[*axis].choose).collect();
    // Where nothing else varies, the columns lie along the chart.
    let (along, beside) = shown.split_last().map_or((columns, &[][..]), |(along, beside)| (*along, beside));
    let mut charts: Vec<(Vec<usize>, Chart)> = Vec::new();
    for row in &results.rows {
        let place: Vec<usize> = beside.iter().map(|axis| row.cell.0[*axis]).collect();
        if !charts.iter().any(|(other, _)| *other == place) {
            charts.push((place, chart(results, (along, columns), beside, &row.cell)));
        }
    }
    charts.into_iter().map(|(_, chart)| chart).collect()
}

/// The chart of the values that a cell has of all axes but two.
fn chart(results: &Results, (along, columns): (usize, usize), beside: &[usize], cell: &Cell) -> Chart {
    let sweep = results.sweep;
    let names = |axis: usize| sweep.axes[axis].choices.iter().map(|choice| choice.name.clone()).collect::<Vec<_>>();
    let point = |at: usize, choice: Option<usize>| {
        let mut cell = cell.clone();
        cell.0[along] = at;
        if let Some(choice) = choice {
            cell.0[columns] = choice;
        }
        let spread = results.rows[results.row_of(&cell)?].spread()?;
        Some(Point { x: at as f64, y: spread.mean, spread: spread.standard_deviation.unwrap_or(0.0) })
    };
    let series = |name: String, choice: Option<usize>| Series {
        name,
        mark: if choice.is_some() { Mark::DotsAndLine } else { Mark::Dots },
        points: (0..sweep.axes[along].choices.len()).filter_map(|at| point(at, choice)).collect(),
    };
    let of: Vec<String> = beside.iter().map(|axis| sweep.axes[*axis].choices[cell.0[*axis]].name.clone()).collect();
    Chart {
        title: [vec![sweep.metric.clone()], of].concat().join(", "),
        x: ChartAxis { names: names(along), ..ChartAxis::of(&sweep.axes[along].name) },
        y: ChartAxis::of(&format!("{}, mean ± standard deviation", sweep.metric)),
        series: if along == columns {
            vec![series(sweep.metric.clone(), None)]
        } else {
            let names = named(&sweep.axes[columns].name, names(columns));
            names.into_iter().enumerate().map(|(choice, name)| series(name, Some(choice))).collect()
        },
    }
}

/// Values that are numbers with what they are numbers of, which they do not say alone.
fn named(axis: &str, values: Vec<String>) -> Vec<String> {
    let numbers = values.iter().all(|value| value.parse::<f64>().is_ok());
    if numbers { values.iter().map(|value| format!("{axis} {value}")).collect() } else { values }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn numbers_say_of_what_they_are_and_words_speak_for_themselves() {
        let of = |values: [&str; 2]| named("gamma", values.map(str::to_owned).into());
        assert_eq!(of(["0.5", "1"]), ["gamma 0.5", "gamma 1"]);
        assert_eq!(of(["0.5", "none"]), ["0.5", "none"]);
    }
}
