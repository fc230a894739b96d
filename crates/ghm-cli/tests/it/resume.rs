//! A run that is killed and continued ends as one that was not.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
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

/// Updates that the run's newest checkpoint has made, 0 without one.
fn saved_step(run: &Path) -> u64 {
    let state = std::fs::read(run.join("checkpoints/last/state.json")).ok();
    let state: Option<Value> = state.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    state.and_then(|state| state["step"].as_u64()).unwrap_or(0)
}

/// Updates in a log written since `spawned`, the torn last line not counted; what an earlier life left does not count.
fn logged_step(run: &Path, spawned: SystemTime) -> u64 {
    let path = run.join("metrics.jsonl");
    if !std::fs::metadata(&path).is_ok_and(|m| m.modified().unwrap() > spawned) {
        return 0;
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let last = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).next_back();
    last.and_then(|line| line["step"].as_u64()).unwrap_or(0)
}

/// Lets a process make some updates, or not even begin, and kills it at any moment then; false when it had ended by
/// itself.
fn kill_at_random(child: &mut Child, run: &Path, dice: &mut ChaCha8Rng) -> bool {
    let spawned = SystemTime::now();
    let updates = dice.random_range(0..7);
    let target = if updates == 0 { 0 } else { saved_step(run) + updates };
    while logged_step(run, spawned) < target && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(dice.random_range(0..100)));
    let alive = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    alive
}

#[test]
fn a_run_killed_twenty_times_ends_with_the_same_losses_and_weights() {
    let place = Workplace::new();
    let long = ["schedule.epochs=100", "evaluation.every=50"];
    place.done(&["train", "recipe.toml", long[0], long[1], "--out", "straight"]);
    let (run, mut dice) = (place.path("killed"), ChaCha8Rng::seed_from_u64(20));
    let (mut killed, mut saved) = (0, 0);
    for _ in 0..KILLS {
        let arguments: &[&str] = match run.join("recipe.toml").is_file() {
            false => &["train", "recipe.toml", long[0], long[1], "--out", "killed"],
            true => &["train", "--resume", "killed"],
        };
        let mut child = place.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        killed += u64::from(kill_at_random(&mut child, &run, &mut dice));
        let output = child.wait_with_output().unwrap();
        assert!(!text(&output.stderr).contains("error"), "{}", text(&output.stderr));
        saved += u64::from(saved_step(&run) > 0);
    }
    assert!(killed >= KILLS / 2 && saved >= KILLS / 2, "{killed} kills in time, {saved} after a checkpoint");
    place.done(&["train", "--resume", "killed"]);
    assert_eq!(losses(&run), losses(&place.path("straight")));
    assert!(weights(&run) == weights(&place.path("straight")), "the weights differ");
    assert_eq!(epochs(&run), epochs(&place.path("straight")));
    let evidence = |run: &Path| std::fs::read_to_string(run.join("evidence.jsonl")).unwrap();
    assert!(evidence(&run) == evidence(&place.path("straight")), "the evidence differs");
    let densities = |run: &Path| std::fs::read_to_string(run.join("densities.jsonl")).unwrap();
    assert!(densities(&run) == densities(&place.path("straight")), "the densities differ");
}

/// `epochs.csv` without the seconds.
fn epochs(run: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(run.join("epochs.csv")).unwrap();
    let columns =
        |line: &str| line.split(',').enumerate().filter(|(i, _)| *i != 6).map(|(_, c)| c.to_owned()).collect();
    text.lines().map(columns).collect()
}

#[test]
fn an_interrupt_saves_and_the_run_goes_on_from_there() {
    let place = Workplace::new();
    let long = "schedule.epochs=6";
    place.done(&["train", "recipe.toml", long, "--out", "straight"]);
    let mut child =
        place.command(&["train", "recipe.toml", long, "--out", "stopped"]).stderr(Stdio::piped()).spawn().unwrap();
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
    // As if it had taken long until then.
    let path = place.path("stopped/checkpoints/last/state.json");
    let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(state["seconds"].as_f64().unwrap() > 0.0);
    state["seconds"] = 1000.0.into();
    std::fs::write(&path, state.to_string()).unwrap();
    place.done(&["train", "--resume", "stopped"]);
    let epochs = std::fs::read_to_string(place.path("stopped/epochs.csv")).unwrap();
    let seconds = epochs.lines().last().unwrap().split(',').nth(6).unwrap();
    assert!(seconds.parse::<f64>().unwrap() > 1000.0, "the seconds of the first session are lost: {epochs}");
    assert_eq!(losses(&place.path("stopped")), losses(&place.path("straight")));
}

#[test]
fn a_run_that_has_no_checkpoint_yet_is_not_gone_on_with_beside_its_own_process() {
    let place = Workplace::new();
    place.done(&["train", "recipe.toml", "schedule.epochs=1", "--out", "run"]);
    std::fs::remove_dir_all(place.path("run/checkpoints/last")).unwrap();
    // As the process that trains it does.
    let logs = ghm_train::RunDirectory::open(&place.path("run")).unwrap().open_logs(0).unwrap();
    let before = std::fs::read(place.path("run/recipe.toml")).unwrap();
    for _ in 0..2 {
        place.refused(&["train", "--resume", "run"], &["another process is training"]);
    }
    assert_eq!(std::fs::read(place.path("run/recipe.toml")).unwrap(), before);
    drop(logs);
    place.done(&["train", "--resume", "run"]);
    assert_eq!(losses(&place.path("run")).len(), 6);
}
