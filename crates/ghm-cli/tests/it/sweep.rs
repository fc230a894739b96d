//! `ghm sweep`.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Workplace, contents, text};

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

/// The lines of a sweep's CSV without what the runs took.
fn lines(place: &Workplace, out: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(place.path(out).join("sweep.csv")).unwrap();
    let column = |cost: &str| text.lines().next().unwrap().split(',').position(|name| name == cost).unwrap();
    let costs = ["seconds", "losses_percent"].map(column);
    let without = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        // A finished run has both; a short one may take 0 seconds, as they are rounded.
        if cells.contains(&"finished") {
            let [seconds, percent] = costs.map(|column| cells[column].parse::<f64>().unwrap());
            assert!(seconds >= 0.0 && (0.0..=100.0).contains(&percent), "{line}");
        }
        let kept = cells.iter().enumerate().filter(|(column, _)| !costs.contains(column));
        kept.map(|(_, cell)| (*cell).to_owned()).collect()
    };
    text.lines().map(without).collect()
}

/// Starts a sweep and kills it as soon as `so_far` says so.
fn kill_when(place: &Workplace, out: &str, so_far: impl Fn() -> bool) {
    let mut command = place.command(&["sweep", "sweep.toml", "--out", out]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !so_far() && begun.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Updates of all runs together.
fn updates(place: &Workplace, out: &str) -> usize {
    let Ok(runs) = std::fs::read_dir(place.path(out).join("runs")) else { return 0 };
    let of = |run: std::fs::DirEntry| {
        std::fs::read_to_string(run.path().join("metrics.jsonl")).map_or(0, |text| text.lines().count())
    };
    runs.map(|run| of(run.unwrap())).sum()
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

    let report = std::fs::read_to_string(place.path("whole/report.html")).unwrap();
    assert!(report.contains("<svg") && report.contains("mix 20%") && report.contains("Difference of AP"));
    assert!(place.path("whole/figures/1.svg").is_file());
    place.done(&["report", "whole"]);
    let again = std::fs::read_to_string(place.path("whole/report.html")).unwrap();
    assert!(again.contains("<h1>Sweep whole</h1>") && again.contains("<svg") && again.contains("Difference of AP"));

    // What a process had left half drawn does not matter.
    std::fs::create_dir_all(place.path("killed/data/scenes-10-3-64-seed-0.partial/annotations")).unwrap();
    std::fs::write(place.path("killed/sweep.lock"), "").unwrap();
    // A run has ten updates: in the first, the third and the sixth of them.
    for enough in [3, 27, 54] {
        kill_when(&place, "killed", || updates(&place, "killed") >= enough);
    }
    // A run that has ended, but of which nothing is kept yet.
    let ended: Vec<_> =
        std::fs::read_dir(place.path("killed/outcomes")).unwrap().map(|entry| entry.unwrap().path()).collect();
    std::fs::remove_file(ended.iter().find(|path| path.ends_with("clean_focal_seed-0.json")).unwrap()).unwrap();
    // The process of the run that was killed may still have to save its state.
    let again = place.ghm(&["sweep", "sweep.toml", "--out", "./killed"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    let done = text(&again.stderr);
    assert!(done.contains("killed: 4 of 8 runs are done") || done.contains("killed: 5 of 8 runs are done"), "{done}");
    assert_eq!(text(&again.stdout), said);
    assert_eq!(lines(&place, "killed"), expected);

    // Another folder takes over what was done here, and the runs of other settings are run there.
    let known = ["--known", "whole/sweep.json"];
    let taken = place.ghm(&["sweep", "sweep.toml", "--out", "deep/other", known[0], known[1]]);
    assert!(text(&taken.stderr).contains("8 runs taken over"), "{}", text(&taken.stderr));
    assert_eq!((text(&taken.stdout), lines(&place, "deep/other")), (said.clone(), expected.clone()));
    assert!(!place.path("deep/other/runs").exists());
    // By their settings they are known, not by what this sweep calls its values.
    let renamed = SWEEP.replace("mix 20%", "a fifth").replace("name = \"noise\"", "name = \"labels\"");
    std::fs::write(place.path("renamed.toml"), renamed).unwrap();
    let taken = place.ghm(&["sweep", "renamed.toml", "--out", "renamed", known[0], known[1]]);
    assert!(text(&taken.stderr).contains("8 runs taken over"), "{}", text(&taken.stderr));
    assert!(text(&taken.stdout).contains("| a fifth |"), "{}", text(&taken.stdout));
    let fewer = SWEEP.replace("epochs=2", "epochs=1").replace("seeds = [0, 1]", "seeds = [0]");
    std::fs::write(place.path("fewer.toml"), fewer).unwrap();
    let other = place.ghm(&["sweep", "fewer.toml", "--out", "fewer", known[0], known[1]]);
    let words = text(&other.stderr);
    assert!(
        words.contains("0 runs taken over") && words.contains("4 runs of the same values were done by other settings"),
        "{words}"
    );
    assert_eq!(std::fs::read_dir(place.path("fewer/runs")).unwrap().count(), 4);

    // Nothing is run twice.
    let before = contents(&place.path("whole/runs"));
    assert_eq!(place.done(&["sweep", "sweep.toml", "--out", "whole"]), said);
    assert!(contents(&place.path("whole/runs")) == before);
}

#[test]
fn of_runs_that_have_finished_nothing_is_kept_where_they_are_to_be_discarded() {
    let only = SWEEP.replace("seeds = [0, 1]", "seeds = [0]");
    let place = workplace(&only);
    let said = place.done(&["sweep", "sweep.toml", "--out", "whole"]);
    let runs = |out: &str| std::fs::read_dir(place.path(out).join("runs")).unwrap().count();
    let discarding = ["sweep", "sweep.toml", "--out", "lean", "--discard-runs"];
    assert_eq!(place.done(&discarding), said);
    assert_eq!((runs("whole"), runs("lean")), (4, 0));
    assert_eq!(lines(&place, "lean"), lines(&place, "whole"));
    // They have been done nevertheless; and of a run that fails all stays.
    let failing =
        only.replace("set = [] }", "set = [] }, { name = \"lost\", set = [\"loss.regression.weight=1e38\"] }");
    std::fs::write(place.path("sweep.toml"), failing).unwrap();
    let again = place.ghm(&discarding);
    assert!(text(&again.stderr).contains("4 of 6 runs are done"), "{}", text(&again.stderr));
    assert_eq!((again.status.code(), runs("lean")), (Some(1), 2), "{}", text(&again.stderr));
    // What is left of those that had finished before goes too.
    place.ghm(&["sweep", "sweep.toml", "--out", "whole", "--discard-runs"]);
    assert_eq!(runs("whole"), 2);
    // By other settings they are not run again over what they gave.
    std::fs::write(place.path("sweep.toml"), only.replace("epochs=2", "epochs=1")).unwrap();
    place.refused(&discarding, &["outcomes", "clean_focal_seed-0.json", "other settings"]);
}

/// Takes the numbers of classes out of a file, as if an earlier version had written it.
fn without_classes(path: &Path) {
    let mut value: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    fn strip(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.retain(|name, _| !name.contains(" of "));
                object.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

#[test]
fn runs_are_compared_by_a_class_even_if_they_were_kept_without_its_number() {
    let by = |metric: &str| {
        let one = SWEEP
            .replace("seeds = [0, 1]", "seeds = [0]")
            .replace(", { name = \"mix 20%\", noise = { mix = 0.2 } }", "");
        format!("metric = \"{metric}\"\n{one}")
    };
    let place = workplace(&by("AP"));
    let sweep = |out: &str, more: &[&str]| place.ghm(&[&["sweep", "sweep.toml", "--out", out], more].concat());
    assert!(sweep("whole", &[]).status.success());
    let run = place.path("whole/runs/clean_focal_seed-0");
    let evaluation: Value =
        serde_json::from_str(&std::fs::read_to_string(run.join("evaluation.json")).unwrap()).unwrap();
    let classes = evaluation["per_class"].as_object().unwrap();
    let (class, numbers) = classes.iter().find(|(_, numbers)| numbers["AP50"].is_number()).unwrap();
    let metric = format!("AP50 of {class}");
    let header = lines(&place, "whole").remove(0);
    assert!(header.contains(&metric) && header.contains(&format!("AP of {class}")), "{header:?}");

    let kept = place.path("whole/sweep.json");
    std::fs::write(
        place.path("tables.md"),
        format!("<!-- ghm tables sweep.toml whole/sweep.json {metric} -->\n<!-- end of tables -->\n"),
    )
    .unwrap();
    place.done(&["tables", "tables.md"]);
    let tables = std::fs::read_to_string(place.path("tables.md")).unwrap();
    let chart = format!("whole/sweep-{}-1.svg", metric.replace(' ', "-"));
    assert!(tables.contains(&format!("{metric} (mean")) && tables.contains(&chart), "{tables}");
    assert!(std::fs::read_to_string(place.path(&chart)).unwrap().contains(&metric));

    // As an earlier version would have left it.
    without_classes(&kept);
    place.refused(&["tables", "tables.md"], &["whole/sweep.json", "2 runs were kept without", &metric]);
    for entry in std::fs::read_dir(place.path("whole/outcomes")).unwrap() {
        without_classes(&entry.unwrap().path());
    }
    std::fs::copy(&kept, place.path("old.json")).unwrap();
    std::fs::write(place.path("sweep.toml"), by(&metric)).unwrap();
    let before = contents(&place.path("whole/runs"));
    assert!(sweep("whole", &[]).status.success());
    assert!(contents(&place.path("whole/runs")) == before, "it was run again");
    let results: Value = serde_json::from_str(&std::fs::read_to_string(&kept).unwrap()).unwrap();
    assert_eq!((&results["metric"], &results["rows"][0]["by_seed"]["0"]), (&metric.as_str().into(), &numbers["AP50"]));
    std::fs::write(place.path("sweep.toml"), by("AP of cow")).unwrap();
    place.refused(
        &["sweep", "sweep.toml", "--out", "whole"],
        &["error: sweep.toml", "no run has numbers of a class `cow`", class],
    );
    std::fs::write(place.path("sweep.toml"), by(&metric)).unwrap();
    // Where the runs are not, they are done.
    let elsewhere = sweep("elsewhere", &["--known", "old.json"]);
    assert!(
        text(&elsewhere.stderr).contains(&format!("2 runs were kept without `{metric}`")),
        "{}",
        text(&elsewhere.stderr)
    );
    assert_eq!(lines(&place, "elsewhere"), lines(&place, "whole"));
    // Of a class that there is not nothing is run.
    std::fs::write(place.path("sweep.toml"), by("AP of cow")).unwrap();
    let lost = sweep("lost", &[]);
    assert_eq!(lost.status.code(), Some(1));
    assert!(
        text(&lost.stdout).contains("has no labels of a class `cow` to measure; of these it has: ")
            && text(&lost.stdout).contains(class),
        "{}",
        text(&lost.stdout)
    );
    assert!(!place.path("lost/runs").exists());
}

#[test]
fn an_interrupt_stops_the_runs_too_and_a_second_process_is_refused() {
    let place = workplace(&SWEEP.replace("epochs=2", "epochs=200"));
    let mut command = place.command(&["sweep", "sweep.toml", "--out", "out"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() && updates(&place, "out") < 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    place.refused(&["sweep", "sweep.toml", "--out", "out"], &["out", "another process is at this sweep"]);
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("the same command goes on"), "{}", text(&output.stderr));
    assert!(place.path("out/report.html").is_file());
    assert!(place.path("out/runs/clean_focal_seed-0/checkpoints/last/state.json").is_file(), "its state was not saved");
}

#[test]
fn a_run_that_has_begun_is_not_gone_on_with_by_other_settings() {
    let place = workplace(SWEEP);
    kill_when(&place, "out", || updates(&place, "out") >= 3);
    std::fs::write(place.path("sweep.toml"), SWEEP.replace("epochs=2", "epochs=3")).unwrap();
    place.refused(&["sweep", "sweep.toml", "--out", "out"], &["clean_focal_seed-0", "other settings"]);
    // Nor where what was kept of it is gone.
    let kept = place.path("out/outcomes/clean_focal_seed-0.json");
    std::fs::rename(&kept, place.path("kept.json")).unwrap();
    place.refused(&["sweep", "sweep.toml", "--out", "out"], &["clean_focal_seed-0", "other settings"]);
    std::fs::rename(place.path("kept.json"), &kept).unwrap();
    // Other scenes are other settings too.
    std::fs::write(place.path("sweep.toml"), SWEEP.replace("train = 10", "train = 12")).unwrap();
    place.refused(&["sweep", "sweep.toml", "--out", "out"], &["clean_focal_seed-0", "other settings"]);
}

#[test]
fn runs_that_fail_are_rows_with_their_reason_and_can_be_run_again() {
    let axis = "\n[[axes]]\nname = \"what\"\nvalues = [\n    { name = \"good\" },\n    { name = \"no key\", set = [\"schedule.epochs=-1\"] },\n    \
                { name = \"no file\", set = [\"model.weights=none.pth\"] },\n]\n";
    let head = "recipe = 'recipe.toml'\nseeds = [0]\nset = ['schedule.epochs=1']\nscenes = { train = 4, validation = 2, side = 64 }\n";
    let place = workplace(&format!("{head}{axis}"));
    let again = |arguments: &[&str]| place.ghm(&[&["sweep", "sweep.toml", "--out", "out"], arguments].concat());
    let output = again(&["--jobs", "2"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    for part in ["| failed |", "- no key, seed 0: schedule.epochs=-1: ", "- no file, seed 0: ", "none.pth"] {
        assert!(said.contains(part), "{said}");
    }
    let states: Vec<String> = lines(&place, "out").into_iter().skip(1).map(|line| line[2].clone()).collect();
    assert_eq!(states, ["finished", "failed", "failed"]);
    let json: Value = serde_json::from_slice(&std::fs::read(place.path("out/sweep.json")).unwrap()).unwrap();
    assert!(json["runs"][2]["outcome"]["reason"].as_str().unwrap().contains("none.pth"), "{json}");

    // What could not begin is tried again, what failed later when it is asked for.
    assert!(text(&again(&[]).stderr).contains("2 of 3 runs are done"));
    assert!(text(&again(&["--again"]).stderr).contains("1 of 3 runs are done"));
    // Once it is mended it is run.
    let mended =
        format!("{head}{}", axis.replace("-1", "2").replace("model.weights=none.pth", "optimiser.learning_rate=1e-4"));
    std::fs::write(place.path("sweep.toml"), mended).unwrap();
    let output = again(&[]);
    assert!(
        output.status.success() && text(&output.stderr).contains("1 of 3 runs are done"),
        "{}",
        text(&output.stderr)
    );
    // What was run stays what it was.
    std::fs::write(place.path("sweep.toml"), format!("{head}{axis}").replace("epochs=1'", "epochs=2'")).unwrap();
    place.refused(&["sweep", "sweep.toml", "--out", "out"], &["other settings", "good_seed-0"]);
}

#[test]
fn what_is_no_sweep_is_refused_by_name() {
    let place = workplace(SWEEP);
    place.refused(&["sweep", "sweep.toml", "--out", "data"], &["data", "is no sweep's"]);
    place.refused(&["sweep", "recipe.toml", "--out", "new"], &["recipe.toml", "unknown field"]);
    place.refused(&["sweep", "none.toml"], &["none.toml", "cannot be read", "check the path"]);
    place.refused(&["sweep", "sweep.toml", "--device", "gpu", "--out", "new"], &["gpu"]);
    std::fs::write(place.path("sweep.toml"), SWEEP.replace("recipe.toml", "none.toml")).unwrap();
    place.refused(&["sweep", "sweep.toml", "--out", "new"], &["none.toml", "recipe"]);
    assert!(!place.path("new").exists());
}
