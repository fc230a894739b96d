//! `ghm tables`.

use crate::support::{Workplace, text};

const SWEEP: &str = r#"
recipe = "recipe.toml"
seeds = [0, 1]
set = ["schedule.epochs=1"]
scenes = { train = 4, validation = 2, side = 64 }

[[axes]]
name = "loss"
values = [{ name = "focal", set = ["loss.classification.kind=focal"] }, { name = "GHM-C" }]
"#;

const DOCUMENT: &str = "\
# Losses

Before.

<!-- ghm tables ../sweep.toml ../kept/sweep.json -->
what was here
<!-- end of tables -->

After.
";

#[test]
fn a_document_has_the_tables_of_what_was_kept_of_a_sweep() {
    let place = Workplace::new();
    std::fs::write(place.path("sweep.toml"), SWEEP).unwrap();
    let said = place.done(&["sweep", "sweep.toml", "--out", "out"]);
    std::fs::create_dir_all(place.path("docs")).unwrap();
    std::fs::create_dir_all(place.path("kept")).unwrap();
    std::fs::copy(place.path("out/sweep.json"), place.path("kept/sweep.json")).unwrap();
    let document = place.path("docs/losses.md");
    std::fs::write(&document, DOCUMENT).unwrap();

    let check = ["tables", "docs/losses.md", "--check"];
    let stale = place.ghm(&check);
    assert_eq!(stale.status.code(), Some(1), "{}", text(&stale.stderr));
    assert!(text(&stale.stdout).contains("docs/losses.md") && text(&stale.stdout).contains("sweep-1.svg"));
    assert_eq!(std::fs::read_to_string(&document).unwrap(), DOCUMENT);

    place.done(&["tables", "docs/losses.md"]);
    let written = std::fs::read_to_string(&document).unwrap();
    let (before, after) = DOCUMENT.split_once("what was here\n").unwrap();
    assert!(written.starts_with(before) && written.ends_with(after), "{written}");
    assert!(written.contains(said.trim()) && written.contains("](../kept/sweep-1.svg)"), "{written}");
    assert!(std::fs::read_to_string(place.path("kept/sweep-1.svg")).unwrap().contains("<svg"));
    assert_eq!(place.ghm(&check).status.code(), Some(0));

    // A number that somebody has changed.
    std::fs::write(&document, written.replace("0.0", "0.9")).unwrap();
    assert_eq!(place.ghm(&check).status.code(), Some(1));

    // Where lines end as on Windows, they still do, and the rest of what somebody set up stays too.
    std::fs::write(place.path("docs/other.md"), DOCUMENT.replace('\n', "\r\n")).unwrap();
    place.done(&["tables", "docs/other.md"]);
    assert_eq!(std::fs::read_to_string(place.path("docs/other.md")).unwrap(), written.replace('\n', "\r\n"));

    // Two places in one document, and what is around them.
    std::fs::write(place.path("docs/two.md"), DOCUMENT.repeat(2)).unwrap();
    place.done(&["tables", "docs/two.md"]);
    assert_eq!(std::fs::read_to_string(place.path("docs/two.md")).unwrap(), written.repeat(2));

    // A sweep that has changed since: of two runs nothing is known, and one was done by other settings.
    let changed = SWEEP.replace("kind=focal", "kind=cross_entropy").replace("seeds = [0, 1]", "seeds = [1, 2]");
    std::fs::write(place.path("sweep.toml"), changed).unwrap();
    place.refused(
        &check,
        &[
            "kept/sweep.json",
            "docs/losses.md, line 5",
            "of the 4 runs",
            "lacks 2 and has 1 by other settings (the first: focal_seed-2)",
            "--known",
        ],
    );
}

#[test]
fn a_run_that_failed_is_a_row_of_the_document_too() {
    let place = Workplace::new();
    let sweep = SWEEP.replace("kind=focal", "kind=fokal").replace("seeds = [0, 1]", "seeds = [0]");
    std::fs::write(place.path("sweep.toml"), sweep).unwrap();
    assert_eq!(place.ghm(&["sweep", "sweep.toml", "--out", "kept"]).status.code(), Some(1));
    std::fs::write(place.path("losses.md"), DOCUMENT.replace("../", "")).unwrap();
    place.done(&["tables", "losses.md"]);
    let written = std::fs::read_to_string(place.path("losses.md")).unwrap();
    assert!(written.contains("| failed | 0.") && written.contains("Failed:") && written.contains("fokal"), "{written}");
}

#[test]
fn a_document_without_places_for_tables_is_refused() {
    let place = Workplace::new();
    std::fs::write(place.path("plain.md"), "# Nothing\n").unwrap();
    place.refused(&["tables", "plain.md"], &["plain.md", "<!-- ghm tables "]);
    std::fs::write(place.path("open.md"), "# A\n<!-- ghm tables a.toml b.json -->\n").unwrap();
    place.refused(&["tables", "open.md"], &["open.md, line 2", "<!-- end of tables -->"]);
    // Of several that are wrong the first is named.
    let two = "<!-- ghm tables a.toml b.json -->\n<!-- end of tables -->\n".repeat(2);
    std::fs::write(place.path("two.md"), format!("# A\n{two}")).unwrap();
    place.refused(&["tables", "two.md"], &["two.md, line 2", "a.toml"]);
    place.refused(&["tables", "absent.md"], &["absent.md", "cannot be read"]);
}

#[test]
fn a_document_has_an_axis_of_several_sweeps_in_one_table() {
    let place = Workplace::new();
    let only = SWEEP.replace("{ name = \"focal\", set = [\"loss.classification.kind=focal\"] }, ", "");
    for (name, sweep) in [("one", SWEEP), ("two", &only)] {
        std::fs::write(place.path(&format!("{name}.toml")), sweep).unwrap();
        place.done(&["sweep", &format!("{name}.toml"), "--out", name]);
    }
    let document = |axis: &str| {
        format!(
            "# A\n<!-- ghm tables {axis} of both: one.toml one/sweep.json; GHM alone: two.toml two/sweep.json -->\n<!-- end of tables -->\n"
        )
    };
    std::fs::write(place.path("a.md"), document("loss")).unwrap();
    place.done(&["tables", "a.md"]);
    let written = std::fs::read_to_string(place.path("a.md")).unwrap();
    let row = |name: &str| written.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap().to_owned();
    assert_eq!(row("loss"), "| loss | both | GHM alone |");
    assert!(row("focal").ends_with(" |  |"), "{written}");
    // The same runs in both.
    let of = |row: String| row.split(" | ").map(|cell| cell.trim_end_matches(" |").to_owned()).collect::<Vec<_>>();
    let ghm = of(row("GHM-C"));
    assert!(ghm[1].starts_with("0.") && ghm[1] == ghm[2], "{written}");
    assert!(!written.contains("!["), "{written}");
    assert_eq!(place.ghm(&["tables", "a.md", "--check"]).status.code(), Some(0));

    std::fs::write(place.path("b.md"), document("losses")).unwrap();
    place.refused(&["tables", "b.md"], &["b.md, line 2", "one.toml", "no axis `losses`", "`loss`"]);
}
