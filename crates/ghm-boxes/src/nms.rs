//! Non-maximum suppression per class.

use crate::Bbox;

/// A scored box of one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The box, in any one pixel space.
    pub bbox: Bbox,
    /// Class index, `0..C`.
    pub class_index: usize,
    /// Score in `[0, 1]`.
    pub score: f32,
}

/// Keeps, class by class, the best-scored boxes that overlap no better one of the same class by more than `max_iou`;
/// returns at most `limit` of them, best first.
///
/// Equal scores keep their input order. Greedy, as in every detector since Viola-Jones; O(n^2) within a class.
pub fn suppress(mut candidates: Vec<Candidate>, max_iou: f32, limit: usize) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        if kept.len() == limit {
            break;
        }
        let rival = |k: &&Candidate| k.class_index == candidate.class_index;
        if kept.iter().filter(rival).all(|k| k.bbox.iou(candidate.bbox) <= max_iou) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(x: f32, class_index: usize, score: f32) -> Candidate {
        Candidate { bbox: Bbox::from_xywh([x, 0.0, 10.0, 10.0]), class_index, score }
    }

    #[test]
    fn the_better_of_two_overlapping_boxes_stays() {
        let kept = suppress(vec![candidate(1.0, 0, 0.6), candidate(0.0, 0, 0.9)], 0.5, 100);
        assert_eq!(kept, [candidate(0.0, 0, 0.9)]);
    }

    #[test]
    fn classes_do_not_suppress_each_other() {
        assert_eq!(suppress(vec![candidate(0.0, 0, 0.6), candidate(0.0, 1, 0.9)], 0.5, 100).len(), 2);
    }

    #[test]
    fn no_more_than_the_limit_comes_back() {
        let many = (0..50).map(|i| candidate(i as f32 * 20.0, 0, 0.5)).collect();
        assert_eq!(suppress(many, 0.5, 7).len(), 7);
    }

    #[test]
    fn nan_scores_do_not_panic() {
        assert_eq!(suppress(vec![candidate(0.0, 0, f32::NAN), candidate(40.0, 0, 0.5)], 0.5, 10).len(), 2);
    }

    proptest! {
        #[test]
        fn kept_boxes_are_sorted_and_apart(raw in prop::collection::vec((0.0f32..100.0, 0usize..3, 0.0f32..1.0), 0..60)) {
            let kept = suppress(raw.into_iter().map(|(x, c, s)| candidate(x, c, s)).collect(), 0.5, 100);
            prop_assert!(kept.windows(2).all(|w| w[0].score >= w[1].score));
            for (i, a) in kept.iter().enumerate() {
                for b in &kept[i + 1..] {
                    prop_assert!(a.class_index != b.class_index || a.bbox.iou(b.bbox) <= 0.5);
                }
            }
        }
    }
}
