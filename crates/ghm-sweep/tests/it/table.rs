//! What programs read.

use ghm_sweep::metric::of_class;
use ghm_sweep::{Outcome, Results, table};

use crate::results::outcomes;
use crate::{FULL, parse};

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
fn the_csv_has_a_column_for_each_number_of_a_class() {
    let sweep = parse(FULL).unwrap();
    let mut outcomes = outcomes(&sweep);
    let run = &sweep.runs()[1];
    let outcome = outcomes.get_mut(&(run.cell.clone(), run.seed)).unwrap();
    let Outcome::Finished { numbers, .. } = outcome else { panic!("{outcome:?}") };
    numbers.insert(of_class("AP50", "bird"), 0.25);
    let csv = String::from_utf8(table::csv(&Results::new(&sweep, &outcomes)).unwrap()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].ends_with(",AR_large,AP50 of bird,seconds,losses_percent,reason"), "{}", lines[0]);
    assert!(lines[1].ends_with(",,60,3.5,") && lines[2].ends_with(",0.25,60,3.5,"), "{} {}", lines[1], lines[2]);
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
