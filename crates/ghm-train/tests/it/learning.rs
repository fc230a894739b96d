//! A run from nothing with GHM-C and GHM-R learns a handful of scenes by heart.

use std::path::Path;

use ghm_data::{SceneConfig, write_scenes};
use ghm_train::{Ended, Plan, Recipe, RunDirectory, Session, open_device};
use serde_json::Value;

/// Pictures to learn, with one object each.
const PICTURES: usize = 8;
/// Pictures in a batch.
const BATCH: usize = 4;
/// Epochs of the run.
const EPOCHS: usize = 2;
/// Updates of the run.
const UPDATES: usize = 160;
/// AP50 on the learned pictures that the run must pass, and that one which learns nothing must stay a tenth below.
const LEARNED: f64 = 0.3;

/// As `recipes/demo.toml` where it matters, and smaller.
pub const RECIPE: &str = r#"
seed = 5
[data]
root = "data"
train = "repeated"
validation = "train"
threads = 1
[input]
width = 64
height = 64
[augment]
flip_horizontal = 0.0
[model]
backbone = "resnet18"
base_channels = 16
norm = "batch"
frozen_stages = 0
channels = 32
head_depth = 1
head_norm = "group"
[model.anchors]
base_size = 16.0
[loss.classification]
scope = "batch"
ema = "corrected"
cap = 2.0
weight = 10.0
[loss.regression]
scope = "batch"
ema = "corrected"
cap = 1.0
mu = 0.2
[optimiser]
kind = "adamw"
learning_rate = 1e-3
weight_decay = 0.05
[schedule]
warmup_steps = 10
decay = "cosine"
[evaluation]
every = 0
batch = 8
"#;

/// Writes the pictures and a split `repeated` that names each so often that the epochs have the updates asked for: a
/// checkpoint after every other update would take most of the time.
pub fn write_data(root: &Path) {
    let config = SceneConfig {
        width: 64,
        height: 64,
        train: PICTURES,
        validation: 1,
        max_objects: 1,
        clutter: 0,
        ..SceneConfig::default()
    };
    write_scenes(&config, root).unwrap();
    let annotations = root.join("annotations");
    let once: Value = serde_json::from_slice(&std::fs::read(annotations.join("train.json")).unwrap()).unwrap();
    let mut repeated = once.clone();
    for list in ["images", "annotations"] {
        let records = once[list].as_array().unwrap();
        let copies = 0..UPDATES * BATCH / PICTURES / EPOCHS;
        let all = copies.flat_map(|copy| records.iter().map(move |record| renumbered(record, copy as u64)));
        repeated[list] = Value::Array(all.collect());
    }
    std::fs::write(annotations.join("repeated.json"), repeated.to_string()).unwrap();
}

/// A picture or an annotation with numbers that no other copy has.
fn renumbered(record: &Value, copy: u64) -> Value {
    let mut record = record.clone();
    for key in ["id", "image_id"] {
        if let Some(number) = record[key].as_u64() {
            record[key] = Value::from(number + 1000 * copy);
        }
    }
    let path = record["file_name"].as_str().map(|name| format!("images/train/{name}"));
    if let Some(path) = path {
        record["file_name"] = Value::from(path);
    }
    record
}

/// AP50 on the pictures after a run with these changes to the recipe.
fn ap50(data: &Path, overrides: &[String]) -> f64 {
    let plan = Plan::new(Recipe::for_data(RECIPE, data, overrides).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(&folder.path().join("run")).unwrap();
    let (device, _) = open_device("cpu").unwrap();
    let (session, _) = Session::start(plan, directory, &device).unwrap();
    match session.run(&|| false, &mut ()).unwrap() {
        Ended::Finished { evaluation: Some(evaluation) } => evaluation.ap50.unwrap(),
        ended => panic!("not evaluated: {ended:?}"),
    }
}

#[test]
fn a_run_learns_a_handful_of_scenes_by_heart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    write_data(&data);
    let batch = format!("schedule.batch={BATCH}");
    let still =
        [batch.as_str(), "schedule.epochs=1", "data.train=train", "optimiser.learning_rate=0"].map(str::to_owned);
    let untrained = ap50(&data, &still);
    assert!(untrained < LEARNED / 10.0, "AP50 {untrained} without learning");
    let trained = ap50(&data, &[batch, format!("schedule.epochs={EPOCHS}")]);
    assert!(trained > LEARNED, "AP50 {trained} after {UPDATES} updates");
}
