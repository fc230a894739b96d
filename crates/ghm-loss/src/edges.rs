//! Cutting [0, 1] into equal bins.

/// 1.5 * 2^23: a float this large has no room for a fraction, so adding it rounds to the nearest integer, which then
/// stands in the lowest bits.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// Edge `j` of `bins` equal bins; both are whole numbers.
#[inline(always)]
pub(crate) fn edge(j: f32, bins: f32) -> f32 {
    j / bins
}

/// The bin of `g` among as many equal ones as `bins` says: what comparing it with each of the f32 edges `j / bins` would
/// find. A bin holds its lower edge. Values below 0 join the first bin, values above 1 the last, and so does NaN.
///
/// `bins` is a whole number from 1 to [`MAX_BINS`](crate::MAX_BINS). Without a branch or a table, so that loops over it
/// become vector code.
#[inline(always)]
pub(crate) fn bin_of(g: f32, bins: f32) -> u32 {
    let g = if g < 1.0 { g } else { 1.0 };
    let g = if g > 0.0 { g } else { 0.0 };
    let last = bins - 1.0;
    // The edge nearest to g: whatever the product was rounded by, g lies in the bin above it or in the one below.
    let nearest = (g * bins + ROUND) - ROUND;
    let bin = if g >= edge(nearest, bins) { nearest } else { nearest - 1.0 };
    let bin = if bin < last { bin } else { last };
    (bin + ROUND).to_bits() - ROUND.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regions::MAX_BINS;

    fn by_comparison(g: f32, bins: usize) -> usize {
        (1..bins).filter(|&index| g >= index as f32 / bins as f32).count()
    }

    #[test]
    fn a_value_on_an_edge_or_one_step_beside_it_falls_where_comparison_puts_it() {
        for bins in (1..=400).chain([1000, 4096, 9999, MAX_BINS]) {
            let every = bins.div_ceil(400);
            for index in (0..=bins).step_by(every) {
                let edge = index as f32 / bins as f32;
                for g in [edge.next_down(), edge, edge.next_up(), edge + 0.5 / bins as f32] {
                    assert_eq!(bin_of(g, bins as f32) as usize, by_comparison(g, bins), "{g} in {bins} bins");
                }
            }
        }
    }

    #[test]
    fn anything_that_is_no_gradient_norm_still_falls_into_a_bin() {
        for (g, bin) in [(-3.0, 0), (f32::NEG_INFINITY, 0), (7.0, 9), (f32::INFINITY, 9), (f32::NAN, 9)] {
            assert_eq!(bin_of(g, 10.0), bin, "{g}");
        }
    }
}
