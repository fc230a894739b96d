//! What was trained on what, and the numbers that came out.

use std::fs;

use anyhow::Result;
use ghm_eval::Evaluation;
use ghm_report::Block;
use ghm_train::Checkpoint;
use serde_json::Value;

use super::{Subject, share};
use crate::table::counted;

/// The losses, as the recipe calls them.
const OF_LOSSES: [&str; 2] = ["classification", "regression"];

pub fn blocks(subject: &Subject) -> Result<Vec<Block>> {
    let mut blocks = vec![Block::Table(vec!["Run".into(), String::new()], facts(subject)?)];
    match evaluation(subject) {
        Some(evaluation) => {
            let named = evaluation.named();
            let head = named.iter().map(|(name, _)| (*name).to_owned()).collect();
            blocks.push(Block::Table(head, vec![named.iter().map(|(_, number)| share(*number)).collect()]));
        }
        None => blocks.push(Block::Text("It has not been evaluated yet.".into())),
    }
    Ok(blocks)
}

/// The numbers of the newest evaluation.
pub fn evaluation(subject: &Subject) -> Option<Evaluation> {
    let text = fs::read_to_string(subject.directory.evaluation_path()).ok()?;
    serde_json::from_str(&text).ok()
}

fn facts(subject: &Subject) -> Result<Vec<Vec<String>>> {
    let recipe = &subject.recipe;
    let keys: Value = serde_json::to_value(recipe)?;
    let model = &keys["model"];
    let mut rows = vec![
        fact("data", recipe.data.root.display().to_string()),
        fact("trained on", split(&recipe.data.train, &subject.train)),
        fact("evaluated on", split(&recipe.data.validation, &subject.validation)),
        fact("network", format!("{}, {}", text(&model["backbone"]), pixels(subject))),
        fact("weights", recipe.model.weights.as_ref().map_or("fresh".into(), |path| path.display().to_string())),
    ];
    for loss in OF_LOSSES {
        let table = &keys["loss"][loss];
        let used = options(table["kind"].as_str().unwrap_or_default());
        rows.push(fact(&format!("loss, {loss}"), settings(table, |key| key == "weight" || used.contains(&key))));
    }
    rows.push(fact("update rule", settings(&keys["optimiser"], |_| true)));
    let (schedule, made) = (&recipe.schedule, progress(subject));
    let batch = schedule.batch * recipe.optimiser.accumulate;
    let (epochs, pictures) = (counted(schedule.epochs, "epoch"), counted(batch, "picture"));
    rows.push(fact("schedule", format!("{epochs}, {pictures} an update, seed {}", recipe.seed)));
    rows.push(fact("made", made));
    Ok(rows)
}

fn fact(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

fn split(name: &Option<String>, dataset: &Option<std::sync::Arc<ghm_data::Dataset>>) -> String {
    let Some(name) = name else { return "nothing".into() };
    let Some(dataset) = dataset else { return format!("{name}, which cannot be read any more") };
    let labels = dataset.images.iter().map(|image| image.objects.len()).sum();
    let (pictures, classes) = (dataset.images.len(), dataset.categories.len());
    format!("{name}: {}, {}, {}", counted(pictures, "picture"), counted(labels, "label"), counted(classes, "class"))
}

fn pixels(subject: &Subject) -> String {
    let input = &subject.recipe.input;
    format!("pictures within {} x {}", input.width, input.height)
}

/// The options that a kind of loss looks at, beside its weight; a recipe keeps those of other kinds too.
fn options(kind: &str) -> &'static [&'static str] {
    match kind {
        "ghm" => &["mu", "bins", "momentum", "normalise", "ema", "scope", "cap", "between", "per_class"],
        "ghm_exact" => &["mu", "bins", "cap"],
        "focal" | "varifocal" => &["alpha", "gamma"],
        "quality_focal" => &["gamma"],
        "balanced_cross_entropy" => &["alpha"],
        "ohem" => &["ratio", "least"],
        "asl1" => &["mu"],
        "smooth_l1" => &["beta"],
        _ => &[],
    }
}

/// Keys and values, the kind first.
fn settings(table: &Value, used: impl Fn(&str) -> bool) -> String {
    let Some(table) = table.as_object() else { return String::new() };
    let rest = table.iter().filter(|(key, value)| *key != "kind" && !value.is_null() && used(key));
    let rest: Vec<String> = rest.map(|(key, value)| format!("{} {}", key.replace('_', " "), text(value))).collect();
    let kind = table.get("kind").map(text).unwrap_or_default();
    if rest.is_empty() { kind } else { format!("{kind}: {}", rest.join(", ")) }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // Single precision written out in double precision.
        Value::Number(number) => number.as_f64().map_or(number.to_string(), |number| (number as f32).to_string()),
        other => other.to_string(),
    }
}

/// How far it came, in what time.
fn progress(subject: &Subject) -> String {
    let path = subject.directory.checkpoint_path("last");
    match Checkpoint::exists(&path).then(|| Checkpoint::read(&path)) {
        Some(Ok(checkpoint)) => {
            let state = checkpoint.state;
            let skipped = state.skipped.len() + state.skipped_validation.len();
            let skipped =
                if skipped > 0 { format!("; {} unreadable", counted(skipped, "picture")) } else { String::new() };
            let (step, minutes) = (counted(state.step, "update"), state.seconds / 60.0);
            format!("{step}, {} whole, in {minutes:.1} minutes{skipped}", counted(state.epoch, "epoch"))
        }
        Some(Err(error)) => error.to_string(),
        None => "no checkpoint yet".into(),
    }
}
