//! Results as Markdown.

use crate::outcome::Outcome;
use crate::pairs::Pair;
use crate::plan::{Cell, Over, Sweep};
use crate::results::{Results, Row};
use crate::statistics::{Paired, Spread};

/// What came out, for people: means and standard deviations, differences, and what failed.
pub fn tables(results: &Results) -> String {
    let mut text = means(results);
    if let Some(chosen) = chosen(results.sweep) {
        text += &format!("\nEach with the {chosen} of the best mean, which is in brackets.\n");
    }
    if !results.differences.is_empty() {
        text += &format!("\n{}", differences(results));
    }
    if !results.pairs.is_empty() {
        text += &format!("\n{}", pairs(results));
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

/// The axes that are chosen from; `None` where there is none.
pub(crate) fn chosen(sweep: &Sweep) -> Option<String> {
    let names: Vec<&str> = sweep.axes.iter().filter(|axis| axis.choose).map(|axis| axis.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(" and "))
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
    format!("{} (mean ± standard deviation, {}):\n\n{}", sweep.metric, seeds(sweep), lines.concat())
}

/// The seeds, from the first to the last where four or more follow one another.
pub(crate) fn seeds(sweep: &Sweep) -> String {
    match &sweep.seeds[..] {
        [seed] => format!("seed {seed}"),
        [first, between @ .., last] if between.len() > 1 && follow(&sweep.seeds) => format!("seeds {first} to {last}"),
        seeds => format!("seeds {}", seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
    }
}

fn follow(seeds: &[u64]) -> bool {
    seeds.windows(2).all(|two| two[0].checked_add(1) == Some(two[1]))
}

/// Mean and deviation, how many runs where some are missing, and what was chosen.
pub(crate) fn number(results: &Results, row: &Row) -> String {
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
            of_spread(&difference.paired.spread, "+"),
            interval(&difference.paired),
            difference.paired.by_seed.len().to_string(),
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

fn pairs(results: &Results) -> String {
    let sweep = results.sweep;
    let Some(asked) = &sweep.pairs else { return String::new() };
    let (axis, beside) = (&sweep.axes[asked.axis].name, sweep.beside_pairs());
    let mut head: Vec<String> = beside.iter().map(|axis| sweep.axes[*axis].name.clone()).collect();
    head.extend([axis.clone(), "less".into()]);
    if asked.over.is_some() {
        head.extend(["higher at", "lower at"].map(str::to_owned));
    }
    head.extend(["difference", "bootstrap interval", "seeds"].map(str::to_owned));
    let left_out = asked.over.as_ref().and_then(|over| left_out(sweep, over));
    if let Some(names) = &left_out {
        head.extend([format!("at {names}"), format!("beyond {names}")]);
    }
    let mut lines = vec![line(&head), line(&vec!["---".to_owned(); head.len()])];
    for pair in &results.pairs {
        let Pair { rows, with, .. } = pair;
        let names = sweep.names(&results.rows[rows[0]].cell);
        let mut cells: Vec<String> = beside.iter().map(|axis| names[*axis].to_owned()).collect();
        cells.extend([names[asked.axis], sweep.names(&results.rows[with[0]].cell)[asked.axis]].map(str::to_owned));
        if asked.over.is_some() {
            cells.extend([pair.higher, pair.lower].map(|count| format!("{count} of {}", rows.len())));
        }
        cells.extend([
            of_spread(&pair.paired.spread, "+"),
            interval(&pair.paired),
            pair.paired.by_seed.len().to_string(),
        ]);
        if left_out.is_some() {
            let said = |paired: &Paired| format!("{:+.3} ({})", paired.spread.mean, interval(paired));
            cells.extend([&pair.left_out, &pair.beyond].map(|paired| paired.as_ref().map_or("-".into(), said)));
        }
        lines.push(line(&cells));
    }
    let over = asked.over.as_ref().map_or(String::new(), |over| {
        let without = left_out.map_or(String::new(), |names| format!(" without {names}"));
        let over = &sweep.axes[over.axis].name;
        format!(", over {over}{without} together; higher and lower where the interval does not hold 0")
    });
    format!("Every two of {axis} by {}, seed by seed{over}:\n\n{}", sweep.metric, lines.concat())
}

/// The names of the values over which pairs are not compared; `None` where all count.
fn left_out(sweep: &Sweep, over: &Over) -> Option<String> {
    let name = |value: &usize| format!("`{}`", sweep.axes[over.axis].choices[*value].name);
    let names: Vec<String> = over.left_out.iter().map(name).collect();
    (!names.is_empty()).then(|| names.join(", "))
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
        [
            "cells",
            "least",
            "most",
            "standard deviation over cells",
            "by chance",
            "default",
            "regret",
            "bootstrap interval",
        ]
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
            deviation(one.spread.standard_deviation),
            deviation(one.chance),
            mean(one.default),
            of_spread(&one.regret.spread, "+"),
            interval(&one.regret),
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

fn deviation(deviation: Option<f64>) -> String {
    deviation.map_or("-".into(), |deviation| format!("{deviation:.3}"))
}

fn interval(paired: &Paired) -> String {
    let Some(interval) = &paired.interval else { return "-".into() };
    let clear = if interval.is_clear() { "" } else { ", holds 0" };
    format!("{:+.3} to {:+.3}{clear}", interval.low, interval.high)
}

/// What failed, and why, a line each.
pub(crate) fn failures(results: &Results) -> String {
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

/// A row of a table.
pub(crate) fn line(cells: &[String]) -> String {
    let escaped: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", escaped.join(" | "))
}
