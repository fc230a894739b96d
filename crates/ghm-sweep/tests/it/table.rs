//! What people and programs read.

use ghm_sweep::{Outcome, Results, table};

use crate::results::{fail, outcomes};
use crate::{FULL, parse};

#[test]
fn the_markdown_has_means_what_was_chosen_differences_and_failures() {
    let sweep = parse(FULL).unwrap();
    let mut outcomes = outcomes(&sweep);
    let cell = Results::new(&sweep, &outcomes).rows[3].cell.clone();
    fail(&mut outcomes, &cell, 5);
    assert_eq!(
        table::markdown(&Results::new(&sweep, &outcomes)),
        "\
AP (mean ± standard deviation, seeds 3, 5):

| noise | focal | GHM-C |
| --- | --- | --- |
| clean | 0.504 ± 0.001 [0.001] | 0.494 ± 0.001 [0.0005] |
| flips 20% | 0.304 ± 0.001 [0.001] | 0.403 (1 of 2) [0.0005] |

Each with the rate of the best mean, which is in brackets.

Difference of AP from loss `focal`, seed by seed:

| noise | loss | difference | bootstrap interval | seeds |
| --- | --- | --- | --- | --- |
| clean | GHM-C | -0.010 ± 0.000 | -0.010 to -0.010 | 2 |
| flips 20% | GHM-C | +0.100 | - | 1 |

Failed:

- 0.0005, flips 20%, GHM-C, seed 5: out of memory
- 0.001, flips 20%, GHM-C, seed 5: out of memory
"
    );
}

#[test]
fn the_markdown_has_what_a_grid_spans_and_what_its_default_costs() {
    let of = |default: &str| {
        let sweep = parse(&format!("default = {default}\n{FULL}")).unwrap();
        let outcomes = outcomes(&sweep);
        let text = table::markdown(&Results::new(&sweep, &outcomes));
        text.split_once("What the grid spans").unwrap().1.to_owned()
    };
    assert_eq!(
        of("{ loss = 'focal' }"),
        " in means of AP, and what its best cell has more than the default (loss focal), seed by seed:

| noise | cells | least | most | standard deviation over cells | default | regret | bootstrap interval |
| --- | --- | --- | --- | --- | --- | --- | --- |
| clean | 2 | 0.494 (loss GHM-C) | 0.504 (loss focal) | 0.007 | 0.504 | +0.000 ± 0.000 | +0.000 to +0.000, holds 0 |
| flips 20% | 2 | 0.304 (loss focal) | 0.404 (loss GHM-C) | 0.071 | 0.304 | +0.100 ± 0.000 | +0.100 to +0.100 |
"
    );
    let both = of("{ loss = 'GHM-C', noise = 'flips 20%' }");
    assert!(
        both.contains(
            "| 4 | 0.304 (loss focal, noise flips 20%) | 0.504 (loss focal, noise clean) | 0.093 | 0.404 | +0.100 "
        ),
        "{both}"
    );
}

#[test]
fn of_a_grid_without_its_default_nothing_is_said() {
    let sweep = parse(&format!("default = {{ loss = 'focal' }}\n{FULL}")).unwrap();
    let mut outcomes = outcomes(&sweep);
    outcomes.retain(|(cell, _), _| cell.0[1..] != [0, 0]);
    assert_eq!(Results::new(&sweep, &outcomes).sensitivities.len(), 1);
}

#[test]
fn the_csv_has_a_line_for_every_run_and_quotes_what_has_to_be() {
    let sweep = parse(&FULL.replace("flips 20%", "flips, 20%")).unwrap();
    let mut outcomes = outcomes(&sweep);
    let runs = sweep.runs();
    outcomes.insert((runs[0].cell.clone(), runs[0].seed), Outcome::Failed { reason: "a \"bad\" day".into() });
    outcomes.remove(&(runs[1].cell.clone(), runs[1].seed));
    let csv = String::from_utf8(table::csv(&Results::new(&sweep, &outcomes)).unwrap()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + runs.len());
    assert_eq!(
        lines[0],
        "rate,noise,loss,seed,state,AP,AP50,AP75,AP_small,AP_medium,AP_large,AR_1,AR_10,AR_100,AR_small,AR_medium,AR_large,seconds,losses_percent,reason"
    );
    assert_eq!(lines[1], "0.0005,clean,focal,3,failed,,,,,,,,,,,,,,,\"a \"\"bad\"\" day\"");
    assert_eq!(lines[2], "0.0005,clean,GHM-C,3,missing,,,,,,,,,,,,,,,");
    assert!(lines[3].starts_with("0.0005,\"flips, 20%\",focal,3,finished,0.25"), "{}", lines[3]);
    assert!(lines[3].ends_with(",60,3.5,"), "{}", lines[3]);
}

#[test]
fn the_json_has_every_run_and_every_row_with_its_values_by_name() {
    let sweep = parse(FULL).unwrap();
    let outcomes = outcomes(&sweep);
    let json = table::json(&Results::new(&sweep, &outcomes));
    assert_eq!((json["runs"].as_array().unwrap().len(), json["rows"].as_array().unwrap().len()), (16, 4));
    let row = &json["rows"][3];
    assert_eq!((&row["values"]["noise"], &row["values"]["loss"]), (&"flips 20%".into(), &"GHM-C".into()));
    assert_eq!(row["spread"]["count"], 2);
    assert_eq!(json["differences"][1]["with"]["loss"], "focal");
    assert_eq!(json["runs"][0]["outcome"]["state"], "finished");
}
