//! `ghm bench losses`: every loss of `ghm-loss`, value and gradient.

use std::num::NonZero;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ghm_loss::LossConfig;
use rayon::ThreadPoolBuilder;
use serde_json::{Value, json};

use super::loss_data::{CLASSES, LossData};
use super::loss_timing::{Effort, LossTiming, time_loss};
use crate::arguments::BenchLossesArguments;
use crate::output::print;
use crate::table::{aligned, counted, say};

/// Element counts unless told otherwise: from what fits a cache to ten images of 640x640; 3,024,000 is the logits of two.
const ELEMENTS: [usize; 5] = [10_000, 100_000, 1_000_000, 3_024_000, 30_000_000];

/// The same for a quick look.
const FEW_ELEMENTS: [usize; 3] = [10_000, 100_000, 1_000_000];

/// What is measured.
struct Plan {
    losses: Vec<LossConfig>,
    elements: Vec<usize>,
    threads: Vec<usize>,
    effort: Effort,
}

/// One line of the table.
struct Row {
    loss: &'static str,
    elements: usize,
    threads: usize,
    timing: LossTiming,
}

/// Runs the verb.
pub fn run(arguments: &BenchLossesArguments) -> Result<ExitCode> {
    let plan = Plan::of(arguments)?;
    let rows = plan.measure()?;
    print(&if arguments.json { serde_json::to_string_pretty(&plan.json(&rows))? } else { table(&rows) })?;
    Ok(ExitCode::SUCCESS)
}

impl Plan {
    fn of(arguments: &BenchLossesArguments) -> Result<Self> {
        for elements in &arguments.elements {
            ensure!(
                *elements > 0 && elements.is_multiple_of(CLASSES),
                "--elements {elements}: give a multiple of {CLASSES}, the logits of a row"
            );
        }
        ensure!(!arguments.threads.contains(&0), "--threads 0: give at least 1");
        let or = |given: &[usize], default: &[usize]| if given.is_empty() { default } else { given }.to_vec();
        let mut all_threads = vec![1, std::thread::available_parallelism().map_or(1, NonZero::get)];
        all_threads.dedup();
        let millis = if arguments.quick { 20 } else { 300 };
        Ok(Self {
            losses: losses(&arguments.loss)?,
            elements: or(&arguments.elements, if arguments.quick { &FEW_ELEMENTS } else { &ELEMENTS }),
            threads: or(&arguments.threads, &all_threads),
            effort: Effort { time: Duration::from_millis(millis), repeats: 5 },
        })
    }

    fn measure(&self) -> Result<Vec<Row>> {
        let mut pools = Vec::new();
        for &threads in &self.threads {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            pools.push((threads, pool.with_context(|| format!("--threads {threads}: so many cannot be started"))?));
        }
        let mut rows = Vec::new();
        for &elements in &self.elements {
            for config in &self.losses {
                let data = LossData::of(config, elements);
                for (threads, pool) in &pools {
                    let loss = config.name();
                    say(&format!("{loss}, {elements} elements, {}", counted(*threads, "thread")));
                    let timing = time_loss(config, &data, pool, self.effort)?;
                    rows.push(Row { loss, elements, threads: *threads, timing });
                }
            }
        }
        say("");
        Ok(rows)
    }

    fn json(&self, rows: &[Row]) -> Value {
        let results: Vec<Value> = rows.iter().map(Row::json).collect();
        let copies: Vec<Value> = rows.iter().map(Row::json_of_copy).collect();
        json!({"threads": self.threads, "elements": self.elements, "results": results, "copy": copies})
    }
}

impl Row {
    fn ns_per_element(&self, seconds: f64) -> f64 {
        seconds * 1e9 / self.elements as f64
    }

    fn gb_per_s(&self, seconds: f64) -> f64 {
        self.timing.bytes as f64 / seconds / 1e9
    }

    fn ratio_to_copy(&self) -> f64 {
        self.timing.loss.median / self.timing.copy.median
    }

    fn json(&self) -> Value {
        let seconds = &self.timing.loss;
        json!({
            "loss": self.loss,
            "elements": self.elements,
            "threads": self.threads,
            "bytes": self.timing.bytes,
            "seconds": seconds.json(),
            "ns_per_element": self.ns_per_element(seconds.median),
            "gb_per_s": self.gb_per_s(seconds.median),
            "ratio_to_copy": self.ratio_to_copy(),
        })
    }

    /// The copy that this loss was measured beside.
    fn json_of_copy(&self) -> Value {
        let seconds = &self.timing.copy;
        json!({
            "beside": self.loss,
            "elements": self.elements,
            "threads": self.threads,
            "bytes": self.timing.bytes,
            "seconds": seconds.json(),
            "gb_per_s": self.gb_per_s(seconds.median),
        })
    }

    fn cells(&self) -> [String; 7] {
        let seconds = &self.timing.loss;
        let [median, min, max] = [seconds.median, seconds.min, seconds.max].map(|time| self.ns_per_element(time));
        [
            self.loss.to_owned(),
            self.elements.to_string(),
            self.threads.to_string(),
            format!("{median:.3}"),
            format!("{min:.3} to {max:.3}"),
            format!("{:.1}", self.gb_per_s(seconds.median)),
            format!("{:.2}", self.ratio_to_copy()),
        ]
    }
}

/// Those of these names, or all.
fn losses(names: &[String]) -> Result<Vec<LossConfig>> {
    let all = LossConfig::defaults();
    for name in names {
        let known = all.iter().any(|config| is_called(config, name));
        let names: Vec<&str> = all.iter().map(LossConfig::name).collect();
        ensure!(known, "--loss {name}: no such loss; one of: {}", names.join(", "));
    }
    let wanted = |config: &LossConfig| names.is_empty() || names.iter().any(|name| is_called(config, name));
    Ok(all.into_iter().filter(wanted).collect())
}

fn is_called(config: &LossConfig, name: &str) -> bool {
    config.name() == name.replace('-', "_")
}

/// For people: a line a measurement, and what the columns mean.
fn table(rows: &[Row]) -> String {
    let head = ["loss", "elements", "threads", "ns/element", "min to max", "GB/s", "x copy"].map(ToOwned::to_owned);
    let lines: Vec<[String; 7]> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    aligned(&lines) + &footer(rows)
}

fn footer(rows: &[Row]) -> String {
    let mut text = format!(
        "\nValue and gradient, f32, median of at least 5 calls. An element is a logit (rows of {CLASSES} classes), an offset or a\n\
         coordinate of a box. GB/s: values and targets once a pass, and the gradient. x copy: how many times as long as a\n\
         plain copy that reads half of those bytes and writes the other half, in turn with the loss.\n"
    );
    for exact in rows.iter().filter(|row| row.loss == "ghm_c_exact") {
        let same = |row: &&Row| row.loss == "ghm_c" && (row.elements, row.threads) == (exact.elements, exact.threads);
        if let Some(regions) = rows.iter().find(same) {
            let ratio = exact.timing.loss.median / regions.timing.loss.median;
            let place = format!("{} elements, {}", exact.elements, counted(exact.threads, "thread"));
            text += &format!("exact density over unit regions, {place}: {ratio:.2}\n");
        }
    }
    text.trim_end().to_owned()
}
