//! A run that is killed and continued ends as one that was not.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Workplace, text};

/// How often the run is killed.
const KILLS: u64 = 20;

/// `metrics.jsonl` without the seconds.
fn losses(run: &Path) -> Vec<Value> {
    let lines = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let without_time = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().remove("time");
        value
    };
    lines.lines().map(without_time).collect()
}

fn weights(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("checkpoints/last/model.safetensors")).unwrap()
}

#[test]
fn a_run_killed_twenty_times_ends_with_the_same_losses_and_weights() {
    let place = Workplace::new();
    let long = ["schedule.epochs=40", "evaluation.every=20"];
    let clock = std::time::Instant::now();
    place.done(&["train", "recipe.toml", long[0], long[1], "--out", "straight"]);
    // Twenty lives that together last about as long as the straight run, each a random part of two shares.
    let share = clock.elapsed().as_millis() as u64 / KILLS;
    let mut saved = 0;
    let mut delay = 0x9e37_79b9_u64;
    let mut killed = 0;
    for kill in 0..KILLS {
        let arguments: &[&str] = match place.path("killed/recipe.toml").is_file() {
            false => &["train", "recipe.toml", long[0], long[1], "--out", "killed"],
            true => &["train", "--resume", "killed"],
        };
        let mut child = place.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        delay = delay.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(kill);
        std::thread::sleep(Duration::from_millis(share + (delay >> 33) % (2 * share)));
        if child.try_wait().unwrap().is_none() {
            killed += 1;
        }
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(!text(&output.stderr).contains("error"), "{}", text(&output.stderr));
        saved += u64::from(place.path("killed/checkpoints/last/state.json").is_file());
        if !place.path("killed/recipe.toml").is_file() && place.path("killed").exists() {
            std::fs::remove_dir_all(place.path("killed")).unwrap(); // killed before the run had begun
        }
    }
    assert!(killed >= KILLS / 2, "only {killed} kills came in time");
    assert!(saved >= KILLS / 2, "only {saved} kills came after a checkpoint");
    place.done(&["train", "--resume", "killed"]);
    assert_eq!(losses(&place.path("killed")), losses(&place.path("straight")));
    assert!(weights(&place.path("killed")) == weights(&place.path("straight")), "the weights differ");
    let epochs = |run: &str| {
        let text = std::fs::read_to_string(place.path(run).join("epochs.csv")).unwrap();
        text.lines()
            .map(|line| {
                line.split(',').enumerate().filter(|(i, _)| *i != 6).map(|(_, c)| c.to_owned()).collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(epochs("killed"), epochs("straight"));
}

#[test]
fn an_interrupt_saves_and_the_run_goes_on_from_there() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "--out", "straight"]);
    let mut child =
        place.command(&["train", "recipe.toml", "--out", "stopped"]).stderr(Stdio::piped()).spawn().unwrap();
    let metrics = place.path("stopped/metrics.jsonl");
    while child.try_wait().unwrap().is_none() && std::fs::read_to_string(&metrics).map_or(0, |t| t.lines().count()) < 3
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("--resume"), "{}", text(&output.stderr));
    place.done(&["train", "--resume", "stopped"]);
    assert_eq!(losses(&place.path("stopped")), losses(&place.path("straight")));
}
