//! `ghm sweep`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Workplace, text};

const SWEEP: &str = r#"
recipe = "recipe.toml"
seeds = [0, 1]
set = ["schedule.epochs=2"]
compare = { axis = "loss", with = "focal" }
scenes = { train = 10, validation = 3, side = 64 }

[[axes]]
name = "noise"
values = [{ name = "clean" }, { name = "mix 20%", noise = { mix = 0.2 } }]

[[axes]]
name = "loss"
values = [{ name = "focal", set = ["loss.classification.kind=focal"] }, { name = "GHM-C", set = [] }]
"#;

fn workplace(sweep: &str) -> Workplace {
    let place = Workplace::new();
    std::fs::write(place.path("sweep.toml"), sweep).unwrap();
    place
}

/// The lines of a sweep's CSV without the seconds.
fn lines(place: &Workplace, out: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(place.path(out).join("sweep.csv")).unwrap();
    let without_seconds = |line: &str| {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        cells.remove(10);
        cells
    };
    text.lines().map(without_seconds).collect()
}

#[test]
fn a_sweep_that_is_killed_three_times_ends_with_the_table_of_one_that_was_not() {
    let place = workplace(SWEEP);
    let said = place.done(&["sweep", "sweep.toml", "--out", "whole"]);
    let expected = lines(&place, "whole");
    assert!(expected.len() == 9 && expected[1..].iter().all(|line| line[3] == "finished"), "{expected:?}");
    for part in ["| noise | focal | GHM-C |", "Difference of AP from loss `focal`", "| mix 20% | GHM-C | "] {
        assert!(said.contains(part), "{said}");
    }

    for kills in 1..=3 {
        let mut command = place.command(&["sweep", "sweep.toml", "--out", "killed"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let done = || std::fs::read_dir(place.path("killed/outcomes")).map_or(0, |outcomes| outcomes.count());
        // In the middle of the run after next.
        let (before, begun) = (done(), Instant::now());
        while done() < before + 2 && begun.elapsed() < Duration::from_secs(300) {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300 * kills));
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(done() >= before + 2);
    }
    // It goes on with what it has, and the process of the last run that was killed has to save its state first.
    let again = place.ghm(&["sweep", "sweep.toml", "--out", "killed"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert!(text(&again.stderr).contains("killed: 6 of 8 runs are done"), "{}", text(&again.stderr));
    assert_eq!(text(&again.stdout), said);
    assert_eq!(lines(&place, "killed"), expected);

    // Nothing is run twice.
    let stamp =
        |run: &str| std::fs::metadata(place.path("whole/runs").join(run).join("metrics.jsonl")).unwrap().modified();
    let before = stamp("clean_focal_seed-0").unwrap();
    assert_eq!(place.done(&["sweep", "sweep.toml", "--out", "whole"]), said);
    assert_eq!(stamp("clean_focal_seed-0").unwrap(), before);
}

#[test]
fn runs_that_fail_are_rows_with_their_reason_and_can_be_run_again() {
    let axis = "\n[[axes]]\nname = \"epochs\"\nkey = \"schedule.epochs\"\nvalues = [1, -1]\n";
    let head = "recipe = 'recipe.toml'\nseeds = [0]\nscenes = { train = 4, validation = 2, side = 64 }\n";
    let place = workplace(&format!("{head}{axis}"));
    let said = place.done(&["sweep", "sweep.toml", "--out", "out", "--jobs", "2"]);
    assert!(said.contains("| failed |") && said.contains("- -1, seed 0: schedule.epochs=-1: "), "{said}");
    let table = lines(&place, "out");
    assert_eq!((table[1][2].as_str(), table[2][2].as_str()), ("finished", "failed"));
    let json: Value = serde_json::from_slice(&std::fs::read(place.path("out/sweep.json")).unwrap()).unwrap();
    assert!(json["runs"][1]["outcome"]["reason"].as_str().unwrap().contains("schedule.epochs"), "{json}");

    let again = |arguments: &[&str]| {
        let output = place.ghm(&[&["sweep", "sweep.toml", "--out", "out"], arguments].concat());
        text(&output.stderr)
    };
    assert!(again(&[]).contains("2 of 2 runs are done"));
    assert!(again(&["--again"]).contains("1 of 2 runs are done"));

    // More can be added, but what was run stays what it was.
    std::fs::write(place.path("sweep.toml"), format!("{head}{}", axis.replace("[1, -1]", "[1, 2]"))).unwrap();
    assert!(again(&[]).contains("1 of 2 runs are done"));
    std::fs::write(place.path("sweep.toml"), format!("set = ['optimiser.learning_rate=1e-4']\n{head}{axis}")).unwrap();
    place.refused(&["sweep", "sweep.toml", "--out", "out"], &["other settings", "1_seed-0"]);
    std::fs::write(
        place.path("recipe.toml"),
        "# changed\n".to_owned() + &std::fs::read_to_string(place.path("recipe.toml")).unwrap(),
    )
    .unwrap();
    place.refused(&["sweep", "sweep.toml", "--out", "out"], &["of another recipe", "recipe.toml"]);
    place.refused(&["sweep", "sweep.toml", "--out", "data"], &["data", "is no sweep's"]);
    place.refused(&["sweep", "recipe.toml", "--out", "new"], &["recipe.toml", "unknown field"]);
    place.refused(&["sweep", "none.toml"], &["none.toml"]);
    assert!(!place.path("new").exists());
}
