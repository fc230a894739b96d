//! Sigmoid and binary cross entropy of one logit, from a single exponential, in plain f32 arithmetic.
//!
//! No call into the system's mathematics library: the compiler turns loops over these functions into vector code, and
//! results are the same on every platform.

use crate::edges::ROUND;

/// Below this `exp` leaves the normal range of f32 (ln 2^-126 = -87.3); there it stays at 1.6e-38.
const LOWEST: f32 = -87.0;

/// ln 2 in two parts: the first, 355/512, has so few digits that its product with an exponent is exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = (std::f64::consts::LN_2 - 355.0 / 512.0) as f32;

/// `exp(a)` for `a <= 0`; NaN for NaN.
///
/// `exp(a) = 2^n exp(r)` with `|r| <= ln(2)/2`, where the series up to `r^7` is exact to `r^8 / 8! < 6e-9`.
#[inline(always)]
fn exp_of_negative(a: f32) -> f32 {
    // A comparison and not `max`, which would drop a NaN.
    let a = if a < LOWEST { LOWEST } else { a };
    let rounded = a * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (a - n * LN_2_HIGH) - n * LN_2_LOW;
    let series = 1.0 / 720.0 + r * (1.0 / 5040.0);
    let series = 1.0 / 24.0 + r * (1.0 / 120.0 + r * series);
    let series = 1.0 + r * (1.0 + r * (1.0 / 2.0 + r * (1.0 / 6.0 + r * series)));
    // The low bits of `rounded` are n; moved into the exponent field they multiply by 2^n.
    series * f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0f32.to_bits()))
}

/// `ln(1 + e)` for `e` in `[0, 1]`, as `2 artanh(s)` with `s = e / (2 + e) <= 1/3`; the series ends where its next
/// term, `s^14 / 15`, is below 2e-8.
#[inline(always)]
fn ln_1p(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let square = s * s;
    let series = 1.0 / 9.0 + square * (1.0 / 11.0 + square * (1.0 / 13.0));
    2.0 * s * (1.0 + square * (1.0 / 3.0 + square * (1.0 / 5.0 + square * (1.0 / 7.0 + square * series))))
}

/// Everything the losses of one logit are made of.
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
        let e = exp_of_negative(-size);
        let large = 1.0 / (1.0 + e);
        let small = e * large;
        let positive = x >= 0.0;
        let (p, q) = if positive { (large, small) } else { (small, large) };
        // How much of |x| counts: max(x, 0) - x * target without the difference of two large numbers.
        let wrong_side = if positive { 1.0 - target } else { target };
        Self {
            p,
            q,
            cross_entropy: size * wrong_side + ln_1p(e),
            // Not `p - target`, which loses its digits as p nears the target.
            slope: (1.0 - target) * p - target * q,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(found: f32, expected: f64) -> f64 {
        (f64::from(found) - expected).abs() / expected.abs()
    }

    /// Logits from -80 to 80, closest together near 0.
    fn logits() -> impl Iterator<Item = f32> {
        (-4000..=4000).map(|step: i32| (step as f32 / 4000.0).powi(3) * 80.0)
    }

    #[test]
    fn all_terms_agree_with_double_precision_over_the_whole_range() {
        for x in logits() {
            let wide = f64::from(x);
            for target in [0.0f32, 1.0] {
                let terms = Logistic::new(x, target);
                let (p, q) = (1.0 / (1.0 + (-wide).exp()), 1.0 / (1.0 + wide.exp()));
                let signed = if target == 0.0 { wide } else { -wide };
                let cross_entropy = signed.max(0.0) + (-wide.abs()).exp().ln_1p();
                assert!(relative(terms.p, p) < 4e-7, "p at {x}");
                assert!(relative(terms.q, q) < 4e-7, "q at {x}");
                assert!(relative(terms.slope, if target == 0.0 { p } else { -q }) < 4e-7, "slope at {x}");
                assert!(relative(terms.cross_entropy, cross_entropy) < 4e-7, "cross entropy at {x}");
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
