//! Sigmoid and binary cross entropy of one logit, from a single exponential and a single quotient, in f32.
//!
//! No call into the system's mathematics library: the compiler turns loops over these functions into vector code, and
//! results are the same on every platform. Products and sums are fused by name ([`f32::mul_add`]), which is one instruction
//! on AVX2, AVX-512 and NEON; a machine without one computes the same bits, slowly.
//!
//! Errors for targets 0 and 1, in units of the last place: sigmoid and slope at most 2.41, cross entropy at most 2.31. That
//! is checked of every f32 logit from 2^-20 to 87 in size. Beyond 87 `exp` stays at 1.6e-38: what is nearly 0 is within
//! 1.7e-38 of its value, and what is not keeps its bound.

use std::f32::consts::LOG2_E;

use crate::edges::ROUND;
use crate::number::Number;

/// Beyond this `exp(-a)` leaves the normal range of f32 (ln 2^126 = 87.3); there it stays at 1.6e-38.
const LARGEST: f32 = 87.0;

/// ln 2 in two parts: the first, 355/512, has so few digits that its product with an exponent is exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = (std::f64::consts::LN_2 - 355.0 / 512.0) as f32;

/// `exp(-r) = 1 - r + r^2 (...)` for `|r| <= ln(2)/2`: the coefficients whose largest relative error is the least, 2.5e-8
/// (found by Remez exchange, as are those of [`LN_1P`]).
const EXP: [f32; 5] = [0.499_999_84, -0.166_666, 0.041_673_73, -0.008_359_27, 0.001_334_390_3];

/// `ln(1 + e) = e + e^2 (...)` for `e` in `[0, 1]`: off by at most 3.3e-8 of its value.
const LN_1P: [f32; 8] = [
    -0.499_996_48,
    0.333_213_2,
    -0.248_571_64,
    0.191_536_56,
    -0.137_538_05,
    0.079_204_57,
    -0.030_065_814,
    0.005_364_83,
];

/// The polynomial in `x` of these coefficients, from that of `x^0` on.
#[inline(always)]
fn polynomial<N: Number, const TERMS: usize>(x: N, coefficients: [f32; TERMS]) -> N {
    let mut sum = x.of(coefficients[TERMS - 1]);
    for power in (0..TERMS - 1).rev() {
        sum = sum.fused(x, x.of(coefficients[power]));
    }
    sum
}

/// `exp(-a)` for `a >= 0`; NaN for NaN.
///
/// `exp(-a) = 2^n exp(-r)` with `|r| <= ln(2)/2`.
#[inline(always)]
pub(crate) fn exp_of_minus<N: Number>(a: N) -> N {
    let a = a.at_most(LARGEST);
    // So large a number has no room for a fraction: n stands in its lowest bits.
    let with_n = a.fused(a.of(-LOG2_E), a.of(ROUND));
    let n = with_n - a.of(ROUND);
    let r = n.fused(a.of(LN_2_LOW), n.fused(a.of(LN_2_HIGH), a));
    // A product in the end, so that NaN stays NaN.
    polynomial(r, EXP).fused(r, a.of(-1.0)).fused(r, a.of(1.0)).times_power(n, with_n)
}

/// `ln(1 + e)` for `e` in `[0, 1]`.
#[inline(always)]
fn ln_1p<N: Number>(e: N) -> N {
    polynomial(e, LN_1P).fused(e * e, e)
}

/// Binary cross entropy of `logit` against target 0, and its derivative, the sigmoid: those of [`Logistic`].
#[inline(always)]
pub(crate) fn against_zero<N: Number>(logit: N) -> (N, N) {
    let size = logit.size();
    let e = exp_of_minus(size);
    let wrong_side = logit.of(0.0).one_where_positive(logit);
    (size.fused(wrong_side, ln_1p(e)), e.one_where_positive(logit) / (e + e.of(1.0)))
}

/// Everything the losses of one logit are made of.
#[derive(Clone, Copy)]
pub(crate) struct Logistic {
    /// `sigmoid(x)`.
    pub p: f32,
    /// `1 - sigmoid(x)`, to full relative precision.
    pub q: f32,
    /// Binary cross entropy against the target, at least 0.
    pub cross_entropy: f32,
    /// Its derivative in the logit, `p - target`, to full relative precision for targets 0 and 1.
    pub slope: f32,
}

impl Logistic {
    /// Of logit `x` and `target` in `[0, 1]`. A logit that is not finite gives a cross entropy that is not finite.
    #[inline(always)]
    pub fn new(x: f32, target: f32) -> Self {
        let size = x.abs();
        let e = exp_of_minus(size);
        let positive = x >= 0.0;
        // p and q are these over their sum. A quotient each is more exact than products with its reciprocal, and what a
        // loss does not look at is never divided.
        let (of_p, of_q) = if positive { (1.0, e) } else { (e, 1.0) };
        let sum = 1.0 + e;
        // How much of |x| counts: max(x, 0) - x * target without the difference of two large numbers.
        let wrong_side = if positive { 1.0 - target } else { target };
        // Not `p - target`, which loses its digits as p nears the target. Target 0 by itself, so that nothing of the rest
        // is computed where the compiler sees it.
        let of_slope = if target == 0.0 { of_p } else { of_q.mul_add(-target, (1.0 - target) * of_p) };
        Self { p: of_p / sum, q: of_q / sum, cross_entropy: size.mul_add(wrong_side, ln_1p(e)), slope: of_slope / sum }
    }

    /// Cross entropy as a factor of what falls as fast as `exp(-|x|)`, at most 128. There such a product is nothing beside
    /// the slope, but the exponential no longer falls, and the cross entropy of logit 1e38 would outgrow it.
    #[inline(always)]
    pub fn fading_cross_entropy(&self) -> f32 {
        if self.cross_entropy < 128.0 { self.cross_entropy } else { 128.0 }
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    /// What the head of this file promises, in units of the last place.
    const SLOPE_BOUND: f64 = 2.41;
    const CROSS_ENTROPY_BOUND: f64 = 2.31;

    fn relative(found: f32, expected: f64) -> f64 {
        (f64::from(found) - expected).abs() / expected.abs()
    }

    /// How far `found` is off, in units of the last place of an f32 as large as `expected`.
    fn units(found: f32, expected: f64) -> f64 {
        let exponent = (expected.abs() as f32).to_bits() & f32::INFINITY.to_bits();
        let error =
            (f64::from(found) - expected).abs() / (f64::from(f32::from_bits(exponent)) * f64::from(f32::EPSILON));
        // NaN is no maximum.
        if error.is_nan() { f64::INFINITY } else { error }
    }

    /// The largest errors of sigmoid or slope and of cross entropy, over every f32 logit from 2^-20 to 87 of either sign, 446
    /// million, for targets 0 and 1: some 25 seconds of one core.
    fn largest_errors() -> (f64, f64) {
        let (from, to) = ((1.0f32 / 1_048_576.0).to_bits(), LARGEST.to_bits());
        let errors_at = |bits: u32| {
            let size = f32::from_bits(bits);
            let e = (-f64::from(size)).exp();
            // Of the right side and of the wrong one.
            let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
            let (below, above) = (e.ln_1p(), f64::from(size) + e.ln_1p());
            let mut errors = (0.0f64, 0.0f64);
            for (x, p, q, negative, positive) in
                [(size, large, small, above, below), (-size, small, large, below, above)]
            {
                for (target, slope, cross_entropy) in [(0.0, p, negative), (1.0, -q, positive)] {
                    let terms = Logistic::new(x, target);
                    let sides = units(terms.p, p).max(units(terms.q, q)).max(units(terms.slope, slope));
                    errors = (errors.0.max(sides), errors.1.max(units(terms.cross_entropy, cross_entropy)));
                }
            }
            errors
        };
        let larger = |a: (f64, f64), b: (f64, f64)| (a.0.max(b.0), a.1.max(b.1));
        (from..=to).into_par_iter().map(errors_at).reduce(|| (0.0, 0.0), larger)
    }

    #[test]
    fn all_terms_keep_their_bounds_at_every_logit() {
        let (slope, cross_entropy) = largest_errors();
        assert!(slope <= SLOPE_BOUND && cross_entropy <= CROSS_ENTROPY_BOUND, "{slope}, {cross_entropy}");
    }

    #[test]
    fn beyond_the_range_of_exp_what_is_small_stays_within_17e_39_and_what_is_large_keeps_its_bound() {
        for x in (0..1_000).map(|step| 87.0 + step as f32 / 50.0) {
            for (x, target) in [(x, 1.0), (-x, 0.0)] {
                let terms = Logistic::new(x, target);
                for small in [terms.slope.abs(), terms.cross_entropy, if x > 0.0 { terms.q } else { terms.p }] {
                    let expected = (-f64::from(x.abs())).exp();
                    assert!((f64::from(small) - expected).abs() < 1.7e-38, "{small} at {x}");
                }
                let wrong = Logistic::new(x, 1.0 - target);
                assert_eq!((wrong.cross_entropy, wrong.slope.abs()), (x.abs(), 1.0));
            }
        }
    }

    #[test]
    fn logits_below_the_checked_ones_have_the_terms_of_logit_zero() {
        // To first order in the logit; the next terms are below 1e-12.
        for x in [0.0, 1e-45, -1e-45, 1e-20, -1e-20, 9.5e-7, -9.5e-7] {
            for target in [0.0f32, 1.0] {
                let terms = Logistic::new(x, target);
                let wide = f64::from(x);
                let p = 0.5 + wide / 4.0;
                let signed = if target == 0.0 { wide } else { -wide };
                let cross_entropy = std::f64::consts::LN_2 + signed / 2.0;
                assert!(units(terms.p, p) <= SLOPE_BOUND && units(terms.q, 1.0 - p) <= SLOPE_BOUND, "{x}");
                assert!(units(terms.slope, p - f64::from(target)) <= SLOPE_BOUND, "{x}");
                assert!(units(terms.cross_entropy, cross_entropy) <= CROSS_ENTROPY_BOUND, "{x}");
            }
        }
    }

    #[test]
    fn logit_zero_lies_exactly_in_the_middle() {
        let terms = Logistic::new(0.0, 1.0);
        assert_eq!((terms.p, terms.q, terms.slope), (0.5, 0.5, -0.5));
        assert_eq!(Logistic::new(-0.0, 0.0).slope, 0.5);
    }

    #[test]
    fn soft_targets_are_a_blend_of_the_hard_ones() {
        let terms = Logistic::new(1.5, 0.3);
        let (hard_0, hard_1) = (Logistic::new(1.5, 0.0), Logistic::new(1.5, 1.0));
        let blend = 0.7 * f64::from(hard_0.cross_entropy) + 0.3 * f64::from(hard_1.cross_entropy);
        assert!(relative(terms.cross_entropy, blend) < 4e-7);
        assert!(relative(terms.slope, f64::from(hard_0.p) - 0.3) < 4e-7);
    }

    #[test]
    fn logits_beyond_the_range_of_exp_keep_finite_terms() {
        for (x, target) in [(1e30f32, 1.0), (-1e30, 0.0)] {
            let terms = Logistic::new(x, target);
            assert!(terms.cross_entropy < 2e-38 && terms.slope.abs() < 2e-38);
        }
        assert_eq!(Logistic::new(200.0, 0.0).cross_entropy, 200.0);
        assert_eq!(Logistic::new(200.0, 0.0).slope, 1.0);
    }

    #[test]
    fn a_logit_that_is_not_finite_gives_a_loss_that_is_not_finite() {
        for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for target in [0.0, 0.5, 1.0] {
                assert!(!Logistic::new(x, target).cross_entropy.is_finite(), "{x} against {target}");
            }
        }
    }
}
