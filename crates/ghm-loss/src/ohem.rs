//! Online hard example mining: cross entropy of the hardest examples alone.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{LossError, expect_setting};
use crate::inputs::{BLOCK, CHUNK, Inputs};
use crate::largest::Largest;
use crate::logistic::Logistic;
use crate::sums::{apply, sum_of, weigh};
use crate::targets::Targets;

/// Which examples count in [`ohem`]. There is no default: how many are enough depends on how many a call has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OhemConfig {
    /// Those of the highest cross entropy, positive or negative (Shrivastava et al. 2016, who have 128 of two images).
    Hardest {
        /// How many, at least 1.
        count: usize,
    },
    /// All positives, and the negatives of the highest cross entropy (Liu et al. 2016, SSD, who have a ratio of 3).
    Ratio {
        /// Negatives for each positive, finite and at least 0; their number is rounded to the nearest whole one.
        ratio: f32,
        /// The fewest negatives, for calls with few positives or none.
        least: usize,
    },
}

/// Rank of an element that counts whatever the others are.
const ALWAYS: f32 = f32::INFINITY;

/// Rank of an element that takes no part.
const NEVER: f32 = -1.0;

/// Online hard example mining (Shrivastava et al. 2016): the binary cross entropies of the hardest elements of this call,
/// each times its weight; `scale` times their sum. Returns the value and writes the gradient, `sigmoid(logit) - target`
/// times weight and scale, which is 0 for all the others. A mean over those that count is a `scale` of one over their
/// number: `count`, or the positives and `max(ratio * positives, least)`.
///
/// Hard is what has a high cross entropy, before weights. Of equally hard elements the first count, so the choice is the
/// same in every run and for any number of threads. An element with a target above 0 is a positive. The choice is a
/// constant of the gradient.
///
/// # Shapes
/// `logits`, `weights`, `gradient`: one entry an element; see [`Targets`] for the targets. An element whose weight is not
/// above 0, or whose row is ignored, is never chosen nor counted among the positives, adds nothing and has gradient 0,
/// even where it holds NaN. Elsewhere an element whose cross entropy is not finite always counts, beside the number
/// wanted: NaN makes the value NaN.
///
/// # Memory
/// The cross entropies stand in `gradient` until the derivatives take their place. A histogram of their bits finds the
/// threshold: 16 KiB a task of the thread pool and 8 bytes for every 16,384 elements, nothing sorted and nothing copied.
///
/// # Errors
/// [`LossError`] where lengths differ, a target is none or a setting is outside its range; `gradient` is untouched then.
///
/// # Deviations
/// Shrivastava et al. rank regions of interest by their whole loss, classes and box, and drop those that overlap a harder
/// one (IoU above 0.7) first; SSD ranks the boxes of each image by themselves. Here elements are ranked, every class of
/// every row by itself, over the whole call.
pub fn ohem(
    logits: &[f32],
    targets: Targets,
    weights: Option<&[f32]>,
    config: OhemConfig,
    scale: f32,
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let inputs = Inputs::of_logits(logits, targets, weights, gradient)?;
    config.check()?;
    let positives = rank(&inputs, config, gradient);
    let hardest = Largest::of(gradient, config.wanted(positives));
    Ok(sum_of_hardest(&inputs, &hardest, scale, gradient))
}

impl OhemConfig {
    fn check(self) -> Result<(), LossError> {
        match self {
            Self::Hardest { count } => {
                expect_setting("count", count as f64, "a whole number of at least 1", |count| count >= 1.0)
            }
            Self::Ratio { ratio, .. } => {
                let range = 0.0..f64::INFINITY;
                expect_setting("ratio", f64::from(ratio), "a finite number of at least 0", |ratio| {
                    range.contains(&ratio)
                })
            }
        }
    }

    /// How many of the elements that compete count.
    fn wanted(self, positives: usize) -> usize {
        match self {
            Self::Hardest { count } => count,
            Self::Ratio { ratio, least } => ((f64::from(ratio) * positives as f64).round() as usize).max(least),
        }
    }
}

/// The rank of each element into `ranks`: its cross entropy where it competes with others, [`ALWAYS`] or [`NEVER`] where
/// not. Returns the number of positives that take part.
fn rank(inputs: &Inputs, config: OhemConfig, ranks: &mut [f32]) -> usize {
    let positives_compete = matches!(config, OhemConfig::Hardest { .. });
    let rank_chunk = |(index, ranks): (usize, &mut [f32])| {
        let mut positives = 0;
        inputs.chunk(index).for_each_block(ranks, |block, ranks| {
            for ((rank, &logit), &target) in ranks.iter_mut().zip(block.values).zip(block.targets) {
                let cross_entropy = Logistic::new(logit, target).cross_entropy;
                let competes = cross_entropy <= f32::MAX && (positives_compete || target == 0.0);
                *rank = if competes { cross_entropy } else { ALWAYS };
            }
            if let Some(weights) = block.weights {
                for (rank, &weight) in ranks.iter_mut().zip(weights) {
                    *rank = if weight > 0.0 { *rank } else { NEVER };
                }
            }
            let takes_part = ranks.iter().map(|&rank| rank >= 0.0);
            positives +=
                takes_part.zip(block.targets).filter(|&(takes_part, &target)| takes_part && target > 0.0).count();
        });
        positives
    };
    ranks.par_chunks_mut(CHUNK).enumerate().map(rank_chunk).sum()
}

/// `scale` times the sum of the losses of the `hardest`, and its gradient in place of the ranks in `gradient`.
fn sum_of_hardest(inputs: &Inputs, hardest: &Largest, scale: f32, gradient: &mut [f32]) -> f64 {
    let sum_chunk = |(index, gradient): (usize, &mut [f32])| {
        let (mut sum, mut cut) = (0.0, hardest.cut(index));
        inputs.chunk(index).for_each_block(gradient, |block, gradient| {
            let (mut losses, mut gates) = ([0.0; BLOCK], [0.0; BLOCK]);
            let (losses, gates) = (&mut losses[..gradient.len()], &mut gates[..gradient.len()]);
            for (gate, &rank) in gates.iter_mut().zip(&*gradient) {
                *gate = f32::from(cut.takes(rank));
            }
            if let Some(weights) = block.weights {
                gates.iter_mut().zip(weights).for_each(|(gate, weight)| *gate *= weight);
            }
            apply(cross_entropy_and_slope, block, losses, gradient);
            weigh(Some(&*gates), scale, losses, gradient);
            sum += sum_of(losses);
        });
        sum
    };
    let sums: Vec<f64> = gradient.par_chunks_mut(CHUNK).enumerate().map(sum_chunk).collect();
    f64::from(scale) * sums.iter().sum::<f64>()
}

#[inline(always)]
fn cross_entropy_and_slope(logit: f32, target: f32) -> (f32, f32) {
    let terms = Logistic::new(logit, target);
    (terms.cross_entropy, terms.slope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cross_entropy::cross_entropy;

    /// Cross entropies 0.69, 2.13, 0.31, 1.31, 0.049, 0.049; the first and the last are positives.
    const LOGITS: [f32; 6] = [0.0, 2.0, -1.0, 1.0, -3.0, 3.0];
    const TARGETS: [f32; 6] = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0];

    fn hardest(count: usize) -> OhemConfig {
        OhemConfig::Hardest { count }
    }

    /// Which elements count, after a look at their value and gradient: those of cross entropy for just these.
    fn chosen(logits: &[f32], targets: &[f32], weights: Option<&[f32]>, config: OhemConfig) -> Vec<usize> {
        let (mut gradient, mut expected) = (vec![9.0; logits.len()], vec![9.0; logits.len()]);
        let value = ohem(logits, Targets::Dense(targets), weights, config, 0.5, &mut gradient).unwrap();
        let weight_of = |index: usize| if gradient[index] == 0.0 { 0.0 } else { weights.map_or(1.0, |w| w[index]) };
        let gates: Vec<f32> = (0..logits.len()).map(weight_of).collect();
        let same = cross_entropy(logits, Targets::Dense(targets), Some(&gates), 0.5, &mut expected).unwrap();
        assert_eq!((value, &gradient), (same, &expected));
        (0..logits.len()).filter(|&index| gradient[index] != 0.0).collect()
    }

    #[test]
    fn the_hardest_count_whatever_their_target() {
        for (count, expected) in [(1, vec![1]), (2, vec![1, 3]), (3, vec![0, 1, 3]), (4, vec![0, 1, 2, 3])] {
            assert_eq!(chosen(&LOGITS, &TARGETS, None, hardest(count)), expected);
        }
    }

    #[test]
    fn all_positives_count_and_the_hardest_negatives_in_ratio_to_them() {
        for (ratio, least, expected) in [
            (0.0, 0, vec![0, 5]),
            (0.5, 0, vec![0, 1, 5]),
            (1.0, 0, vec![0, 1, 3, 5]),
            (0.5, 3, vec![0, 1, 2, 3, 5]),
            (3.0, 0, vec![0, 1, 2, 3, 4, 5]),
        ] {
            assert_eq!(chosen(&LOGITS, &TARGETS, None, OhemConfig::Ratio { ratio, least }), expected);
        }
    }

    #[test]
    fn of_equally_hard_elements_the_first_count() {
        assert_eq!(chosen(&[1.0; 5], &[0.0; 5], None, hardest(2)), [0, 1]);
        assert_eq!(chosen(&[1.0, 2.0, 1.0, 1.0], &[0.0; 4], None, hardest(3)), [0, 1, 2]);
    }

    #[test]
    fn elements_without_weight_are_neither_chosen_nor_counted_as_positives_and_the_weight_of_others_does_not_rank() {
        let weights = [0.1, 0.0, 1.0, 0.2, 1.0, -1.0];
        assert_eq!(chosen(&LOGITS, &TARGETS, Some(&weights), hardest(2)), [0, 3]);
        // One positive is left, and with it one negative.
        assert_eq!(chosen(&LOGITS, &TARGETS, Some(&weights), OhemConfig::Ratio { ratio: 1.0, least: 0 }), [0, 3]);
    }

    #[test]
    fn where_as_many_count_as_there_are_it_is_cross_entropy_bit_for_bit() {
        let logits: Vec<f32> = (0..2 * CHUNK + 99).map(|index| (index % 1_013) as f32 / 100.0 - 5.0).collect();
        let targets: Vec<f32> = (0..logits.len()).map(|index| f32::from(index % 7 == 0)).collect();
        let mut expected = vec![0.0; logits.len()];
        let value = cross_entropy(&logits, Targets::Dense(&targets), None, 0.3, &mut expected).unwrap();
        let all = logits.len();
        for config in [hardest(all), hardest(usize::MAX), OhemConfig::Ratio { ratio: 0.0, least: all }] {
            let mut gradient = vec![9.0; all];
            assert_eq!(ohem(&logits, Targets::Dense(&targets), None, config, 0.3, &mut gradient), Ok(value));
            assert!(gradient == expected);
        }
    }

    #[test]
    fn without_positives_or_a_least_number_nothing_counts_but_what_is_not_finite() {
        let config = OhemConfig::Ratio { ratio: 3.0, least: 0 };
        let mut gradient = [9.0; 2];
        assert_eq!(ohem(&[1.0, 2.0], Targets::Dense(&[0.0; 2]), None, config, 1.0, &mut gradient), Ok(0.0));
        assert_eq!(gradient, [0.0; 2]);
        let value = ohem(&[1.0, f32::NAN], Targets::Dense(&[0.0; 2]), None, config, 1.0, &mut gradient).unwrap();
        assert!(value.is_nan() && gradient[0] == 0.0 && gradient[1].is_nan());
    }
}
