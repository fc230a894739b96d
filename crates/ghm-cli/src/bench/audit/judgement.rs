//! What came out of judging rankings, of one run or of several: then means and standard deviations over the runs.

use std::path::PathBuf;

use anyhow::Result;
use ghm_audit::measure::Judged;
use ghm_sweep::Spread;
use serde_json::{Value, json};

use super::grid::Made;
use crate::table::aligned;

/// Share of the labels that somebody looks through.
const BUDGET: f64 = 0.1;

/// Keys and heads of what is measured.
const MEASURES: [(&str, &str); 6] = [
    ("auroc", "AUROC"),
    ("average_precision", "AP"),
    ("max_f1", "max F1"),
    ("precision_at_50", "P@50"),
    ("precision_at_100", "P@100"),
    ("recall_at_budget", "recall"),
];

/// The rankings of one run's labels, judged.
pub struct Judgement {
    /// The run.
    pub run: PathBuf,
    /// What was done to which labels.
    pub made: Made,
    /// Labels that were ranked.
    pub labels: usize,
    /// Wrong and missing ones, of all kinds.
    pub wrong: usize,
    /// Each way to rank.
    pub rankings: Vec<Ranking>,
    /// The one list over all kinds.
    pub list: Judged,
}

/// One way to rank, and the labels of each kind as it judges them.
pub struct Ranking {
    /// Its name.
    pub name: &'static str,
    /// Name of the kind, and the labels.
    pub kinds: Vec<(&'static str, Judged)>,
}

impl Judgement {
    /// Labels that are looked through for the recall.
    fn budget(&self) -> usize {
        (BUDGET * self.labels as f64).round() as usize
    }

    /// As [`MEASURES`] names them.
    fn numbers(&self, judged: &Judged) -> [Option<f64>; 6] {
        [
            judged.auroc(),
            judged.average_precision(),
            judged.max_f1(),
            judged.precision_at(50),
            judged.precision_at(100),
            judged.recall_at(self.budget()),
        ]
    }
}

impl Ranking {
    /// The mean average precision over the kinds that there are.
    pub fn mean_average_precision(&self) -> Option<f64> {
        spread(self.kinds.iter().map(|(_, judged)| judged.average_precision())).map(|spread| spread.mean)
    }
}

/// How the numbers lie of those runs that have it.
pub fn spread(numbers: impl Iterator<Item = Option<f64>>) -> Option<Spread> {
    Spread::of(numbers.flatten())
}

/// Of one run a bare number; of several mean, standard deviation, and how many have it.
fn value(spread: Option<Spread>, judgements: &[Judgement]) -> Value {
    match spread {
        Some(spread) if judgements.len() == 1 => json!(spread.mean),
        other => json!(other),
    }
}

/// Mean and standard deviation in words, and of how many where not all have it.
pub fn cell(spread: Option<Spread>, judgements: &[Judgement]) -> String {
    let Some(Spread { mean, standard_deviation, count }) = spread else { return "-".into() };
    let deviation = standard_deviation.map_or(String::new(), |deviation| format!(" ± {deviation:.3}"));
    let of = if count < judgements.len() { format!(" ({count} of {})", judgements.len()) } else { String::new() };
    format!("{mean:.3}{deviation}{of}")
}

/// Each measure over the runs, of what `judged` picks of a run.
pub fn spreads<'a>(judgements: &'a [Judgement], judged: impl Fn(&'a Judgement) -> &'a Judged) -> [Option<Spread>; 6] {
    let numbers: Vec<_> = judgements.iter().map(|one| one.numbers(judged(one))).collect();
    std::array::from_fn(|measure| spread(numbers.iter().map(|of_run| of_run[measure])))
}

/// As JSON: of one run what it gave, of several the same with means and standard deviations, and each by itself.
pub fn document(judgements: &[Judgement]) -> Result<String> {
    Ok(serde_json::to_string_pretty(&value_of(judgements))?)
}

/// The same as a value.
pub fn value_of(judgements: &[Judgement]) -> Value {
    let mut document = of_all(judgements);
    match judgements {
        [one] => document["run"] = json!(one.run),
        several => {
            document["runs"] = several
                .iter()
                .map(|one| json!({"run": one.run, "judged": of_all(std::slice::from_ref(one))}))
                .collect();
        }
    }
    document
}

fn of_all<'a>(judgements: &'a [Judgement]) -> Value {
    let first = &judgements[0];
    let measured = |judged: &dyn Fn(&'a Judgement) -> &'a Judged| {
        let mut measured = json!({"wrong": whole(counts(judgements, |one| judged(one).wrong()))});
        for ((key, _), spread) in MEASURES.iter().zip(spreads(judgements, judged)) {
            measured[key] = value(spread, judgements);
        }
        measured
    };
    let ranking = |(place, ranking): (usize, &Ranking)| {
        let kind = |(of, (kind, _)): (usize, &(&str, Judged))| json!({"kind": kind, "numbers": measured(&|one| &one.rankings[place].kinds[of].1)});
        let kinds: Vec<Value> = ranking.kinds.iter().enumerate().map(kind).collect();
        let mean = spread(judgements.iter().map(|one| one.rankings[place].mean_average_precision()));
        json!({"ranking": ranking.name, "mean_average_precision": value(mean, judgements), "kinds": kinds})
    };
    let rankings: Vec<Value> = first.rankings.iter().enumerate().map(ranking).collect();
    json!({
        "labels": whole(counts(judgements, |one| one.labels)),
        "budget": whole(counts(judgements, Judgement::budget)),
        "rankings": rankings,
        "list": measured(&|one| &one.list),
    })
}

/// As a table, and the one list in a sentence.
pub fn text<'a>(judgements: &'a [Judgement]) -> String {
    let first = &judgements[0];
    let mut head = ["ranking", "kind", "wrong"].map(str::to_owned).to_vec();
    head.extend(MEASURES.map(|(_, head)| head.to_owned()));
    let mut lines: Vec<[String; 9]> = vec![line(head)];
    for (place, ranking) in first.rankings.iter().enumerate() {
        for (of, (kind, _)) in ranking.kinds.iter().enumerate() {
            let judged = |one: &'a Judgement| &one.rankings[place].kinds[of].1;
            let wrong = in_words(&counts(judgements, |one| judged(one).wrong()));
            let mut cells = vec![ranking.name.to_owned(), (*kind).to_owned(), wrong];
            cells.extend(spreads(judgements, judged).map(|spread| cell(spread, judgements)));
            lines.push(line(cells));
        }
        let mean = spread(judgements.iter().map(|one| one.rankings[place].mean_average_precision()));
        let empty = String::new;
        lines.push(line(vec![ranking.name.to_owned(), "mean".to_owned(), empty(), empty(), cell(mean, judgements)]));
    }
    let [.., p50, p100, recall] = spreads(judgements, |one| &one.list).map(|spread| cell(spread, judgements));
    format!(
        "{}\nrecall: within the first {} of {} labels.\nThe whole list: {} wrong or missing labels; P@50 {p50}, P@100 {p100}, recall {recall}.",
        aligned(&lines),
        in_words(&counts(judgements, Judgement::budget)),
        in_words(&counts(judgements, |one| one.labels)),
        in_words(&counts(judgements, |one| one.wrong)),
    )
}

/// A line of the table, filled up with nothing.
fn line(cells: Vec<String>) -> [String; 9] {
    let mut cells = cells.into_iter();
    std::array::from_fn(|_| cells.next().unwrap_or_default())
}

/// A whole number of each run.
fn counts<'a>(judgements: &'a [Judgement], number: impl Fn(&'a Judgement) -> usize) -> Vec<usize> {
    judgements.iter().map(number).collect()
}

/// Of one run the bare number.
fn whole(counts: Vec<usize>) -> Value {
    if let [one] = counts[..] { json!(one) } else { json!(counts) }
}

fn in_words(counts: &[usize]) -> String {
    counts.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}
