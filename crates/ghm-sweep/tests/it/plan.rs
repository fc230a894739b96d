//! From a file to runs.

use std::path::Path;

use ghm_data::NoiseConfig;
use ghm_sweep::Cell;

use crate::{FULL, parse};

#[test]
fn the_grid_is_the_product_of_the_axes_with_every_seed() {
    let sweep = parse(FULL).unwrap();
    assert_eq!(sweep.recipe, Path::new("sweeps/recipes/base.toml"));
    assert_eq!((sweep.metric.as_str(), sweep.columns, sweep.compare), ("AP", Some(2), Some((2, 0))));
    let runs = sweep.runs();
    assert_eq!(runs.len(), 2 * 2 * 2 * 2);
    // Whole grids first, the last axis fastest.
    assert!(runs[..8].iter().all(|run| run.seed == 3) && runs[8..].iter().all(|run| run.seed == 5));
    assert_eq!(
        runs.iter().take(4).map(|run| run.cell.0.as_slice()).collect::<Vec<_>>(),
        [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]
    );
    let last = runs.last().unwrap();
    assert_eq!(last.slug, "0.001_flips-20_ghm-c_seed-5");
    assert_eq!(
        last.overrides,
        [
            "schedule.epochs=6",
            "optimiser.learning_rate=0.001",
            "loss.classification.kind=ghm",
            "loss.classification.weight=10",
            "seed=5"
        ]
    );
    assert_eq!(last.noise, Some(NoiseConfig { flip: 0.2, seed: 5, ..NoiseConfig::default() }));
    assert_eq!(sweep.names(&last.cell), ["0.001", "flips 20%", "GHM-C"]);
}

#[test]
fn without_axes_there_is_one_cell() {
    let sweep = parse("recipe = 'a.toml'\nseeds = [0, 1]").unwrap();
    assert_eq!(sweep.cells(), [Cell(vec![])]);
    assert_eq!(sweep.runs().iter().map(|run| run.slug.as_str()).collect::<Vec<_>>(), ["seed-0", "seed-1"]);
}

#[test]
fn names_that_differ_by_a_sign_are_two_file_names() {
    let sweep = parse("recipe = 'a.toml'\nseeds = [0]\naxes = [{ name = 'x', key = 'k', values = [1, -1] }]").unwrap();
    assert_eq!(sweep.runs().iter().map(|run| run.slug.as_str()).collect::<Vec<_>>(), ["1_seed-0", "minus-1_seed-0"]);
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name_and_the_way_out() {
    let with = |what: &str, instead: &str| {
        assert!(FULL.contains(what), "{what}");
        FULL.replacen(what, instead, 1)
    };
    let cases = [
        ("seeds = [1]".to_owned(), "missing field `recipe`"),
        (with("seeds = [3, 5]", "seeds = []"), "seeds: give at least one"),
        (with("seeds = [3, 5]", "seeds = [3, 3]"), "seeds: `3` is there twice"),
        (with("set = [", "sets = ["), "unknown field `sets`"),
        (with("name = \"noise\"", "name = \"rate\""), "axes: `rate` is there twice"),
        (
            with("key = \"optimiser.learning_rate\"\n", ""),
            "axis `rate`: 0.0005 is a bare value, and no key says of what",
        ),
        (with("values = [5e-4, 1e-3]", "values = []"), "axis `rate`: give it at least one value"),
        (with("5e-4, 1e-3", "5e-4, 5e-4"), "axis `rate`: values: `0.0005` is there twice"),
        (with("flip = 0.2", "flip = 2.0"), "axis `noise`: `flips 20%`: "),
        (with("flip = 0.2", "flips = 0.2"), "unknown field `flips`"),
        (with("flip = 0.2", "flip = 0.2, mix = 0.1"), "axis `noise`: `flips 20%`: mix is all four"),
        (format!("metric = 'mAP'\n{FULL}"), "metric: `mAP` is none of AP, AP50"),
        (format!("metric = 'AP_small of bird'\n{FULL}"), "AP75, AP_small, AP_medium, AP_large, AR_1, AR_10, AR_100"),
        (format!("metric = 'AP of '\n{FULL}"), "AP of CLASS, AP50 of CLASS, AP75 of CLASS, seconds, losses_percent"),
        (
            format!("metric = 'seconds'\n{FULL}"),
            "metric: `seconds` is a cost; `choose` and `default` look for the largest",
        ),
        (
            with("axis = \"loss\"", "axis = \"los\""),
            "compare.axis: there is no axis `los`; there are: `rate`, `noise`, `loss`",
        ),
        (with("with = \"focal\"", "with = \"Focal\""), "compare.with: axis `loss` has no `Focal`"),
        (with("axis = \"loss\", with = \"focal\"", "axis = \"rate\", with = \"0.001\""), "axis `rate` is chosen from"),
        (format!("pairs = 'loss'\n{FULL}"), "expected a table of axis, over and without"),
        (with("scenes = { train = 30, validation = 10, side = 64 }", "scenes = 30"), "expected a table of train, "),
        (
            with("compare = { axis = \"loss\", with = \"focal\" }", "compare = 'focal'"),
            "expected a table of axis and with",
        ),
        (format!("pairs = {{ axis = 'los' }}\n{FULL}"), "pairs.axis: there is no axis `los`"),
        (format!("pairs = {{ axis = 'loss', over = 'loss' }}\n{FULL}"), "pairs.over: `loss` is the axis whose values"),
        (format!("pairs = {{ axis = 'loss', over = 'rate' }}\n{FULL}"), "axis `rate` is chosen from"),
        (
            format!("pairs = {{ axis = 'loss', without = ['clean'] }}\n{FULL}"),
            "pairs.without: `clean` is a value of no",
        ),
        (
            format!("pairs = {{ axis = 'loss', over = 'noise', without = ['no'] }}\n{FULL}"),
            "pairs.without: axis `noise` has no `no`",
        ),
        (
            format!("pairs = {{ axis = 'loss', over = 'noise', without = ['clean', 'flips 20%'] }}\n{FULL}"),
            "pairs.without: no value of axis `noise` is left",
        ),
        (format!("default = {{ los = 'focal' }}\n{FULL}"), "default: there is no axis `los`"),
        (format!("default = {{ loss = 'Focal' }}\n{FULL}"), "default: axis `loss` has no `Focal`"),
        (format!("default = {{ rate = 1e-3 }}\n{FULL}"), "default: axis `rate` is chosen from"),
        (
            with("{ name = \"focal\", set", "{ name = \"focal\", noise = { mix = 0.1 }, set"),
            "axes `noise` and `loss` both have noise",
        ),
        // Two names that are one in file names.
        (with("\"GHM-C\"", "\"focal!\""), "`0.0005_clean_focal_seed-3` is there twice"),
    ];
    for (text, reason) in cases {
        let said = parse(&text).unwrap_err();
        assert!(said.starts_with("sweeps/noise.toml: ") && said.contains(reason), "{said} instead of {reason}");
    }
}
