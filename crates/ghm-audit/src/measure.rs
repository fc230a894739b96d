//! How well scores find what is wrong, where that is known.

/// Scores, and whether each is of something wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// Best first; of equal scores the right ones come first, so that no tie helps.
    sorted: Vec<(f32, bool)>,
    /// Wrong ones that have no score at all, as missing boxes that nobody proposed.
    unseen: usize,
}

impl Judged {
    /// Of pairs in any order, and so many wrong ones without a score.
    pub fn new(pairs: impl IntoIterator<Item = (f32, bool)>, unseen: usize) -> Self {
        let mut sorted: Vec<(f32, bool)> = pairs.into_iter().collect();
        sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Self { sorted, unseen }
    }

    /// Wrong ones, with and without a score.
    pub fn wrong(&self) -> usize {
        self.unseen + self.sorted.iter().filter(|(_, wrong)| *wrong).count()
    }

    /// The probability that a wrong one has a higher score than a right one, ties counting half. `None` where all are wrong or none is.
    pub fn auroc(&self) -> Option<f64> {
        let (mut above, mut half) = (0.0, 0.0);
        let (mut right_before, mut wrong) = (0.0, 0.0);
        for ties in self.sorted.chunk_by(|a, b| a.0 == b.0) {
            let wrong_here = ties.iter().filter(|(_, wrong)| *wrong).count() as f64;
            let right_here = ties.len() as f64 - wrong_here;
            above += wrong_here * right_before;
            half += wrong_here * right_here / 2.0;
            right_before += right_here;
            wrong += wrong_here;
        }
        let pairs = wrong * right_before;
        (pairs > 0.0).then(|| 1.0 - (above + half) / pairs)
    }

    /// The mean, over all wrong ones, of the precision at their place; 0 for those without a score. `None` where none is wrong.
    pub fn average_precision(&self) -> Option<f64> {
        let mut found = 0usize;
        let precisions = (1..).zip(&self.sorted).filter(|(_, (_, wrong))| *wrong).map(|(place, _)| {
            found += 1;
            found as f64 / f64::from(place)
        });
        // The sum of nothing would be -0.
        let sum: f64 = precisions.fold(0.0, |sum, precision| sum + precision);
        (self.wrong() > 0).then(|| sum / self.wrong() as f64)
    }

    /// The best harmonic mean of precision and recall at any place. `None` where none is wrong.
    pub fn max_f1(&self) -> Option<f64> {
        let (wrong, mut found) = (self.wrong(), 0usize);
        let f1s = (1usize..).zip(&self.sorted).map(|(place, (_, is_wrong))| {
            found += usize::from(*is_wrong);
            2.0 * found as f64 / (place + wrong) as f64
        });
        let best = f1s.fold(0.0, f64::max);
        (wrong > 0).then_some(best)
    }

    /// The share of wrong ones among the first `places`; places that nobody fills are misses. `None` for no places.
    pub fn precision_at(&self, places: usize) -> Option<f64> {
        let found = self.sorted.iter().take(places).filter(|(_, wrong)| *wrong).count();
        (places > 0).then(|| found as f64 / places as f64)
    }

    /// The share of all wrong ones that is among the first `places`. `None` where none is wrong.
    pub fn recall_at(&self, places: usize) -> Option<f64> {
        let found = self.sorted.iter().take(places).filter(|(_, wrong)| *wrong).count();
        (self.wrong() > 0).then(|| found as f64 / self.wrong() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_numbers_of_a_small_list_are_those_by_hand() {
        let judged = Judged::new([(0.9, true), (0.8, false), (0.7, true), (0.6, false), (0.5, false)], 1);
        assert_eq!(judged.wrong(), 3);
        // Of 2 wrong and 3 right ones: the first is above all, the second above two.
        assert_eq!(judged.auroc(), Some(5.0 / 6.0));
        assert_eq!(judged.average_precision(), Some((1.0 + 2.0 / 3.0) / 3.0));
        assert_eq!(judged.max_f1(), Some(4.0 / 6.0));
        assert_eq!((judged.precision_at(2), judged.precision_at(10)), (Some(0.5), Some(0.2)));
        assert_eq!(judged.recall_at(3), Some(2.0 / 3.0));
        assert_eq!(Judged::new([(0.5, true), (0.5, false)], 0).auroc(), Some(0.5));
        assert_eq!(Judged::new([(0.5, true), (0.5, false)], 0).average_precision(), Some(0.5));
    }

    #[test]
    fn where_nothing_is_wrong_nothing_is_measured() {
        let judged = Judged::new([(0.9, false)], 0);
        assert_eq!(
            (judged.auroc(), judged.average_precision(), judged.max_f1(), judged.recall_at(5)),
            (None, None, None, None)
        );
        assert_eq!((judged.precision_at(0), judged.precision_at(1)), (None, Some(0.0)));
    }

    proptest! {
        #[test]
        fn a_better_order_has_better_numbers(wrong in proptest::collection::vec(any::<bool>(), 2..40)) {
            prop_assume!(wrong.iter().any(|w| *w) && wrong.iter().any(|w| !*w));
            let of = |order: &[bool]| Judged::new((0..).zip(order).map(|(place, wrong)| (-(place as f32), *wrong)), 0);
            let (mut best, mut worst) = (wrong.clone(), wrong.clone());
            best.sort_by_key(|wrong| !wrong);
            worst.sort();
            let (given, best, worst) = (of(&wrong), of(&best), of(&worst));
            for measure in [Judged::auroc, Judged::average_precision, Judged::max_f1] {
                let [a, b, c] = [&worst, &given, &best].map(|judged| measure(judged).unwrap_or(-1.0));
                prop_assert!(a <= b + 1e-12 && b <= c + 1e-12, "{} {} {}", a, b, c);
            }
            prop_assert_eq!((best.auroc(), worst.auroc(), best.average_precision()), (Some(1.0), Some(0.0), Some(1.0)));
        }
    }
}
