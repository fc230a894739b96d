//! What people read.

use ghm_sweep::{Outcome, Part, Results, joined, markdown};

use crate::results::{by_loss, fail, outcomes};
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

| loss | less | higher at | lower at | difference | bootstrap interval | seeds | at `clean` | beyond `clean` |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| GHM-C | focal | 1 of 1 | 0 of 1 | +0.100 ± 0.000 | +0.100 to +0.100 | 2 | -0.010 (-0.010 to -0.010) | +0.110 (+0.110 to +0.110) |
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

#[test]
fn an_axis_of_two_sweeps_is_one_table_with_a_row_for_each_value_of_either() {
    // The other sweep has its losses first, one of them other, no learning rates to choose from and five seeds.
    let (_, axes) = FULL.split_once("[[axes]]").unwrap();
    let [_, noise, loss] = axes.split("[[axes]]").collect::<Vec<_>>()[..] else { panic!("three axes") };
    let rate = "name = \"rate\"\nkey = \"optimiser.learning_rate\"\nvalues = [1e-3]\n";
    let other = ["recipe = \"a.toml\"\nseeds = [3, 4, 5, 6, 7]\n", loss, noise, rate].join("[[axes]]\n");
    let sweeps = [parse(FULL).unwrap(), parse(&other.replace("\"focal\"", "\"CE\"")).unwrap()];
    let mut outcomes = [outcomes(&sweeps[0]), by_loss(&sweeps[1])];
    let failed = sweeps[1].runs().into_iter().find(|run| run.seed == 7).unwrap();
    outcomes[1].insert((failed.cell, 7), Outcome::Failed { reason: "out of memory".into() });
    let results = [Results::new(&sweeps[0], &outcomes[0]), Results::new(&sweeps[1], &outcomes[1])];
    let parts =
        [Part { name: "scenes", results: &results[0], axis: 2 }, Part { name: "cards", results: &results[1], axis: 0 }];
    assert_eq!(
        joined(&parts),
        "\
Mean ± standard deviation (scenes: AP, seeds 3, 5; cards: AP, seeds 3 to 7):

| loss | scenes, clean | scenes, flips 20% | cards, clean, 0.001 | cards, flips 20%, 0.001 |
| --- | --- | --- | --- | --- |
| focal | 0.504 ± 0.001 [0.001] | 0.304 ± 0.001 [0.001] |  |  |
| GHM-C | 0.494 ± 0.001 [0.0005] | 0.404 ± 0.001 [0.0005] | 0.200 ± 0.000 | 0.200 ± 0.000 |
| CE |  |  | 0.100 ± 0.000 (4 of 5) | 0.100 ± 0.000 |

Of scenes each with the rate of the best mean, which is in brackets.

Failed of cards:

- CE, clean, 0.001, seed 7: out of memory
"
    );
}

#[test]
fn seeds_are_a_range_where_four_or_more_follow_one_another() {
    for (seeds, said) in [
        ("3", "seed 3"),
        ("3, 4", "seeds 3, 4"),
        ("3, 4, 5", "seeds 3, 4, 5"),
        ("3, 4, 5, 6", "seeds 3 to 6"),
        ("3, 4, 6, 7", "seeds 3, 4, 6, 7"),
        ("6, 5, 4, 3", "seeds 6, 5, 4, 3"),
    ] {
        let sweep = parse(&FULL.replace("seeds = [3, 5]", &format!("seeds = [{seeds}]"))).unwrap();
        let outcomes = outcomes(&sweep);
        let text = markdown::means(&Results::new(&sweep, &outcomes));
        assert!(text.starts_with(&format!("AP (mean ± standard deviation, {said}):")), "{text}");
    }
}
