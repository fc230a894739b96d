//! `ghm bench audit`: how well wrong labels are found, where it is known which are wrong.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use ghm_audit::measure::Judged;
use ghm_audit::rival::{ObjectLab, Scores};
use ghm_audit::{Kind, Shown, Summary, Truth, from_networks, rank, suspicions};
use ghm_data::{Change, Dataset};
use ghm_train::{Predictor, RunDirectory};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::arguments::BenchAuditArguments;
use crate::audit::{folds, observed};
use crate::interrupt::STOPPED;
use crate::output::print;
use crate::table::aligned;
use crate::train::device;

/// Score from which hotcoco's rules heed a detection.
const HOTCOCO: f32 = 0.5;

/// Share of the labels that somebody looks through.
const BUDGET: f64 = 0.1;

const KINDS: [(Kind, &str); 4] = [
    (Kind::WrongClass, "wrong class"),
    (Kind::LooseBox, "loose box"),
    (Kind::MissingBox, "missing box"),
    (Kind::SpuriousBox, "spurious box"),
];

/// Of `truth.json` what matters.
#[derive(Deserialize)]
struct Written {
    changes: Vec<Change>,
}

/// One way to rank, and the labels of one kind as it judges them.
struct Row {
    ranking: &'static str,
    kind: &'static str,
    judged: Judged,
}

/// Runs the verb.
pub fn run(arguments: &BenchAuditArguments) -> Result<ExitCode> {
    let directory = RunDirectory::open(&arguments.run)?;
    let recipe = directory.read_recipe()?;
    let source = ghm_data::open(&recipe.data.root)?;
    let Some(split) = &recipe.data.train else { bail!("{}: its recipe names no data.train", arguments.run.display()) };
    let dataset = Arc::new(source.load(split)?.dataset);
    let truth = truth(&arguments.truth.clone().unwrap_or_else(|| beside(&recipe.data.root)), &dataset)?;
    let observed = observed(&directory, &dataset)?;
    let device = device(&arguments.device)?;
    let held_out = match arguments.folds {
        Some(count) => match folds::detections(&directory, count, &device)? {
            Some(shown) => Some(from_networks(&shown, &dataset)),
            None => return Ok(ExitCode::from(STOPPED)),
        },
        None => None,
    };
    let shown = folds::look(&Predictor::open(&directory, &device)?, &dataset)?;
    let rows = rows(&observed, &shown, held_out.as_ref(), &dataset, &truth);
    let list = rank(&observed, &suspicions(&observed, &dataset), &dataset, 0.0);
    let labels = observed.labels.len();
    let list = truth.judge_list(&list);
    print(&if arguments.json {
        serde_json::to_string_pretty(&document(arguments, &rows, &list, labels))?
    } else {
        text(&rows, &list, labels, &truth)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Where `ghm corrupt` left it.
fn beside(root: &Path) -> PathBuf {
    if root.is_dir() { root.join("truth.json") } else { root.with_file_name("truth.json") }
}

fn truth(path: &Path, dataset: &Dataset) -> Result<Truth> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!("{}: cannot be read; train on what ghm corrupt writes, or give --truth", path.display())
    })?;
    let written: Written =
        serde_json::from_str(&text).with_context(|| format!("{}: is not what ghm corrupt writes", path.display()))?;
    if !Truth::fits(&written.changes, dataset) {
        bail!("{}: is the truth of other labels than the run was trained on", path.display());
    }
    Ok(Truth::new(&written.changes))
}

fn rows(observed: &Summary, shown: &Shown, held_out: Option<&Summary>, dataset: &Dataset, truth: &Truth) -> Vec<Row> {
    let detected = from_networks(std::slice::from_ref(shown), dataset);
    let detections = &shown.detections;
    let ours = |summary: &Summary| Scores::ours(summary, &suspicions(summary, dataset), dataset);
    let mut rankings: Vec<(&'static str, Scores)> = vec![
        ("ghm, evidence of the run", ours(observed)),
        ("ghm, detections", ours(&detected)),
        ("loss, mean of the run", Scores::by_loss(observed, dataset)),
        ("score", Scores::by_score(&detected, dataset)),
        ("ObjectLab", ObjectLab::default().scores(detections, dataset)),
        ("ObjectLab, thresholds freed", ObjectLab::freed(&detected).scores(detections, dataset)),
        ("hotcoco's rules", Scores::by_hotcoco(&detected, dataset, HOTCOCO)),
    ];
    rankings.extend(held_out.map(|summary| ("ghm, folds", ours(summary))));
    let of_ranking = |(ranking, scores): &(&'static str, Scores)| {
        KINDS.map(|(kind, name)| Row { ranking, kind: name, judged: truth.judge(kind, scores, dataset) })
    };
    rankings.iter().flat_map(of_ranking).collect()
}

/// Labels that are looked through for the recall.
fn budget(labels: usize) -> usize {
    (BUDGET * labels as f64).round() as usize
}

/// AUROC, average precision, best F1, precision at 50 and 100, recall within the budget.
fn numbers(judged: &Judged, labels: usize) -> [Option<f64>; 6] {
    let (p50, p100) = (judged.precision_at(50), judged.precision_at(100));
    [judged.auroc(), judged.average_precision(), judged.max_f1(), p50, p100, judged.recall_at(budget(labels))]
}

/// The mean average precision of a ranking over the kinds that there are.
fn mean(rows: &[Row]) -> Option<f64> {
    let all: Vec<f64> = rows.iter().filter_map(|row| row.judged.average_precision()).collect();
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

fn document(arguments: &BenchAuditArguments, rows: &[Row], list: &Judged, labels: usize) -> Value {
    let of = |judged: &Judged| {
        let [auroc, ap, f1, p50, p100, recall] = numbers(judged, labels);
        json!({"wrong": judged.wrong(), "auroc": auroc, "average_precision": ap, "max_f1": f1, "precision_at_50": p50, "precision_at_100": p100, "recall_at_budget": recall})
    };
    let ranking = |rows: &[Row]| {
        let kinds: Vec<Value> = rows.iter().map(|row| json!({"kind": row.kind, "numbers": of(&row.judged)})).collect();
        json!({"ranking": rows[0].ranking, "mean_average_precision": mean(rows), "kinds": kinds})
    };
    let rankings: Vec<Value> = rows.chunks(KINDS.len()).map(ranking).collect();
    json!({"run": arguments.run, "labels": labels, "budget": budget(labels), "rankings": rankings, "list": of(list)})
}

fn text(rows: &[Row], list: &Judged, labels: usize, truth: &Truth) -> String {
    let shown = |number: Option<f64>| number.map_or("-".to_owned(), |number| format!("{number:.3}"));
    let head = ["ranking", "kind", "wrong", "AUROC", "AP", "max F1", "P@50", "P@100", "recall"].map(str::to_owned);
    let mut lines = vec![head];
    for of_ranking in rows.chunks(KINDS.len()) {
        for row in of_ranking {
            let [auroc, ap, f1, p50, p100, recall] = numbers(&row.judged, labels).map(shown);
            let wrong = row.judged.wrong().to_string();
            lines.push([row.ranking.to_owned(), row.kind.to_owned(), wrong, auroc, ap, f1, p50, p100, recall]);
        }
        let empty = String::new;
        let all = shown(mean(of_ranking));
        lines.push([
            of_ranking[0].ranking.to_owned(),
            "mean".to_owned(),
            empty(),
            empty(),
            all,
            empty(),
            empty(),
            empty(),
            empty(),
        ]);
    }
    let [.., p50, p100, recall] = numbers(list, labels).map(shown);
    format!(
        "{}\nrecall: within the first {} of {labels} labels.\nThe whole list: {} wrong or missing labels; P@50 {p50}, P@100 {p100}, recall {recall}.",
        aligned(&lines),
        budget(labels),
        truth.count(),
    )
}
