//! From outcomes to rows and differences.

use std::collections::BTreeMap;

use ghm_sweep::results::Outcomes;
use ghm_sweep::{Cell, Outcome, Results, Sweep};

use crate::{FULL, parse};

/// An AP that tells rate, noise, loss and seed apart: GHM-C is better by 0.1 under noise, and by 0.01 less than focal loss without; the
/// higher rate is better for focal loss, the lower for GHM-C.
fn ap(cell: &[usize], seed: u64) -> f64 {
    let [rate, noise, loss] = cell else { panic!("three axes") };
    let better = [[0.0, -0.01], [0.0, 0.1]][*noise][*loss];
    let fit = if rate == loss { -0.05 } else { 0.0 };
    0.5 - 0.2 * *noise as f64 + better + fit + 0.001 * seed as f64
}

pub fn outcomes(sweep: &Sweep) -> Outcomes {
    finished(sweep, ap)
}

/// Of a sweep whose first axis are losses, each of which has its own AP, whatever else.
pub fn by_loss(sweep: &Sweep) -> Outcomes {
    finished(sweep, |cell, _| 0.1 * (1 + cell[0]) as f64)
}

fn finished(sweep: &Sweep, ap: impl Fn(&[usize], u64) -> f64) -> Outcomes {
    let of = |run: ghm_sweep::Run| {
        let numbers = BTreeMap::from([("AP".to_owned(), ap(&run.cell.0, run.seed))]);
        (
            (run.cell, run.seed),
            Outcome::Finished {
                numbers,
                seconds: 60.0,
                losses_percent: Some(run.seed as f64 + 0.5),
                settings: String::new(),
            },
        )
    };
    sweep.runs().into_iter().map(of).collect()
}

/// Has the runs of a cell with a seed fail, at both rates.
pub fn fail(outcomes: &mut Outcomes, cell: &Cell, seed: u64) {
    for rate in 0..2 {
        let mut cell = cell.clone();
        cell.0[0] = rate;
        outcomes.insert((cell, seed), Outcome::Failed { reason: "out of memory".into() });
    }
}

#[test]
fn of_an_axis_that_is_chosen_from_each_row_has_its_best_value() {
    let sweep = parse(FULL).unwrap();
    let outcomes = outcomes(&sweep);
    let results = Results::new(&sweep, &outcomes);
    let cells: Vec<&[usize]> = results.rows.iter().map(|row| row.cell.0.as_slice()).collect();
    assert_eq!(cells, [[1, 0, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]]);
    let spread = results.rows[3].spread().unwrap();
    // 0.403 and 0.405.
    assert!(
        (spread.mean - 0.404).abs() < 1e-12
            && (spread.standard_deviation.unwrap() - 0.002f64 / 2f64.sqrt()).abs() < 1e-12
    );
}

#[test]
fn what_runs_took_is_compared_as_their_numbers_are() {
    let sweep = |metric: &str| parse(&format!("metric = '{metric}'\n{}", FULL.replace("choose = true", ""))).unwrap();
    let (shares, seconds) = (sweep("losses_percent"), sweep("seconds"));
    let results = outcomes(&shares);
    // 3.5 and 5.5 by the seed.
    let spread = Results::new(&shares, &results).rows[0].spread().unwrap();
    assert!((spread.mean - 4.5).abs() < 1e-12 && (spread.standard_deviation.unwrap() - 2f64.sqrt()).abs() < 1e-12);
    assert!((Results::new(&seconds, &results).rows[0].spread().unwrap().mean - 60.0).abs() < 1e-12);
}

#[test]
fn the_same_runs_are_compared_by_another_metric() {
    let sweep = parse(FULL).unwrap();
    let mut outcomes = outcomes(&sweep);
    let by_bird = sweep.clone().by("AP of bird").unwrap();
    assert!(outcomes.values().all(|outcome| outcome.lacks("AP of bird") && !outcome.lacks("AP75")));
    for outcome in outcomes.values_mut() {
        let Outcome::Finished { numbers, .. } = outcome else { panic!("{outcome:?}") };
        numbers.insert("AP of bird".to_owned(), 1.0 - numbers["AP"]);
    }
    // Each chosen by the metric: what was the worse rate is the better one.
    let rates = |sweep: &Sweep| Results::new(sweep, &outcomes).rows.iter().map(|row| row.cell.0[0]).collect::<Vec<_>>();
    assert_eq!((rates(&sweep), rates(&by_bird)), (vec![1, 0, 1, 0], vec![0, 1, 0, 1]));
    assert!(sweep.by("seconds").is_err_and(|reason| reason.contains("is a cost")));
}

#[test]
fn rows_are_compared_seed_by_seed_with_all_else_equal() {
    let sweep = parse(FULL).unwrap();
    let mut outcomes = outcomes(&sweep);
    let results = Results::new(&sweep, &outcomes);
    let [clean, noisy] = &results.differences[..] else { panic!("{:?}", results.differences) };
    assert_eq!(((clean.row, clean.with), (noisy.row, noisy.with)), ((1, 0), (3, 2)));
    assert!(
        clean.paired.by_seed.len() == 2
            && clean.paired.by_seed.iter().all(|difference| (difference + 0.01).abs() < 1e-12)
    );
    let interval = noisy.paired.interval.unwrap();
    assert!(interval.is_clear() && (interval.low - 0.1).abs() < 1e-12 && (interval.high - 0.1).abs() < 1e-12);

    // A seed that only one of the two has does not count.
    let cell = results.rows[2].cell.clone();
    fail(&mut outcomes, &cell, 5);
    let results = Results::new(&sweep, &outcomes);
    assert_eq!((results.rows[2].failed, results.rows[2].by_seed.len()), (1, 1));
    assert_eq!((results.differences[1].paired.by_seed.len(), results.differences[1].paired.interval), (1, None));
}

#[test]
fn every_two_values_are_compared_with_the_seeds_that_all_their_rows_have() {
    let sweep = parse(&format!("pairs = {{ axis = 'loss', over = 'noise' }}\n{FULL}")).unwrap();
    let mut outcomes = outcomes(&sweep);
    let results = Results::new(&sweep, &outcomes);
    let [pair] = &results.pairs[..] else { panic!("{:?}", results.pairs) };
    assert_eq!((&pair.rows[..], &pair.with[..], pair.higher, pair.lower), (&[1, 3][..], &[0, 2][..], 1, 1));
    // 0.01 higher on clean labels, 0.1 lower on wrong ones.
    assert!(
        pair.paired.by_seed.len() == 2
            && pair.paired.by_seed.iter().all(|difference| (difference - 0.045).abs() < 1e-12)
    );

    // Of a seed that one of the four rows lacks there is no mean over them; of a row with one seed none is higher.
    let cell = results.rows[3].cell.clone();
    fail(&mut outcomes, &cell, 5);
    let results = Results::new(&sweep, &outcomes);
    let pair = &results.pairs[0];
    assert_eq!((pair.paired.by_seed.len(), pair.paired.interval, pair.higher, pair.lower), (1, None, 0, 1));
}

#[test]
fn pairs_say_what_a_difference_has_beyond_that_of_the_values_that_were_left_out() {
    let sweep = parse(&format!("pairs = {{ axis = 'loss', over = 'noise', without = ['clean'] }}\n{FULL}")).unwrap();
    let mut outcomes = outcomes(&sweep);
    let results = Results::new(&sweep, &outcomes);
    let pair = &results.pairs[0];
    // 0.1 higher on wrong labels, and 0.01 lower on clean ones.
    let beyond = pair.beyond.as_ref().unwrap();
    assert!(pair.rows == [3] && (pair.paired.spread.mean - 0.1).abs() < 1e-12, "{pair:?}");
    assert!(beyond.by_seed.len() == 2 && beyond.by_seed.iter().all(|beyond| (beyond - 0.11).abs() < 1e-12));

    let clean = pair.left_out.as_ref().unwrap();
    assert!(clean.by_seed.len() == 2 && clean.by_seed.iter().all(|clean| (clean + 0.01).abs() < 1e-12));

    // With a seed that the clean ones lack nothing can be beyond them.
    let cell = results.rows[0].cell.clone();
    fail(&mut outcomes, &cell, 5);
    let results = Results::new(&sweep, &outcomes);
    assert_eq!(results.pairs[0].paired.by_seed.len(), 2);
    assert_eq!(results.pairs[0].left_out.as_ref().unwrap().by_seed.len(), 1);
    assert_eq!(results.pairs[0].beyond.as_ref().unwrap().by_seed.len(), 1);
}

#[test]
fn what_chance_gives_the_means_of_a_grid_is_the_spread_of_seeds_over_the_root_of_their_number() {
    let sweep = parse(&format!("default = {{ loss = 'focal' }}\n{FULL}")).unwrap();
    let outcomes = outcomes(&sweep);
    let results = Results::new(&sweep, &outcomes);
    // Seeds 3 and 5 are 0.002 apart in every row: a standard deviation of 0.002 / sqrt 2, and of a mean of two 0.001.
    for one in &results.sensitivities {
        assert!((one.chance.unwrap() - 0.001).abs() < 1e-12, "{one:?}");
    }
}

#[test]
fn a_value_with_which_runs_failed_is_not_chosen_for_its_mean() {
    let sweep = parse(FULL).unwrap();
    let mut outcomes = outcomes(&sweep);
    let best = Results::new(&sweep, &outcomes).rows[0].cell.clone();
    outcomes.insert((best.clone(), 3), Outcome::Failed { reason: "diverged".into() });
    let results = Results::new(&sweep, &outcomes);
    assert_ne!(results.rows[0].cell, best);
    assert_eq!(results.rows[0].by_seed.len(), 2);
}

#[test]
fn a_sweep_that_has_only_begun_has_rows_without_numbers() {
    let sweep = parse(FULL).unwrap();
    let outcomes = Outcomes::new();
    let results = Results::new(&sweep, &outcomes);
    assert!(results.rows.len() == 4 && results.rows.iter().all(|row| row.spread().is_none()));
    assert!(results.differences.is_empty());
}
