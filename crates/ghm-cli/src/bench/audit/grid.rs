//! Rankings of runs on labels that were made wrong in several ways: one table over all of them.

use anyhow::Result;
use ghm_data::NoiseConfig;
use ghm_sweep::Spread;
use serde_json::{Value, json};

use super::judgement::{Judgement, cell, spread, spreads, value_of};

/// What was done to which labels, in words: `cards, mix 20%`, `cards, drop 5%, flip 10%`.
pub fn made(data: Option<String>, noise: Option<&NoiseConfig>) -> String {
    let noise = noise.map_or("labels made wrong".to_owned(), |NoiseConfig { drop, flip, shift, spawn, .. }| {
        let rates = [("drop", drop), ("flip", flip), ("shift", shift), ("spawn", spawn)];
        if rates.iter().all(|(_, rate)| *rate == drop) {
            return in_percent("mix", *drop);
        }
        let some = rates.iter().filter(|(_, rate)| **rate > 0.0).map(|(name, rate)| in_percent(name, **rate));
        some.collect::<Vec<_>>().join(", ")
    });
    data.into_iter().chain([noise]).collect::<Vec<_>>().join(", ")
}

/// At most two digits after the point.
fn in_percent(name: &str, rate: f64) -> String {
    format!("{name} {}%", (rate * 1e4).round() / 1e2)
}

/// Runs on labels to which the same was done, with whatever seeds, in the order in which they first come.
pub fn by_labels(judgements: Vec<Judgement>) -> Vec<Vec<Judgement>> {
    let mut groups: Vec<Vec<Judgement>> = Vec::new();
    for one in judgements {
        match groups.iter_mut().find(|group| group[0].made == one.made) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

/// As JSON: of each group what `ghm bench audit` gives of it alone.
pub fn document(groups: &[Vec<Judgement>]) -> Result<String> {
    let group = |group: &Vec<Judgement>| {
        let mut document = value_of(group);
        document["made"] = json!(group[0].made);
        document
    };
    let groups: Vec<Value> = groups.iter().map(group).collect();
    Ok(serde_json::to_string_pretty(&json!({ "groups": groups }))?)
}

/// As two tables in Markdown: average precision of each kind by each ranking, the best in bold; and how much of the list is wrong.
pub fn text(groups: &[Vec<Judgement>]) -> String {
    let names: Vec<&str> = groups[0][0].rankings.iter().map(|ranking| ranking.name).collect();
    let mut head = vec!["labels", "runs", "kind"];
    head.extend(&names);
    let mut lines = vec![row(&head), rule(head.len())];
    for group in groups {
        let (made, runs) = (group[0].made.clone(), group.len().to_string());
        let kinds = precisions(group);
        // Of one kind the mean is that kind's.
        let shown = if kinds.len() == 2 { &kinds[..1] } else { &kinds[..] };
        for (kind, precisions) in shown {
            let mut cells = vec![made.clone(), runs.clone(), (*kind).to_owned()];
            cells.extend(emphasised(precisions, group));
            lines.push(row(&cells));
        }
    }
    let head =
        ["labels", "runs", "P@50 of the list", "P@100", "recall within a tenth of the labels", "wrong or missing"];
    lines.extend([String::new(), row(&head), rule(head.len())]);
    for group in groups {
        let [.., p50, p100, recall] = spreads(group, |one| &one.list).map(|spread| cell(spread, group));
        let share = spread(group.iter().map(|one| Some(one.wrong as f64 / one.labels as f64)));
        lines.push(row(&[group[0].made.clone(), group.len().to_string(), p50, p100, recall, cell(share, group)]));
    }
    lines.join("\n")
}

/// The kinds of which some labels are wrong, and the mean over them: average precision by each ranking.
fn precisions(group: &[Judgement]) -> Vec<(&'static str, Vec<Option<Spread>>)> {
    let places = 0..group[0].rankings.len();
    let of_kind = |kind: usize| -> Vec<Option<Spread>> {
        let of = |place: usize| spread(group.iter().map(|one| one.rankings[place].kinds[kind].1.average_precision()));
        places.clone().map(of).collect()
    };
    let kinds = group[0].rankings[0].kinds.iter().enumerate().map(|(kind, (name, _))| (*name, of_kind(kind)));
    let of_all = |place: usize| spread(group.iter().map(|one| one.rankings[place].mean_average_precision()));
    let mut all: Vec<_> = kinds.filter(|(_, precisions)| precisions.iter().any(Option::is_some)).collect();
    all.push(("mean", places.map(of_all).collect()));
    all
}

/// Cells, the largest mean in bold.
fn emphasised(spreads: &[Option<Spread>], group: &[Judgement]) -> Vec<String> {
    let best = spreads.iter().flatten().map(|spread| spread.mean).fold(0.0, f64::max);
    let of = |spread: &Option<Spread>| match spread {
        Some(one) if one.mean == best => format!("**{}**", cell(*spread, group)),
        _ => cell(*spread, group),
    };
    spreads.iter().map(of).collect()
}

fn row(cells: &[impl AsRef<str>]) -> String {
    format!("| {} |", cells.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" | "))
}

fn rule(columns: usize) -> String {
    row(&vec!["---"; columns])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::audit::judgement::Ranking;
    use ghm_audit::measure::Judged;

    /// A run of which the first of two wrong labels is found at these places of three.
    fn judgement(made: &str, found: [bool; 3]) -> Judgement {
        let judged = |found: [bool; 3]| Judged::new((0..).zip(found).map(|(place, wrong)| (-(place as f32), wrong)), 0);
        let ranking = |name, found| Ranking {
            name,
            kinds: vec![("loose box", judged(found)), ("missing box", judged([false; 3]))],
        };
        Judgement {
            run: "run".into(),
            made: made.into(),
            labels: 3,
            wrong: 1,
            rankings: vec![ranking("ours", found), ranking("other", [false, false, true])],
            list: judged(found),
        }
    }

    #[test]
    fn what_was_done_is_said_in_words() {
        let noise = |drop, flip| NoiseConfig { drop, flip, ..NoiseConfig::default() };
        assert_eq!(made(Some("cards".into()), Some(&noise(0.05, 0.125))), "cards, drop 5%, flip 12.5%");
        assert_eq!(made(None, Some(&NoiseConfig::mixed(0.2, 7))), "mix 20%");
        assert_eq!(made(None, None), "labels made wrong");
    }

    #[test]
    fn runs_on_the_same_labels_are_one_line_of_what_is_wrong() {
        let first = [true, false, false];
        let groups =
            by_labels(vec![judgement("a", first), judgement("b", first), judgement("a", [false, true, false])]);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        let text = text(&groups);
        assert!(text.contains("| a | 2 | loose box | **0.750 ± 0.354** | 0.333 ± 0.000 |"), "{text}");
        assert!(text.contains("| b | 1 | loose box | **1.000** | 0.333 |"), "{text}");
        // Nothing is missing, and of one kind there is no mean.
        assert!(!text.contains("missing box") && !text.contains("| mean |"), "{text}");
        assert!(text.contains("| b | 1 | 0.020 | 0.010 | 0.000 | 0.333 |"), "{text}");
        let json: Value = serde_json::from_str(&document(&groups).unwrap()).unwrap();
        assert_eq!((&json["groups"][1]["made"], &json["groups"][1]["labels"]), (&json!("b"), &json!(3)));
    }
}
