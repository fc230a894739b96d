//! What can be timed is timed; how long it took is nobody's business here.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Workplace, contents, text};

/// As many as `ghm_loss::LossConfig::defaults` has.
const LOSSES: usize = 19;

fn bench(arguments: &[&str]) -> Output {
    let command = ["bench", "losses", "--elements", "10000", "--threads", "1", "--quick"];
    Command::new(env!("CARGO_BIN_EXE_ghm")).args(command).args(arguments).output().unwrap()
}

fn is_positive(number: &Value) -> bool {
    number.as_f64().is_some_and(|number| number > 0.0 && number.is_finite())
}

#[test]
fn every_loss_is_timed_beside_a_copy_of_as_many_bytes() {
    let output = bench(&["--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["threads"], serde_json::json!([1]));
    let (results, copies) = (document["results"].as_array().unwrap(), document["copy"].as_array().unwrap());
    let mut names: Vec<&str> = results.iter().map(|result| result["loss"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), results.len(), copies.len()), (LOSSES, LOSSES, LOSSES), "{names:?}");
    for (result, copy) in results.iter().zip(copies) {
        assert_eq!((&result["elements"], &result["threads"]), (&10_000.into(), &1.into()), "{result}");
        assert_eq!((&result["loss"], &result["bytes"]), (&copy["beside"], &copy["bytes"]), "{result}");
        for name in ["bytes", "ns_per_element", "gb_per_s", "ratio_to_copy"] {
            assert!(is_positive(&result[name]), "{name} of {result}");
        }
        assert!(is_positive(&copy["gb_per_s"]), "{copy}");
        for seconds in [&result["seconds"], &copy["seconds"]] {
            let [min, median, max] = ["min", "median", "max"].map(|name| seconds[name].as_f64().unwrap());
            assert!(0.0 < min && min <= median && median <= max && max.is_finite(), "{seconds}");
        }
    }
}

#[test]
fn the_table_has_a_line_a_loss_and_compares_the_two_densities() {
    let output = bench(&["--loss", "ghm-c", "ghm_c_exact"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("loss") && lines[1].starts_with("ghm_c ") && lines[2].starts_with("ghm_c_exact "));
    assert!(table.contains("exact density over unit regions, 10000 elements, 1 thread: "), "{table}");
    assert!(!table.contains("focal"), "{table}");
}

/// A network small enough for a test.
const SMALL: [&str; 8] =
    ["model.backbone=resnet18", "model.channels=16", "model.head_depth=1", "--size", "96", "64", "--repeats", "2"];

fn json_of(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_ghm")).arg("bench").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The names of the parts, each of which took some time, and no more than all together.
fn parts_of(found: &Value, all: &Value) -> Vec<String> {
    let parts = found["parts"].as_array().unwrap();
    let least: f64 = parts.iter().map(|part| part["seconds"]["min"].as_f64().unwrap()).sum();
    assert!(least <= all["median"].as_f64().unwrap(), "{found}");
    assert!(parts.iter().all(|part| part["seconds"]["median"].as_f64().unwrap() >= 0.0), "{found}");
    parts.iter().map(|part| part["part"].as_str().unwrap().to_owned()).collect()
}

const FORWARD: [&str; 8] = ["stem", "stage 1", "stage 2", "stage 3", "stage 4", "pyramid", "class head", "box head"];

#[test]
fn an_update_is_timed_part_by_part_on_made_up_pictures() {
    let found = json_of(&[&["step", "--batch", "2", "--json", "--threads", "1"], &SMALL[..]].concat());
    let names = parts_of(&found, &found["step"]);
    let expected: Vec<&str> = ["data", "pixels"]
        .into_iter()
        .chain(FORWARD)
        .chain(["targets", "losses", "evidence", "backward", "update"])
        .collect();
    assert_eq!(names, expected);
    assert_eq!(found["shape"], serde_json::json!([2, 3, 64, 96]));
    for name in ["pictures_per_second", "flops", "matmul_flops_per_second"] {
        assert!(is_positive(&found[name]), "{name} of {found}");
    }
}

#[test]
fn a_recipes_own_pictures_are_timed_and_its_files_left_alone() {
    let workplace = Workplace::new();
    let before = contents(&workplace.path("data"));
    let json = |arguments: &[&str]| -> Value { serde_json::from_str(&workplace.done(arguments)).unwrap() };
    let found = json(&["bench", "step", "--recipe", "recipe.toml", "--repeats", "1", "--json"]);
    assert_eq!(found["shape"], serde_json::json!([2, 3, 64, 64]));
    assert_eq!(found["pictures"], "recipe.toml");
    let loaded = json(&["bench", "loader", "data", "schedule.batch=2", "--threads", "2", "--repeats", "1", "--json"]);
    let rows = loaded["results"].as_array().unwrap();
    let named: Vec<(&str, u64)> =
        rows.iter().map(|row| (row["what"].as_str().unwrap(), row["threads"].as_u64().unwrap())).collect();
    assert_eq!(named, [("decode", 1), ("load", 1), ("load", 2)]);
    assert!(rows.iter().all(|row| is_positive(&row["pictures_per_second"])), "{loaded}");
    assert!(contents(&workplace.path("data")) == before, "the pictures were changed");
}

#[test]
fn a_prediction_is_timed_part_by_part_for_each_number_of_pictures() {
    let found = json_of(&[&["predict", "--json", "--batch", "1,3"], &SMALL[..]].concat());
    let batches = found["batches"].as_array().unwrap();
    assert_eq!(batches.iter().map(|batch| batch["pictures"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 3]);
    for batch in batches {
        let expected: Vec<&str> = std::iter::once("pixels").chain(FORWARD).chain(["boxes"]).collect();
        assert_eq!(parts_of(batch, &batch["seconds"]), expected);
    }
    assert!(is_positive(&found["crowded_decode"]["median"]), "{found}");
}

#[test]
fn a_device_that_is_not_there_is_not_named_and_any_threshold_is_timed() {
    for score in ["model.predict.score=0", "model.predict.score=1"] {
        let found = json_of(&[&["predict", score, "--json", "--device", "cuda:7"], &SMALL[..]].concat());
        let name = if cfg!(feature = "cuda") { found["device"].clone() } else { "cpu".into() };
        assert_eq!(found["device"], name);
    }
}

#[test]
fn an_unreadable_picture_is_named() {
    let workplace = Workplace::new();
    let pictures = std::fs::read_dir(workplace.path("data/images/train")).unwrap();
    for picture in pictures.map(|entry| entry.unwrap().path()) {
        let bytes = std::fs::read(&picture).unwrap();
        std::fs::write(&picture, &bytes[..bytes.len() / 2]).unwrap();
    }
    for arguments in [&["bench", "step", "--recipe", "recipe.toml"][..], &["bench", "loader", "data"]] {
        let output = workplace.ghm(arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("images/train/0") && message.contains("damaged"), "{message}");
    }
}

#[test]
fn what_cannot_be_timed_is_refused_with_what_can() {
    let refused = |arguments: &[&str], parts: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ghm")).args(["bench"]).args(arguments).output().unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        for part in parts {
            assert!(message.contains(part), "{arguments:?}: no `{part}` in: {message}");
        }
    };
    refused(&["losses", "--loss", "ghm"], &["--loss ghm: no such loss", "ghm_c, ghm_c_exact, softmax_ghm_c", "ciou"]);
    refused(&["losses", "--elements", "100"], &["--elements 100: give a multiple of 80"]);
    refused(&["losses", "--elements", "0"], &["--elements 0"]);
    refused(&["losses", "--threads", "0"], &["--threads 0: give at least 1"]);
    refused(&["step", "--size", "100", "64"], &["--size 100 64: give two multiples of 32 from 32 to 16384"]);
    refused(&["step", "--size", "0", "0"], &["--size 0 0"]);
    refused(&["step", "--size", "99999968", "64"], &["--size 99999968 64"]);
    refused(&["step", "input.width=64"], &["input.width=64: says nothing of made-up pictures", "--size"]);
    refused(&["predict", "model.weights=missing.safetensors"], &["model.weights=missing.safetensors"]);
    refused(&["step", "--batch", "18446744073709551615"], &["--batch 18446744073709551615", "at most 4096"]);
    refused(&["step", "--threads", "100000"], &["--threads 100000", "at most 256"]);
    refused(&["loader", "data", "--repeats", "1000000000000"], &["--repeats 1000000000000"]);
    refused(&["step", "--repeats", "0"], &["--repeats 0"]);
    refused(&["step", "model.dept=3"], &["dept"]);
    refused(&["step", "--batch", "0"], &["--batch 0"]);
    refused(&["predict", "--batch", "0"], &["--batch 0"]);
    refused(&["predict", "--threads", "0"], &["--threads 0"]);
    refused(&["loader", "no-such-folder"], &["no-such-folder"]);
    refused(&["lotteries"], &["lotteries"]);
}
