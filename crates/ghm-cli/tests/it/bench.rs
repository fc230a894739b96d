//! What can be timed is timed; how long it took is nobody's business here.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::text;

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
    refused(&["lotteries"], &["lotteries"]);
}
