//! Rankings of runs on labels that were made wrong in several ways: one table over all of them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ghm_data::NoiseConfig;
use ghm_sweep::Spread;
use ghm_train::Recipe;
use serde_json::{Value, json};

use crate::output::name_of;

use super::judgement::{Judgement, cell, spread, spreads, value_of};

/// What was done to which labels, and by which recipe they were learned; whatever the seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The data set that they were in.
    data: Option<PathBuf>,
    split: Option<String>,
    noise: Option<NoiseConfig>,
    recipe: Recipe,
}

impl Made {
    /// As `truth.json` says it; nothing of what nobody can read.
    pub fn of(truth: &Value, mut recipe: Recipe) -> Self {
        (recipe.seed, recipe.data.root) = (0, PathBuf::new());
        let noise: Option<NoiseConfig> = serde_json::from_value(truth["noise"].clone()).ok();
        Self {
            data: truth["data"].as_str().map(PathBuf::from),
            split: truth["split"].as_str().map(str::to_owned),
            noise: noise.map(|noise| NoiseConfig { seed: 0, ..noise }),
            recipe,
        }
    }

    /// `cards, mix 20%`, `cards, drop 5%, flip 10%`.
    fn in_words(&self, data: impl Fn(&Path) -> String) -> String {
        let noise = self.noise.as_ref().map_or("labels made wrong".to_owned(), |noise| {
            let NoiseConfig { drop, flip, shift, spawn, confusion, .. } = noise;
            let rates = [("drop", drop), ("flip", flip), ("shift", shift), ("spawn", spawn)];
            let mut words = if rates.iter().all(|(_, rate)| *rate == drop) {
                in_percent("mix", *drop)
            } else {
                let some = rates.iter().filter(|(_, rate)| **rate > 0.0).map(|(name, rate)| in_percent(name, **rate));
                some.collect::<Vec<_>>().join(", ")
            };
            if confusion.is_some() {
                words += " by confusions";
            }
            words
        });
        self.data.as_deref().map(data).into_iter().chain([noise]).collect::<Vec<_>>().join(", ")
    }
}

/// At most two digits after the point.
fn in_percent(name: &str, rate: f64) -> String {
    format!("{name} {}%", (rate * 1e4).round() / 1e2)
}

/// What was done to the labels of each group: the data set by its name; where that would be said of two groups, by its path and split; and
/// where they were learned by several recipes, with the name of the group's first run.
fn names(groups: &[Vec<Judgement>]) -> Vec<String> {
    let names = groups.iter().map(|group| group[0].made.in_words(name_of)).collect();
    let names = told_apart(names, |group| {
        let split = groups[group][0].made.split.as_ref().map_or(String::new(), |split| format!(", {split}"));
        groups[group][0].made.in_words(|path| path.display().to_string()) + &split
    });
    told_apart(names.clone(), |group| format!("{}, as {}", names[group], name_of(&groups[group][0].run)))
}

/// Names, a longer one where two are the same.
fn told_apart(names: Vec<String>, longer: impl Fn(usize) -> String) -> Vec<String> {
    let is_twice = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    names.iter().enumerate().map(|(place, name)| if is_twice(name) { longer(place) } else { name.clone() }).collect()
}

/// Runs by one recipe on labels to which the same was done, with whatever seeds, in the order in which they first come.
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
    let group = |(group, made): (&Vec<Judgement>, String)| {
        let mut document = value_of(group);
        document["made"] = json!(made);
        document
    };
    let groups: Vec<Value> = groups.iter().zip(names(groups)).map(group).collect();
    Ok(serde_json::to_string_pretty(&json!({ "groups": groups }))?)
}

/// As two tables in Markdown: average precision of each kind by each ranking, the best in bold; and how much of the list is wrong.
pub fn text(groups: &[Vec<Judgement>]) -> String {
    let made = names(groups);
    let mut head = vec!["labels", "runs", "kind"];
    head.extend(groups[0][0].rankings.iter().map(|ranking| ranking.name));
    let mut lines = vec![row(&head), rule(head.len())];
    for (group, made) in groups.iter().zip(&made) {
        let runs = group.len().to_string();
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
    for (group, made) in groups.iter().zip(made) {
        let [.., p50, p100, recall] = spreads(group, |one| &one.list).map(|spread| cell(spread, group));
        let share = spread(group.iter().map(|one| Some(one.wrong as f64 / one.labels as f64)));
        lines.push(row(&[made, group.len().to_string(), p50, p100, recall, cell(share, group)]));
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

    fn recipe(more: &str) -> Recipe {
        Recipe::for_data("", Path::new(""), &[format!("seed=7{more}")]).unwrap()
    }

    fn truth(data: &str, noise: Value) -> Made {
        Made::of(&json!({"data": data, "split": "train", "noise": noise, "of no": "interest"}), recipe(""))
    }

    /// A run in which the one loose box is found at this of three places.
    fn judgement(made: Made, found: [bool; 3]) -> Judgement {
        let judged = |found: [bool; 3]| Judged::new((0..).zip(found).map(|(place, wrong)| (-(place as f32), wrong)), 0);
        let ranking = |name, found| Ranking {
            name,
            kinds: vec![("loose box", judged(found)), ("missing box", judged([false; 3]))],
        };
        Judgement {
            run: "run".into(),
            made,
            labels: 3,
            wrong: 1,
            rankings: vec![ranking("ours", found), ranking("other", [false, false, true])],
            list: judged(found),
        }
    }

    #[test]
    fn what_was_done_is_said_in_words() {
        let words = |made: Made| made.in_words(name_of);
        assert_eq!(words(truth("/a/cards", json!({"drop": 0.05, "flip": 0.125}))), "cards, drop 5%, flip 12.5%");
        assert_eq!(words(Made::of(&json!({"noise": NoiseConfig::mixed(0.2, 7)}), recipe(""))), "mix 20%");
        let confused = json!({"flip": 0.1, "confusion": {"cat": {"dog": 1.0}}});
        assert_eq!(words(truth("cards", confused)), "cards, flip 10% by confusions");
        assert_eq!(words(truth("cards", json!("by hand"))), "cards, labels made wrong");
    }

    #[test]
    fn runs_by_several_recipes_are_told_apart_by_a_name() {
        let flips = |seed: u64| json!({"data": "/a/cards", "noise": {"flip": 0.1, "seed": seed}});
        let run = |name: &str, made: Made| Judgement { run: name.into(), ..judgement(made, [true, false, false]) };
        let longer = Recipe::for_data("", Path::new(""), &["schedule.epochs=24".into()]).unwrap();
        let groups = by_labels(vec![
            run("a-0", Made::of(&flips(0), recipe(""))),
            run("b-0", Made::of(&flips(0), longer)),
            run("a-1", Made::of(&flips(1), recipe(""))),
        ]);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(names(&groups), ["/a/cards, flip 10%, as a-0", "/a/cards, flip 10%, as b-0"]);
    }

    #[test]
    fn runs_on_the_same_labels_are_one_line_of_what_is_wrong() {
        let first = [true, false, false];
        let flips = |data: &str, seed: u64| truth(data, json!({"flip": 0.1, "seed": seed}));
        let runs =
            [(flips("/a/data", 0), first), (flips("/b/data", 0), first), (flips("/a/data", 1), [false, true, false])];
        let groups = by_labels(runs.map(|(made, found)| judgement(made, found)).into());
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        let text = text(&groups);
        let (a, b) = ("/a/data, flip 10%, train", "/b/data, flip 10%, train");
        assert!(text.contains(&format!("| {a} | 2 | loose box | **0.750 ± 0.354** | 0.333 ± 0.000 |")), "{text}");
        assert!(text.contains(&format!("| {b} | 1 | loose box | **1.000** | 0.333 |")), "{text}");
        // Nothing is missing, and of one kind there is no mean.
        assert!(!text.contains("missing box") && !text.contains("| mean |"), "{text}");
        assert!(text.contains(&format!("| {b} | 1 | 0.020 | 0.010 | 0.000 | 0.333 |")), "{text}");
        let json: Value = serde_json::from_str(&document(&groups).unwrap()).unwrap();
        assert_eq!((&json["groups"][1]["made"], &json["groups"][1]["labels"]), (&json!(b), &json!(3)));
    }
}
