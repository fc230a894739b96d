//! The edges between bins as logits.
//!
//! Against target 0 the gradient norm is the sigmoid of the logit, against target 1 that of its negative: `g >= j / M` just
//! where that logit is at least `ln(g_j / (1 - g_j))` with `g_j` the edge. So the bin of an example with such a target needs
//! no sigmoid, and is that of the exact norm, whatever an f32 sigmoid would be rounded to.

use crate::edges::{ROUND, edge};

/// Bins that fit into two registers of AVX-512, and one place more for what is in none.
pub(crate) const NARROW: usize = 31;

/// The logit whose sigmoid is edge `j` of `bins` equal bins, for `j` in `1..bins`.
#[inline(always)]
fn logit_of(j: f32, bins: f32) -> f64 {
    let g = f64::from(edge(j, bins));
    libm::log(g / (1.0 - g))
}

/// The bin of the sigmoid of `logit`, which `norm` is but for rounding, among as many as `bins` says.
pub(crate) fn bin_of_logit(logit: f32, norm: f32, bins: f32) -> u32 {
    let nearest = (norm * bins + ROUND) - ROUND;
    if nearest < 1.0 {
        return 0;
    }
    if nearest > bins - 1.0 {
        return bins as u32 - 1;
    }
    nearest as u32 - u32::from(f64::from(logit) < logit_of(nearest, bins))
}

/// For each place the least f32 logit of its bin, and infinity for places beyond the bins; the first bin has no least logit.
pub(crate) type LogitEdges = [f32; NARROW + 1];

/// Those of `bins` bins, at most [`NARROW`].
pub(crate) fn logit_edges(bins: usize) -> LogitEdges {
    let mut logits = [f32::INFINITY; NARROW + 1];
    logits[0] = f32::NEG_INFINITY;
    for (j, logit) in logits[..bins].iter_mut().enumerate().skip(1) {
        let exact = logit_of(j as f32, bins as f32);
        let nearest = exact as f32;
        *logit = if f64::from(nearest) < exact { nearest.next_up() } else { nearest };
    }
    logits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logistic::Logistic;

    #[test]
    fn a_logit_is_in_the_bin_of_its_exact_sigmoid_on_both_sides_of_every_edge() {
        for bins in [2, 3, 10, 30, 31] {
            let edges = logit_edges(bins);
            for (j, &at) in edges.iter().enumerate().take(bins).skip(1) {
                let below = at.next_down();
                let sigmoid = |logit: f32| 1.0 / (1.0 + libm::exp(-f64::from(logit)));
                let edge = f64::from(j as f32 / bins as f32);
                assert!(sigmoid(at) >= edge - 1e-15 && sigmoid(below) < edge + 1e-15, "{j} of {bins}");
                let bin = |logit| bin_of_logit(logit, Logistic::new(logit, 0.0).slope, bins as f32) as usize;
                assert_eq!((bin(at), bin(below)), (j, j - 1), "{j} of {bins}");
            }
            assert!(edges[bins..].iter().all(|&edge| edge == f32::INFINITY));
        }
    }
}
