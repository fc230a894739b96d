//! Results as Markdown, CSV and JSON.

use serde_json::{Value, json};

use crate::outcome::{COSTS, NUMBERS, Outcome};
use crate::plan::Cell;
use crate::results::{Difference, Results, Row};
use crate::sensitivity::Sensitivity;
use crate::statistics::{Interval, Spread};

/// What came out, for people: means and standard deviations, differences, and what failed.
pub fn markdown(results: &Results) -> String {
    let mut text = means(results);
    let chosen: Vec<&str> =
        results.sweep.axes.iter().filter(|axis| axis.choose).map(|axis| axis.name.as_str()).collect();
    if !chosen.is_empty() {
        text += &format!("\nEach with the {} of the best mean, which is in brackets.\n", chosen.join(" and "));
    }
    if !results.differences.is_empty() {
        text += &format!("\n{}", differences(results));
    }
    if !results.sensitivities.is_empty() {
        text += &format!("\n{}", sensitivities(results));
    }
    let failures = failures(results);
    if !failures.is_empty() {
        text += &format!("\nFailed:\n\n{failures}");
    }
    text
}

/// Means and standard deviations, in rows by all axes but the one whose values stand side by side.
pub fn means(results: &Results) -> String {
    let sweep = results.sweep;
    let beside: Vec<usize> =
        (0..sweep.axes.len()).filter(|axis| Some(*axis) != sweep.columns && !sweep.axes[*axis].choose).collect();
    let mut head: Vec<String> = beside.iter().map(|axis| sweep.axes[*axis].name.clone()).collect();
    let choices = sweep.columns.map_or(1, |axis| sweep.axes[axis].choices.len());
    head.extend((0..choices).map(|choice| match sweep.columns {
        Some(axis) => sweep.axes[axis].choices[choice].name.clone(),
        None => sweep.metric.clone(),
    }));
    let mut lines = vec![line(&head), line(&vec!["---".to_owned(); head.len()])];
    let mut done: Vec<Vec<usize>> = Vec::new();
    for row in &results.rows {
        let place: Vec<usize> = beside.iter().map(|axis| row.cell.0[*axis]).collect();
        if done.contains(&place) {
            continue;
        }
        let names = beside.iter().zip(&place).map(|(axis, choice)| sweep.axes[*axis].choices[*choice].name.clone());
        let mut cells: Vec<String> = names.collect();
        for choice in 0..choices {
            let mut cell = row.cell.clone();
            if let Some(axis) = sweep.columns {
                cell.0[axis] = choice;
            }
            cells.push(results.row_of(&cell).map_or(String::new(), |row| number(results, &results.rows[row])));
        }
        lines.push(line(&cells));
        done.push(place);
    }
    let seeds: Vec<String> = sweep.seeds.iter().map(u64::to_string).collect();
    format!("{} (mean ± standard deviation, seeds {}):\n\n{}", sweep.metric, seeds.join(", "), lines.concat())
}

/// Mean and deviation, how many runs where some are missing, and what was chosen.
fn number(results: &Results, row: &Row) -> String {
    let sweep = results.sweep;
    let Some(spread) = row.spread() else {
        return if row.failed > 0 { "failed".into() } else { "-".into() };
    };
    let mut text = of_spread(&spread, "");
    if spread.count < sweep.seeds.len() {
        text += &format!(" ({} of {})", spread.count, sweep.seeds.len());
    }
    let chosen: Vec<&str> = sweep
        .names(&row.cell)
        .into_iter()
        .zip(&sweep.axes)
        .filter(|(_, axis)| axis.choose)
        .map(|(name, _)| name)
        .collect();
    if !chosen.is_empty() {
        text += &format!(" [{}]", chosen.join(", "));
    }
    text
}

fn of_spread(spread: &Spread, sign: &str) -> String {
    let signed = |number: f64| if sign.is_empty() { format!("{number:.3}") } else { format!("{number:+.3}") };
    match spread.standard_deviation {
        Some(deviation) => format!("{} ± {deviation:.3}", signed(spread.mean)),
        None => signed(spread.mean),
    }
}

fn differences(results: &Results) -> String {
    let sweep = results.sweep;
    let Some((axis, value)) = sweep.compare else { return String::new() };
    let mut head: Vec<String> = sweep.axes.iter().filter(|axis| !axis.choose).map(|axis| axis.name.clone()).collect();
    head.extend(["difference", "bootstrap interval", "seeds"].map(str::to_owned));
    let mut lines = vec![line(&head), line(&vec!["---".to_owned(); head.len()])];
    for difference in &results.differences {
        let names = sweep.names(&results.rows[difference.row].cell).into_iter().zip(&sweep.axes);
        let mut cells: Vec<String> = names.filter(|(_, axis)| !axis.choose).map(|(name, _)| name.to_owned()).collect();
        cells.extend([
            of_spread(&difference.spread, "+"),
            difference.interval.as_ref().map_or("-".into(), interval),
            difference.by_seed.len().to_string(),
        ]);
        lines.push(line(&cells));
    }
    format!(
        "Difference of {} from {} `{}`, seed by seed:\n\n{}",
        sweep.metric,
        sweep.axes[axis].name,
        sweep.axes[axis].choices[value].name,
        lines.concat()
    )
}

fn sensitivities(results: &Results) -> String {
    let sweep = results.sweep;
    let defaults: Vec<usize> = sweep.default.iter().map(|(axis, _)| *axis).collect();
    let beside: Vec<usize> = sweep.beside_grid().collect();
    let names = |row: usize, axes: &[usize]| {
        let names = sweep.names(&results.rows[row].cell);
        axes.iter().map(|axis| (sweep.axes[*axis].name.clone(), names[*axis].to_owned())).collect::<Vec<_>>()
    };
    let joined = |row: usize| {
        let pairs = names(row, &defaults).into_iter().map(|(axis, value)| format!("{axis} {value}"));
        pairs.collect::<Vec<_>>().join(", ")
    };
    let mut head: Vec<String> = beside.iter().map(|axis| sweep.axes[*axis].name.clone()).collect();
    head.extend(
        ["cells", "least", "most", "standard deviation over cells", "default", "regret", "bootstrap interval"]
            .map(str::to_owned),
    );
    let mut lines = vec![line(&head), line(&vec!["---".to_owned(); head.len()])];
    for one in &results.sensitivities {
        let mean =
            |row: usize| results.rows[row].spread().map_or(String::new(), |spread| format!("{:.3}", spread.mean));
        let mut cells: Vec<String> = names(one.default, &beside).into_iter().map(|(_, value)| value).collect();
        cells.extend([
            one.spread.count.to_string(),
            format!("{} ({})", mean(one.least), joined(one.least)),
            format!("{} ({})", mean(one.most), joined(one.most)),
            one.spread.standard_deviation.map_or("-".into(), |deviation| format!("{deviation:.3}")),
            mean(one.default),
            of_spread(&one.regret, "+"),
            one.interval.as_ref().map_or("-".into(), interval),
        ]);
        lines.push(line(&cells));
    }
    format!(
        "What the grid spans in means of {}, and what its best cell has more than the default ({}), seed by seed:\n\n{}",
        sweep.metric,
        results.sensitivities.first().map_or(String::new(), |one| joined(one.default)),
        lines.concat()
    )
}

fn interval(interval: &Interval) -> String {
    let clear = if interval.is_clear() { "" } else { ", holds 0" };
    format!("{:+.3} to {:+.3}{clear}", interval.low, interval.high)
}

fn failures(results: &Results) -> String {
    let line = |((cell, seed), outcome): (&(Cell, u64), &Outcome)| match outcome {
        Outcome::Failed { reason } => {
            let seed = format!("seed {seed}");
            let names = results.sweep.names(cell).into_iter().chain([seed.as_str()]).collect::<Vec<_>>().join(", ");
            Some(format!("- {names}: {reason}\n"))
        }
        Outcome::Finished { .. } => None,
    };
    results.outcomes.iter().filter_map(line).collect()
}

fn line(cells: &[String]) -> String {
    let escaped: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", escaped.join(" | "))
}

/// A line a run, as RFC 4180 has it: its values, seed, state, numbers, what it took, reason.
///
/// # Errors
/// None that is known: it is written to memory.
pub fn csv(results: &Results) -> Result<Vec<u8>, csv::Error> {
    let sweep = results.sweep;
    let axes = sweep.axes.iter().map(|axis| axis.name.as_str());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(axes.chain(["seed", "state"]).chain(NUMBERS).chain(COSTS).chain(["reason"]))?;
    for run in sweep.runs() {
        let outcome = results.outcomes.get(&(run.cell.clone(), run.seed));
        let mut cells: Vec<String> = sweep.names(&run.cell).into_iter().map(str::to_owned).collect();
        cells.extend([run.seed.to_string(), outcome.map_or("missing", Outcome::state).to_owned()]);
        let number =
            |name: &str| outcome.and_then(|outcome| outcome.number(name)).map_or(String::new(), |n| n.to_string());
        cells.extend(NUMBERS.map(number));
        cells.extend(COSTS.map(number));
        cells.push(match outcome {
            Some(Outcome::Failed { reason }) => reason.clone(),
            _ => String::new(),
        });
        writer.write_record(cells)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// Everything: the rows with their numbers, the differences, and each run.
pub fn json(results: &Results) -> Value {
    let sweep = results.sweep;
    let named = |cell: &Cell| -> Value {
        let pairs = sweep.axes.iter().zip(sweep.names(cell)).map(|(axis, name)| (axis.name.clone(), json!(name)));
        pairs.collect::<serde_json::Map<_, _>>().into()
    };
    let row = |row: &Row| json!({"values": named(&row.cell), "by_seed": row.by_seed, "spread": row.spread(), "failed": row.failed});
    let difference = |one: &Difference| {
        let (row, with) = (&results.rows[one.row].cell, &results.rows[one.with].cell);
        json!({"values": named(row), "with": named(with), "by_seed": one.by_seed, "spread": one.spread, "interval": one.interval})
    };
    let sensitivity = |one: &Sensitivity| {
        let cell = |row: usize| named(&results.rows[row].cell);
        json!({
            "default": cell(one.default), "least": cell(one.least), "most": cell(one.most), "spread": one.spread,
            "regret_by_seed": one.regret_by_seed, "regret": one.regret, "interval": one.interval
        })
    };
    let run = |((cell, seed), outcome): (&(Cell, u64), &Outcome)| json!({"values": named(cell), "seed": seed, "outcome": outcome});
    json!({
        "metric": sweep.metric,
        "seeds": sweep.seeds,
        "rows": results.rows.iter().map(row).collect::<Vec<_>>(),
        "differences": results.differences.iter().map(difference).collect::<Vec<_>>(),
        "sensitivities": results.sensitivities.iter().map(sensitivity).collect::<Vec<_>>(),
        "runs": results.outcomes.iter().map(run).collect::<Vec<_>>(),
    })
}
