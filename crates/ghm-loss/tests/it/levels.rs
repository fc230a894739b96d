//! Five pyramid levels as one call, and shards of it: by class, blended, capped.

use ghm_loss::{
    Between, Counts, DensityConfig, Ema, Examples, GradientDensity, Normalise, Output, Targets, ghm_c, ghm_r,
};

use crate::fixture::{random_between, random_logits, random_rows};

const CLASSES: usize = 5;

/// Rows of each level, a quarter of those before, as of an image of 448 by 320.
const LEVELS: [usize; 5] = [2_240, 560, 140, 35, 12];

const ROWS: usize = 2_987;

/// Where each level begins and ends, in rows.
fn ends() -> Vec<(usize, usize)> {
    let mut start = 0;
    let end = |rows: &usize| {
        start += rows;
        (start - rows, start)
    };
    LEVELS.iter().map(end).collect()
}

/// Modes in which it is not plain that levels join.
fn configs() -> Vec<DensityConfig> {
    let plain = DensityConfig { momentum: 0.6, ..DensityConfig::default() };
    vec![
        plain,
        DensityConfig { between: Between::Blend, cap: Some(2.0), ..plain },
        DensityConfig { classes: Some(CLASSES), normalise: Normalise::Bins, ema: Ema::Paper, ..plain },
        DensityConfig { classes: Some(CLASSES), between: Between::Blend, ema: Ema::Corrected, ..plain },
        DensityConfig { classes: Some(CLASSES), bins: 300, ..plain },
    ]
}

/// `count` counts a part, `loss` computes one; three calls.
fn assert_parts_are_the_whole(
    config: DensityConfig,
    ends: &[(usize, usize)],
    count: impl Fn(u64, (usize, usize)) -> Counts,
    loss: impl Fn(u64, (usize, usize), ghm_loss::Density, &mut [f32]) -> f64,
) {
    let [mut by_parts, mut by_whole] = [(); 2].map(|()| GradientDensity::new(config).unwrap());
    for seed in 1..4 {
        let mut counts = Counts::of_nothing(&config).unwrap();
        ends.iter().for_each(|&ends| counts.merge(&count(seed, ends)).unwrap());
        assert_eq!(counts, count(seed, (0, ROWS)));
        let weights = by_parts.update(counts.as_slice()).unwrap();
        let (mut value, mut gradient) = (0.0, Vec::new());
        for &(from, to) in ends {
            let mut own = vec![f32::MAX; (to - from) * CLASSES];
            value += loss(seed, (from, to), (&weights).into(), &mut own);
            gradient.extend(own);
        }
        let mut expected = vec![f32::MAX; ROWS * CLASSES];
        let whole = loss(seed, (0, ROWS), (&mut by_whole).into(), &mut expected);
        assert!(gradient == expected, "{config:?}");
        // Sums joined in another order, by fours in f32 first.
        assert!((value - whole).abs() <= 1e-8 * whole, "{config:?}: {value}, {whole}");
        assert_eq!(by_parts, by_whole);
    }
}

/// The levels, and shards that cut across them, one of them empty.
fn cuts() -> [Vec<(usize, usize)>; 2] {
    [ends(), vec![(0, 1), (1, 1_000), (1_000, 1_000), (1_000, 2_901), (2_901, ROWS)]]
}

#[test]
fn the_levels_tile_the_rows() {
    assert_eq!((ends()[0].0, ends()[4].1), (0, ROWS));
}

#[test]
fn five_levels_of_logits_with_merged_counts_are_one_call_over_all_in_every_mode() {
    for config in configs() {
        for ends in cuts() {
            let data = |seed: u64| {
                let logits = random_logits(seed, ROWS * CLASSES);
                (logits, random_rows(seed, ROWS, CLASSES), random_between(seed, ROWS * CLASSES, -0.3, 1.0))
            };
            let on_part = |seed: u64, (from, to): (usize, usize), run: &mut dyn FnMut(&Examples)| {
                let (logits, rows, gates) = data(seed);
                let elements = from * CLASSES..to * CLASSES;
                let targets = Targets::ClassIndex { rows: &rows[from..to], classes: CLASSES };
                run(&Examples::new(&logits[elements.clone()], targets).gated(&gates[elements]));
            };
            assert_parts_are_the_whole(
                config,
                &ends,
                |seed, part| {
                    let mut counts = None;
                    on_part(seed, part, &mut |examples| counts = Some(Counts::of_logits(examples, &config).unwrap()));
                    counts.unwrap()
                },
                |seed, part, density, gradient| {
                    let (mut value, mut density) = (0.0, Some(density));
                    on_part(seed, part, &mut |examples| {
                        let output = Output::to(&mut *gradient).scaled(0.7);
                        value = ghm_c(examples, density.take().unwrap(), output).unwrap();
                    });
                    value
                },
            );
        }
    }
}

#[test]
fn five_levels_of_offsets_with_merged_counts_are_one_call_over_all_in_every_mode() {
    for config in configs() {
        let of = |seed: u64, (from, to): (usize, usize)| {
            let (offsets, targets) =
                (random_between(seed, ROWS * CLASSES, -0.2, 0.2), random_between(seed + 9, ROWS * CLASSES, -0.2, 0.2));
            let elements = from * CLASSES..to * CLASSES;
            (offsets[elements.clone()].to_vec(), targets[elements].to_vec())
        };
        assert_parts_are_the_whole(
            config,
            &ends(),
            |seed, part| {
                let (offsets, targets) = of(seed, part);
                Counts::of_predictions(&Examples::new(&offsets, Targets::Dense(&targets)), 0.02, &config).unwrap()
            },
            |seed, part, density, gradient| {
                let (offsets, targets) = of(seed, part);
                ghm_r(&Examples::new(&offsets, Targets::Dense(&targets)), 0.02, density, gradient).unwrap()
            },
        );
    }
}
