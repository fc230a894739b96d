//! The exact density against its definition, and the losses that are divided by it.

use ghm_loss::{ExactDensity, LossError, MAX_BINS, Targets};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::calls;
use crate::fixture::{random_between, random_logits};

fn exact(bins: usize) -> ExactDensity {
    ExactDensity { bins, cap: None }
}

/// The window of a norm, and how much of it lies in `[0, 1]`.
fn window(g: f32, bins: usize) -> (f64, f64, f64) {
    let (from, to) = (f64::from(g) - 0.5 / bins as f64, f64::from(g) + 0.5 / bins as f64);
    (from, to, to.min(1.0) - from.max(0.0))
}

/// Li et al. 2019, eq. 4 to 6, pair by pair.
fn by_definition(norms: &[f32], bins: usize) -> Vec<f64> {
    let density_at = |&g: &f32| {
        let (from, to, length) = window(g, bins);
        norms.iter().filter(|&&other| (from..to).contains(&f64::from(other))).count() as f64 / length
    };
    norms.iter().map(density_at).collect()
}

/// The same by a search in the sorted norms, for many.
fn by_searching(norms: &[f32], bins: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = norms.iter().map(|&g| f64::from(g)).collect();
    sorted.sort_by(f64::total_cmp);
    let below = |end: f64| sorted.partition_point(|&g| g < end);
    let density_at = |&g: &f32| {
        let (from, to, length) = window(g, bins);
        (below(to) - below(from)) as f64 / length
    };
    norms.iter().map(density_at).collect()
}

/// A norm that is likely to be one of those `before` it, or on the end of the window of one, or one step beside that.
fn any_norm(random: &mut ChaCha8Rng, before: &[f32], bins: usize) -> f32 {
    let other = before.get(random.random_range(0..=before.len())).copied().unwrap_or(0.5);
    let (from, to, _) = window(other, bins);
    let end = if random.random_bool(0.5) { from as f32 } else { to as f32 };
    let norm = match random.random_range(0..8) {
        0 => other,
        1 => end,
        2 => end.next_up(),
        3 => end.next_down(),
        4 => [0.0, 1.0, 1e-30, f32::MIN_POSITIVE][random.random_range(0..4usize)],
        5 => random.random_range(0.0..1.0),
        _ => random.random_range(0..=64) as f32 / 64.0,
    };
    norm.clamp(0.0, 1.0)
}

#[test]
fn the_density_is_that_of_the_definition_on_ties_on_the_ends_of_windows_and_at_0_and_1() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for case in 0..1000 {
        let bins = [1, 2, 3, 10, 30, 32, 64, 1000, MAX_BINS][case % 9];
        let mut norms = Vec::new();
        for _ in 0..random.random_range(0..60) {
            norms.push(any_norm(&mut random, &norms, bins));
        }
        assert_eq!(exact(bins).of_norms(&norms).unwrap(), by_definition(&norms, bins), "{bins} bins, {norms:?}");
    }
}

#[test]
fn a_window_holds_its_lower_end_and_not_its_upper_one() {
    let step = 1.0 / 64.0;
    // eps / 2 is 1/64: the window of 1/2 is [31/64, 33/64), and 1/32 long.
    let densities = exact(32).of_norms(&[0.5, 0.5 - step, 0.5 + step]).unwrap();
    assert_eq!(densities, [2.0 * 32.0, 32.0, 2.0 * 32.0]);
}

#[test]
fn at_0_and_1_only_the_half_of_the_window_that_lies_inside_counts() {
    assert_eq!(exact(32).of_norms(&[0.0, 0.0, 1.0]).unwrap(), [2.0 * 64.0, 2.0 * 64.0, 64.0]);
    // Wider than everything.
    assert_eq!(exact(1).of_norms(&[0.25, 0.5]).unwrap(), [2.0 / 0.75, 2.0]);
}

#[test]
fn many_norms_crowded_or_spread_have_the_densities_of_a_search() {
    let count = 150_001;
    // Small slopes of well-classified examples, uniform ones, and all within one two-hundredth of each other.
    let logistic = random_between(1, count, -12.0, 3.0).iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
    let uniform = random_between(2, count, 0.0, 1.0);
    let crowded = random_between(3, count, 0.5, 0.5025);
    for norms in [logistic, uniform, crowded] {
        for bins in [1, 30, MAX_BINS] {
            // Not `assert_eq`, which would print them all.
            assert!(exact(bins).of_norms(&norms).unwrap() == by_searching(&norms, bins), "{bins} bins");
        }
    }
}

/// Several slices of norms of every kind at once: a few values that thousands have, their neighbours (more than are
/// compared at once in a cell, and not all equal), subnormal ones, the ends of windows, 0 and 1.
#[test]
fn many_norms_with_ties_neighbours_and_ends_have_the_densities_of_a_search() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for bins in [1, 3, 32, 1000] {
        let crowds = [0.0, 1.0, 0.5, 0.3, 0.5 / bins as f32, 1.0 - 0.5 / bins as f32, 1e-40, f32::MIN_POSITIVE];
        let norms: Vec<f32> = (0..140_000)
            .map(|_| {
                let crowd: f32 = crowds[random.random_range(0..crowds.len())];
                let near = f32::from_bits(crowd.to_bits() + random.random_range(0..200)).min(1.0);
                let end = random.random_range(0..=2 * bins) as f32 / (2 * bins) as f32;
                let subnormal = f32::from_bits(random.random_range(0..1 << 23));
                [crowd, crowd, near, end, subnormal, random.random_range(0.0..1.0)][random.random_range(0..6usize)]
            })
            .collect();
        assert!(exact(bins).of_norms(&norms).unwrap() == by_searching(&norms, bins), "{bins} bins");
    }
}

#[test]
fn the_search_that_checks_many_norms_finds_what_the_definition_says() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let norms: Vec<f32> = (0..500).fold(Vec::new(), |mut norms, _| {
        norms.push(any_norm(&mut random, &norms, 30));
        norms
    });
    assert_eq!(by_searching(&norms, 30), by_definition(&norms, 30));
}

#[test]
fn equal_norms_have_all_of_them_in_their_window() {
    let densities = exact(32).of_norms(&vec![0.25; 100_000]).unwrap();
    assert!(densities.iter().all(|&density| density == 100_000.0 * 32.0));
}

#[test]
fn densities_are_equal_for_any_number_of_threads() {
    let norms = random_between(1, 200_003, 0.0, 0.3);
    let on_threads = |count: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
        pool.install(|| exact(30).of_norms(&norms).unwrap())
    };
    let alone = on_threads(1);
    assert!(on_threads(2) == alone);
    assert!(on_threads(5) == alone);
}

#[test]
fn of_no_norm_there_is_no_density_and_one_alone_has_that_of_itself() {
    assert_eq!(exact(30).of_norms(&[]).unwrap(), [0.0; 0]);
    assert_eq!(exact(32).of_norms(&[0.5]).unwrap(), [32.0]);
    let mut gradient = [0.0];
    // A logit of 0 has slope 1/2 and loss ln 2.
    let value = calls::ghm_c(&[0.0], Targets::Dense(&[0.0]), None, exact(32), 1.0, &mut gradient).unwrap();
    assert!((value - std::f64::consts::LN_2 / 32.0).abs() < 1e-8);
    assert_eq!(gradient, [0.5 / 32.0]);
}

#[test]
fn elements_masked_out_are_as_if_absent_bit_for_bit() {
    let count = 5_000;
    let (logits, offsets) = (random_logits(1, count), random_between(2, count, -1.0, 1.0));
    let targets: Vec<f32> = (0..count).map(|index| f32::from(index % 5 == 0)).collect();
    let weights = random_between(3, count, -1.0, 1.0);
    let kept = |entries: &[f32]| -> Vec<f32> {
        entries.iter().zip(&weights).filter(|(_, weight)| **weight > 0.0).map(|(&entry, _)| entry).collect()
    };
    let run = |x: &[f32], t: &[f32], d: &[f32], weights: Option<&[f32]>| {
        let (mut of_logits, mut of_offsets) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        calls::ghm_c(x, Targets::Dense(t), weights, exact(30), 2.0, &mut of_logits).unwrap();
        calls::ghm_r(d, t, weights, 0.02, exact(10), 2.0, &mut of_offsets).unwrap();
        (of_logits, of_offsets)
    };
    let (of_logits, of_offsets) = run(&logits, &targets, &offsets, Some(&weights));
    let alone = run(&kept(&logits), &kept(&targets), &kept(&offsets), None);
    assert!((kept(&of_logits), kept(&of_offsets)) == alone);
    let masked = |entries: &[f32]| entries.iter().zip(&weights).all(|(&entry, &weight)| weight > 0.0 || entry == 0.0);
    assert!(masked(&of_logits) && masked(&of_offsets));
}

#[test]
fn a_cap_holds_beta_of_the_lonely_and_leaves_the_crowd() {
    let mut logits = [-4.0; 100];
    logits[7] = 0.0;
    let targets = [0.0; 100];
    let run = |cap| {
        let mut gradient = [0.0; 100];
        let density = ExactDensity { bins: 32, cap };
        calls::ghm_c(&logits, Targets::Dense(&targets), None, density, 1.0, &mut gradient).unwrap();
        gradient
    };
    let (free, capped) = (run(None), run(Some(1.0)));
    // The window of the lonely one is 1/32 long, so its beta is 100/32; its slope is 1/2.
    assert_eq!((free[7], capped[7]), (0.5 / 32.0, 0.5 * (1.0f64 / 100.0) as f32));
    assert!((0..100).all(|index| index == 7 || free[index] == capped[index]));
}

#[test]
fn settings_and_norms_outside_their_range_are_refused_and_nothing_is_written() {
    let mut gradient = [9.0];
    let settings = [(0, None), (MAX_BINS + 1, None), (30, Some(0.0)), (30, Some(f64::NAN)), (30, Some(f64::INFINITY))];
    for (bins, cap) in settings {
        let density = ExactDensity { bins, cap };
        let error = calls::ghm_c(&[0.0], Targets::Dense(&[0.0]), None, density, 1.0, &mut gradient);
        assert!(matches!(error, Err(LossError::Setting { .. })), "{density:?}");
        let error = calls::ghm_r(&[0.0], &[0.0], None, 0.02, density, 1.0, &mut gradient);
        assert!(matches!(error, Err(LossError::Setting { .. })), "{density:?}");
        assert!(density.of_norms(&[0.5]).is_err(), "{density:?}");
    }
    assert_eq!(gradient, [9.0]);
    for norm in [-0.1, 1.5, f32::NAN, f32::INFINITY] {
        let error = exact(30).of_norms(&[0.5, norm]).unwrap_err();
        assert!(error.to_string().starts_with("a gradient norm is "), "{error}");
    }
}

#[test]
fn settings_read_from_a_file_may_leave_out_the_cap_and_name_nothing_else() {
    assert_eq!(serde_json::from_str::<ExactDensity>(r#"{"bins": 30}"#).unwrap(), exact(30));
    assert!(serde_json::from_str::<ExactDensity>(r#"{"bins": 30, "momentum": 0.5}"#).is_err());
}
