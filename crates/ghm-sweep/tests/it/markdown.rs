//! What people read.

use ghm_sweep::{Results, markdown};

use crate::results::{fail, outcomes};
use crate::{FULL, parse};

#[test]
fn the_markdown_has_means_what_was_chosen_differences_and_failures() {
    let sweep = parse(FULL).unwrap();
    let mut outcomes = outcomes(&sweep);
    let cell = Results::new(&sweep, &outcomes).rows[3].cell.clone();
    fail(&mut outcomes, &cell, 5);
    assert_eq!(
        markdown::tables(&Results::new(&sweep, &outcomes)),
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
        let text = markdown::tables(&Results::new(&sweep, &outcomes));
        text.split_once("What the grid spans").unwrap().1.to_owned()
    };
    assert_eq!(
        of("{ loss = 'focal' }"),
        " in means of AP, and what its best cell has more than the default (loss focal), seed by seed:

| noise | cells | least | most | standard deviation over cells | by chance | default | regret | bootstrap interval |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| clean | 2 | 0.494 (loss GHM-C) | 0.504 (loss focal) | 0.007 | 0.001 | 0.504 | +0.000 ± 0.000 | +0.000 to +0.000, holds 0 |
| flips 20% | 2 | 0.304 (loss focal) | 0.404 (loss GHM-C) | 0.071 | 0.001 | 0.304 | +0.100 ± 0.000 | +0.100 to +0.100 |
"
    );
    let both = of("{ loss = 'GHM-C', noise = 'flips 20%' }");
    assert!(
        both.contains(
            "| 4 | 0.304 (loss focal, noise flips 20%) | 0.504 (loss focal, noise clean) | 0.093 | 0.001 | 0.404 | +0.100 "
        ),
        "{both}"
    );
}

#[test]
fn the_markdown_has_every_two_values_over_those_of_another_axis_together() {
    let of = |pairs: &str| {
        let sweep = parse(&format!("pairs = {pairs}\n{FULL}")).unwrap();
        let outcomes = outcomes(&sweep);
        let text = markdown::tables(&Results::new(&sweep, &outcomes));
        text.split_once("Every two of ").unwrap().1.to_owned()
    };
    assert_eq!(
        of("{ axis = 'loss', over = 'noise' }"),
        "loss by AP, seed by seed, over noise together; higher and lower where the interval does not hold 0:

| loss | less | higher at | lower at | difference | bootstrap interval | seeds |
| --- | --- | --- | --- | --- | --- | --- |
| GHM-C | focal | 1 of 2 | 1 of 2 | +0.045 ± 0.000 | +0.045 to +0.045 | 2 |
"
    );
    assert_eq!(
        of("{ axis = 'loss', over = 'noise', without = ['clean'] }"),
        "loss by AP, seed by seed, over noise without `clean` together; higher and lower where the interval does not hold 0:

| loss | less | higher at | lower at | difference | bootstrap interval | seeds | beyond `clean` |
| --- | --- | --- | --- | --- | --- | --- | --- |
| GHM-C | focal | 1 of 1 | 0 of 1 | +0.100 ± 0.000 | +0.100 to +0.100 | 2 | +0.110 (+0.110 to +0.110) |
"
    );
    assert_eq!(
        of("{ axis = 'loss' }"),
        "loss by AP, seed by seed:

| noise | loss | less | difference | bootstrap interval | seeds |
| --- | --- | --- | --- | --- | --- |
| clean | GHM-C | focal | -0.010 ± 0.000 | -0.010 to -0.010 | 2 |
| flips 20% | GHM-C | focal | +0.100 ± 0.000 | +0.100 to +0.100 | 2 |
"
    );
}

#[test]
fn of_a_grid_without_its_default_nothing_is_said() {
    let sweep = parse(&format!("default = {{ loss = 'focal' }}\n{FULL}")).unwrap();
    let mut outcomes = outcomes(&sweep);
    outcomes.retain(|(cell, _), _| cell.0[1..] != [0, 0]);
    assert_eq!(Results::new(&sweep, &outcomes).sensitivities.len(), 1);
}
