//! Results as CSV and JSON.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::metric::{COSTS, NUMBERS};
use crate::outcome::Outcome;
use crate::pairs::Pair;
use crate::plan::Cell;
use crate::results::{Difference, Results, Row};
use crate::sensitivity::Sensitivity;

/// A line a run, as RFC 4180 has it: its values, seed, state, numbers, those of each class, what it took, reason.
///
/// # Errors
/// None that is known: it is written to memory.
pub fn csv(results: &Results) -> Result<Vec<u8>, csv::Error> {
    let sweep = results.sweep;
    let axes = sweep.axes.iter().map(|axis| axis.name.as_str());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let classes: BTreeSet<&str> = results.outcomes.values().flat_map(Outcome::class_numbers).collect();
    let numbers = || NUMBERS.into_iter().chain(classes.iter().copied()).chain(COSTS);
    writer.write_record(axes.chain(["seed", "state"]).chain(numbers()).chain(["reason"]))?;
    for run in sweep.runs() {
        let outcome = results.outcomes.get(&(run.cell.clone(), run.seed));
        let mut cells: Vec<String> = sweep.names(&run.cell).into_iter().map(str::to_owned).collect();
        cells.extend([run.seed.to_string(), outcome.map_or("missing", Outcome::state).to_owned()]);
        let number =
            |name: &str| outcome.and_then(|outcome| outcome.number(name)).map_or(String::new(), |n| n.to_string());
        cells.extend(numbers().map(number));
        cells.push(match outcome {
            Some(Outcome::Failed { reason }) => reason.clone(),
            _ => String::new(),
        });
        writer.write_record(cells)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// Everything: the rows with their numbers, the differences, what grids span, and each run.
pub fn json(results: &Results) -> Value {
    let sweep = results.sweep;
    let named = |cell: &Cell| -> Value {
        let pairs = sweep.axes.iter().zip(sweep.names(cell)).map(|(axis, name)| (axis.name.clone(), json!(name)));
        pairs.collect::<serde_json::Map<_, _>>().into()
    };
    let row = |row: &Row| json!({"values": named(&row.cell), "by_seed": row.by_seed, "spread": row.spread(), "failed": row.failed});
    let difference = |one: &Difference| {
        let (row, with) = (&results.rows[one.row].cell, &results.rows[one.with].cell);
        json!({"values": named(row), "with": named(with), "by_seed": one.paired.by_seed, "spread": one.paired.spread, "interval": one.paired.interval})
    };
    let pair = |one: &Pair| {
        let of = |rows: &[usize]| rows.iter().map(|row| named(&results.rows[*row].cell)).collect::<Vec<_>>();
        json!({
            "values": of(&one.rows), "with": of(&one.with), "higher": one.higher, "lower": one.lower,
            "by_seed": one.paired.by_seed, "spread": one.paired.spread, "interval": one.paired.interval,
            "left_out": one.left_out, "beyond": one.beyond
        })
    };
    let sensitivity = |one: &Sensitivity| {
        let cell = |row: usize| named(&results.rows[row].cell);
        json!({
            "default": cell(one.default), "least": cell(one.least), "most": cell(one.most), "spread": one.spread, "chance": one.chance,
            "regret_by_seed": one.regret.by_seed, "regret": one.regret.spread, "interval": one.regret.interval
        })
    };
    let run = |((cell, seed), outcome): (&(Cell, u64), &Outcome)| json!({"values": named(cell), "seed": seed, "outcome": outcome});
    json!({
        "metric": sweep.metric,
        "seeds": sweep.seeds,
        "rows": results.rows.iter().map(row).collect::<Vec<_>>(),
        "differences": results.differences.iter().map(difference).collect::<Vec<_>>(),
        "pairs": results.pairs.iter().map(pair).collect::<Vec<_>>(),
        "sensitivities": results.sensitivities.iter().map(sensitivity).collect::<Vec<_>>(),
        "runs": results.outcomes.iter().map(run).collect::<Vec<_>>(),
    })
}
