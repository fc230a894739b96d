//! A sum in f64 of many f32, always in the same order.

/// Additions that do not wait for each other.
const LANES: usize = 16;

/// Sixteen running sums.
#[derive(Default)]
pub(crate) struct Sum {
    lanes: [f64; LANES],
}

impl Sum {
    /// Adds `terms`. Four are added up in f32 first, as each conversion costs as much as several additions; where that is
    /// beyond the range of f32, or a term is not finite, nothing is added and the result is `None`.
    #[inline(always)]
    pub fn add(&mut self, terms: &[f32]) -> Option<()> {
        let (fours, rest) = terms.as_chunks::<{ 4 * LANES }>();
        let mut lanes = [0.0; LANES];
        for four in fours {
            for (at, lane) in lanes.iter_mut().enumerate() {
                let (low, high) = (four[at] + four[LANES + at], four[2 * LANES + at] + four[3 * LANES + at]);
                *lane += f64::from(low + high);
            }
        }
        for (at, &term) in rest.iter().enumerate() {
            lanes[at % LANES] += f64::from(term);
        }
        // Without a branch in the loop: a product with 0 is 0 but for what is not finite.
        let strange = lanes.iter().fold(false, |any, lane| any | (lane * 0.0 != 0.0));
        for (sum, lane) in self.lanes.iter_mut().zip(lanes) {
            *sum += if strange { 0.0 } else { lane };
        }
        (!strange).then_some(())
    }

    /// Adds terms of any size.
    pub fn add_slowly(&mut self, terms: impl Iterator<Item = f64>) {
        self.lanes[0] += terms.sum::<f64>();
    }

    /// The sum of all.
    pub fn total(&self) -> f64 {
        self.lanes.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_f32_cannot_add_up_are_left_to_the_slow_way_and_nan_shows() {
        let mut sum = Sum::default();
        assert_eq!(sum.add(&[1.0; 100]), Some(()));
        assert_eq!(sum.add(&[f32::MAX; 64]), None);
        assert_eq!(sum.total(), 100.0);
        sum.add_slowly([f64::from(f32::MAX); 64].into_iter());
        assert_eq!(sum.total(), 64.0 * f64::from(f32::MAX) + 100.0);
        assert_eq!(sum.add(&[f32::NAN]), None);
        sum.add_slowly([f64::NAN].into_iter());
        assert!(sum.total().is_nan());
    }

    #[test]
    fn every_term_counts_once_whatever_their_number() {
        for length in [0, 1, 15, 16, 63, 64, 65, 200, 512] {
            let terms: Vec<f32> = (0..length).map(|at| at as f32).collect();
            let mut sum = Sum::default();
            assert_eq!(sum.add(&terms), Some(()));
            assert_eq!(sum.total(), (length * length.max(1) - length) as f64 / 2.0);
        }
    }
}
