//! Loss and slope of one example on the device. The arithmetic is that of `ghm-loss`.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

use crate::element::{Example, is_finite, is_nan, is_unit};

/// Which loss an example has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, CubeType)]
pub enum ElementLoss {
    /// Binary cross entropy of a logit: GHM-C.
    CrossEntropy,
    /// Focal loss of a logit, the focusing power being two.
    FocalSquared,
    /// Focal loss of a logit, of any power.
    Focal,
    /// The authentic smooth L1 of a prediction: GHM-R.
    Asl1,
    /// Smooth L1 of a prediction.
    SmoothL1,
}

/// The settings of a loss; what it does not have is not read.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Settings {
    /// Focal loss's alpha, ASL1's mu, smooth L1's beta.
    pub first: f32,
    /// Focal loss's gamma.
    pub second: f32,
}

/// The example of value `x` and target `t`, which takes part or not.
#[cube]
pub(crate) fn terms(x: f32, t: f32, part: bool, settings: &Settings, #[comptime] loss: ElementLoss) -> Example {
    match comptime!(loss) {
        ElementLoss::CrossEntropy => cross_entropy(x, t, part),
        ElementLoss::FocalSquared => focal(x, t, part, settings, true),
        ElementLoss::Focal => focal(x, t, part, settings, false),
        ElementLoss::Asl1 => asl1(x, t, settings.first, part),
        ElementLoss::SmoothL1 => smooth_l1(x, t, settings.first, part),
    }
}

/// `exp(a)` for `a <= 0`; below -87 it stays at 1.6e-38. As `ghm-loss` has it, so that bins are the same: a device's own
/// `exp` may be off by `3 + 2 |a|` units in the last place (Vulkan).
///
/// Rounding is an instruction here, for a compiler may shorten `(a + c) - c`.
#[cube]
fn exp_of_negative(a: f32) -> f32 {
    let a = select(a < -87.0f32, -87.0f32, a);
    let n = (a * comptime!(std::f32::consts::LOG2_E).runtime()).round();
    // ln 2 in two parts, the first of which (355/512) is exact.
    let r = (a - n * 0.693_359_4f32) + n * 0.000_212_194_44f32;
    let series = 0.001_388_888_9f32 + r * 0.000_198_412_7f32;
    let series = 0.041_666_668f32 + r * (0.008_333_334f32 + r * series);
    let series = 1.0f32 + r * (1.0f32 + r * (0.5f32 + r * (0.166_666_67f32 + r * series)));
    let exponent = u32::cast_from(i32::cast_from(n) + 127i32);
    series * f32::reinterpret(exponent << 23u32)
}

/// `ln(1 + e)` for `e` in `[0, 1]`, as `2 artanh(e / (2 + e))`.
#[cube]
fn ln_1p(e: f32) -> f32 {
    let s = e / (2.0f32 + e);
    let square = s * s;
    let series = 0.111_111_11f32 + square * (0.090_909_09f32 + square * 0.076_923_08f32);
    let series = 0.2f32 + square * (0.142_857_15f32 + square * series);
    2.0f32 * s * (1.0f32 + square * (0.333_333_34f32 + square * series))
}

/// A logit's sigmoid `p`, `q = 1 - p`, cross entropy and slope, for a target in `[0, 1]`.
#[derive(CubeType, Clone, Copy)]
struct Logistic {
    p: f32,
    q: f32,
    cross_entropy: f32,
    slope: f32,
}

#[cube]
fn logistic(x: f32, t: f32) -> Logistic {
    let size = x.abs();
    let e = exp_of_negative(-size);
    let large = 1.0f32 / (1.0f32 + e);
    let small = e * large;
    let positive = x >= 0.0f32;
    let p = select(positive, large, small);
    let q = select(positive, small, large);
    // How much of |x| counts: max(x, 0) - x t without the difference of two large numbers.
    let wrong_side = select(positive, 1.0f32 - t, t);
    // The slope is not p - t, which loses its digits as p nears t.
    Logistic { p, q, cross_entropy: size * wrong_side + ln_1p(e), slope: (1.0f32 - t) * p - t * q }
}

/// Cross entropy of logit `x` against `t` in `[0, 1]`, finite for every finite logit.
#[cube]
fn cross_entropy(x: f32, t: f32, part: bool) -> Example {
    let found = logistic(x, t);
    of_logit(x, t, part, found.slope, found.cross_entropy)
}

/// Focal loss of logit `x` against `t` in `[0, 1]`.
#[cube]
fn focal(x: f32, t: f32, part: bool, settings: &Settings, #[comptime] squared: bool) -> Example {
    let (alpha, gamma) = (settings.first, settings.second);
    let found = logistic(x, t);
    // 1 - p_t: above 0, as p and q are.
    let miss = (1.0f32 - t) * found.p + t * found.q;
    let power = if comptime!(squared) { miss * miss } else { miss.powf(gamma) };
    let factor = (alpha * t + (1.0f32 - alpha) * (1.0f32 - t)) * power;
    let focus = gamma * (1.0f32 - 2.0f32 * t) * (found.p * found.q / miss);
    // p q is nearly 0 where cross entropy is large: held, so that their product is, too.
    let held = select(found.cross_entropy < 128.0f32, found.cross_entropy, 128.0f32);
    of_logit(x, t, part, factor * (focus * held + found.slope), factor * found.cross_entropy)
}

#[cube]
fn of_logit(x: f32, t: f32, part: bool, slope: f32, loss: f32) -> Example {
    let sound = is_unit(t);
    Example { slope, loss, counted: part && sound && !is_nan(x), strange: part && !(sound && is_finite(x)) }
}

/// ASL1 of a prediction `x` against `t`.
#[cube]
fn asl1(x: f32, t: f32, mu: f32, part: bool) -> Example {
    let d = x - t;
    let square = d * d;
    let root = (square + mu * mu).sqrt();
    // A square that is no f32 any more has slope 0 in the plain loss, too, and a value that is not finite.
    let sound = is_finite(square);
    Example {
        slope: select(sound, d / root, 0.0f32),
        // sqrt(d^2 + mu^2) - mu without the difference of two near numbers.
        loss: square / (root + mu),
        counted: part && !is_nan(d),
        strange: part && !sound,
    }
}

/// Smooth L1 of a prediction `x` against `t`; L1 where `beta` is 0.
#[cube]
fn smooth_l1(x: f32, t: f32, beta: f32, part: bool) -> Example {
    let d = x - t;
    let size = d.abs();
    let near = size < beta;
    let sign = select(d > 0.0f32, 1.0f32, select(d < 0.0f32, -1.0f32, 0.0f32));
    let ratio = d / select(beta > 0.0f32, beta, 1.0f32);
    Example {
        slope: select(near, ratio, sign),
        loss: select(near, 0.5f32 * d * ratio, size - 0.5f32 * beta),
        counted: part && !is_nan(d),
        strange: part && !is_finite(d),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::on_each_device;
    use crate::testing::run;

    /// Slope and loss in turns.
    #[cube(launch)]
    fn terms_kernel(
        values: &[f32],
        targets: &[f32],
        found: &mut [f32],
        count: usize,
        first: f32,
        second: f32,
        #[comptime] loss: ElementLoss,
    ) {
        if ABSOLUTE_POS < count {
            let settings = Settings { first, second };
            let terms = terms(values[ABSOLUTE_POS], targets[ABSOLUTE_POS], true, &settings, loss);
            found[2 * ABSOLUTE_POS] = terms.slope;
            found[2 * ABSOLUTE_POS + 1] = terms.loss;
        }
    }

    /// Slope and loss of every pair by the device.
    fn found(device: &burn::tensor::Device, pairs: &[(f32, f32)], loss: ElementLoss, settings: (f32, f32)) -> Vec<f32> {
        let (values, targets): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
        run(device, [&values, &targets], 2 * pairs.len(), |client, cubes, units, [x, t, out]| {
            terms_kernel::launch(client, cubes, units, x, t, out, pairs.len(), settings.0, settings.1, loss);
        })
    }

    /// Some ten roundings, of which a device's division may be 2.5 units in the last place.
    fn assert_terms(found: &[f32], expected: (f64, f64), tolerance: f64, what: &str) {
        for (found, expected) in [(found[0], expected.0), (found[1], expected.1)] {
            let near = (f64::from(found) - expected).abs() <= tolerance * expected.abs() + f64::from(f32::MIN_POSITIVE);
            assert!(near, "{what}: {found}, not {expected}");
        }
    }

    /// From -80 to 80, closest together near 0; with target 0 and 1.
    fn logits() -> Vec<(f32, f32)> {
        let logits = (-2000..=2000).map(|step: i32| (step as f32 / 2000.0).powi(3) * 80.0);
        logits.flat_map(|x| [(x, 0.0), (x, 1.0)]).collect()
    }

    /// Sigmoid and cross entropy of a logit whose target is 0, and which way the target turns it.
    fn reference(x: f32, t: f32) -> (f64, f64, f64) {
        let turn = 1.0 - 2.0 * f64::from(t);
        let signed = turn * f64::from(x);
        (1.0 / (1.0 + (-signed).exp()), signed.max(0.0) + (-signed.abs()).exp().ln_1p(), turn)
    }

    #[test]
    fn cross_entropy_and_its_slope_keep_their_digits_over_the_whole_range() {
        on_each_device(|device| {
            let found = found(device, &logits(), ElementLoss::CrossEntropy, (0.0, 0.0));
            for ((x, t), found) in logits().into_iter().zip(found.chunks(2)) {
                let (p, loss, turn) = reference(x, t);
                assert_terms(found, (turn * p, loss), 1e-6, &format!("{x}, {t}"));
            }
        });
    }

    #[test]
    fn focal_loss_and_its_slope_keep_their_digits_for_the_usual_and_other_powers() {
        on_each_device(|device| {
            for (loss, alpha, gamma) in [
                (ElementLoss::FocalSquared, 0.25f32, 2.0f32),
                (ElementLoss::Focal, 0.6, 1.5),
                (ElementLoss::Focal, 0.75, 0.0),
            ] {
                let pairs: Vec<(f32, f32)> = logits().into_iter().filter(|(x, _)| x.abs() < 20.0).collect();
                let found = found(device, &pairs, loss, (alpha, gamma));
                for ((x, t), found) in pairs.into_iter().zip(found.chunks(2)) {
                    let (p, cross_entropy, turn) = reference(x, t);
                    let (alpha, gamma) = (f64::from(alpha), f64::from(gamma));
                    let factor = if t == 1.0 { alpha } else { 1.0 - alpha } * p.powf(gamma);
                    let slope = turn * factor * (gamma * (1.0 - p) * cross_entropy + p);
                    // A device's power may be off by some 16 units in the last place.
                    assert_terms(found, (slope, factor * cross_entropy), 5e-6, &format!("{x}, {t}, gamma {gamma}"));
                }
            }
        });
    }

    #[test]
    fn smooth_l1_is_square_below_beta_and_linear_beyond_and_l1_where_beta_is_zero() {
        on_each_device(|device| {
            let pairs: Vec<(f32, f32)> = (-200..=200).map(|step| (step as f32 / 100.0, 0.3)).collect();
            for beta in [0.0f32, 0.11, 1.0] {
                let found = found(device, &pairs, ElementLoss::SmoothL1, (beta, 0.0));
                for ((x, t), found) in pairs.iter().zip(found.chunks(2)) {
                    let (d, beta) = (f64::from(x - t), f64::from(beta));
                    let sign = if d == 0.0 { 0.0 } else { d.signum() };
                    let near = (d / beta, 0.5 * d * d / beta);
                    let expected = if d.abs() < beta { near } else { (sign, d.abs() - 0.5 * beta) };
                    assert_terms(found, expected, 1e-6, &format!("{x}, beta {beta}"));
                }
            }
        });
    }

    #[test]
    fn asl1_and_its_slope_keep_their_digits_for_small_and_large_differences() {
        on_each_device(|device| {
            let pairs: Vec<(f32, f32)> = (-60..=60).map(|power| (10f32.powf(power as f32 / 10.0), 0.0)).collect();
            let found = found(device, &pairs, ElementLoss::Asl1, (0.02, 0.0));
            for ((d, _), found) in pairs.iter().zip(found.chunks(2)) {
                let (d, mu) = (f64::from(*d), f64::from(0.02f32));
                let root = (d * d + mu * mu).sqrt();
                assert_terms(found, (d / root, d * d / (root + mu)), 1e-6, &format!("{d}"));
            }
        });
    }
}
