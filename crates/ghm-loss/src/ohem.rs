//! Online hard example mining: cross entropy of the hardest examples alone.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::block::{Block, BlockTargets, Room};
use crate::blocks::{Inputs, Weighing, ranges};
use crate::error::{LossError, expect_setting};
use crate::examples::Examples;
use crate::largest::{CHUNK, Largest};
use crate::logistic::Logistic;
use crate::output::{Output, Reduction};
use crate::real::Real;
use crate::sums::{Separate, Terms, write};
use crate::vector::vectorised;

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

/// Online hard example mining (Shrivastava et al. 2016): the binary cross entropies of the hardest elements of this
/// call. Returns the value and writes the gradient, `sigmoid(logit) - target` of each of them and 0 for all the others. The
/// mean is over those that count.
///
/// Hard is what has a high cross entropy, before weights. Of equally hard elements the first count, so the choice is the
/// same in every run and for any number of threads. An element with a target above 0 is a positive. The choice is a
/// constant of the gradient.
///
/// # Shapes
/// Logits, gates, weights: one an element; see [`Targets`](crate::Targets) for the targets. An element that takes no part or
/// has no weight above 0 is never chosen nor counted among the positives. An element whose cross entropy is not finite
/// always counts, beside the number wanted: NaN makes the value NaN.
///
/// # Memory
/// 4 bytes an element, for its rank; a histogram of their bits finds the threshold, 16 KiB a task of the thread pool, and
/// nothing is sorted.
///
/// # Errors
/// [`LossError`] where lengths differ, a target is none or a setting is outside its range.
///
/// # Deviations
/// Shrivastava et al. rank regions of interest by their whole loss, classes and box, and drop those that overlap a harder
/// one (IoU above 0.7) first; SSD ranks the boxes of each image by themselves. Here elements are ranked, every class of
/// every row by itself, over the whole call.
pub fn ohem<'o, T: Real>(
    examples: &Examples<T>,
    config: OhemConfig,
    output: impl Into<Output<'o, T>>,
) -> Result<f64, LossError> {
    let (inputs, output) = (Inputs::of_logits(examples)?, output.into());
    inputs.check_output(&output)?;
    config.check()?;
    let (mut ranks, positives) = rank(&inputs, config)?;
    let chosen = choose(&mut ranks, config.wanted(positives));
    let scale = match output.reduction {
        Reduction::Sum => f64::from(output.scale),
        Reduction::Mean => f64::from(output.scale) / chosen.max(1) as f64,
    };
    let loss = Separate::new(
        #[inline(always)]
        |logit, target| {
            let terms = Logistic::new(logit, target);
            (terms.cross_entropy, terms.slope)
        },
        #[inline(always)]
        |block, terms| {
            let length = block.values.len();
            terms.factors[..length].copy_from_slice(&ranks[block.start..block.start + length]);
            // Those that take no part in the sum are 0 by choice and not by product.
            let Terms { losses, slopes, factors, .. } = terms;
            for (factor, (loss, slope)) in factors[..length].iter().zip(losses.iter_mut().zip(slopes)) {
                *loss = if *factor > 0.0 { *loss } else { 0.0 };
                *slope = if *factor > 0.0 { *slope } else { 0.0 };
            }
        },
    );
    write(&inputs, output, scale, &loss)
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

/// The rank of each element: its cross entropy where it competes with others, [`ALWAYS`] or [`NEVER`] where not; and the
/// number of positives that take part.
fn rank<T: Real>(inputs: &Inputs<T>, config: OhemConfig) -> Result<(Vec<f32>, usize), LossError> {
    let mut ranks = vec![NEVER; inputs.len()];
    let rank_chunk = |(index, ranks): (usize, &mut [f32])| {
        let (start, mut positives) = (index * CHUNK, 0);
        vectorised(
            #[inline(always)]
            |_| {
                let mut room = Room::new();
                for at in ranges(start..start + ranks.len()) {
                    let block = inputs.block(at.clone(), Weighing::Weights, &mut room);
                    inputs.check_targets(&block)?;
                    positives += rank_block(&block, config, &mut ranks[at.start - start..at.end - start]);
                }
                Ok(positives)
            },
        )
    };
    let counts: Vec<Result<usize, LossError>> = ranks.par_chunks_mut(CHUNK).enumerate().map(rank_chunk).collect();
    let positives = counts.into_iter().sum::<Result<usize, LossError>>()?;
    Ok((ranks, positives))
}

#[inline(always)]
fn rank_block(block: &Block, config: OhemConfig, ranks: &mut [f32]) -> usize {
    let positives_compete = matches!(config, OhemConfig::Hardest { .. });
    block.map(
        #[inline(always)]
        |logit, target| {
            let cross_entropy = Logistic::new(logit, target).cross_entropy;
            let competes = cross_entropy <= f32::MAX && (positives_compete || target == 0.0);
            if competes { cross_entropy } else { ALWAYS }
        },
        ranks,
    );
    if let Some(weights) = block.weights {
        for (rank, &weight) in ranks.iter_mut().zip(weights) {
            *rank = if weight > 0.0 { *rank } else { NEVER };
        }
    }
    let takes_part = |at: &usize| ranks[*at] >= 0.0;
    match block.targets {
        BlockTargets::Dense(targets) => (0..ranks.len()).filter(takes_part).filter(|&at| targets[at] > 0.0).count(),
        BlockTargets::Ones(ones) => ones.iter().map(|&one| usize::from(one)).filter(takes_part).count(),
    }
}

/// In place of each rank 1 where the element counts and 0 where not; how many count.
fn choose(ranks: &mut [f32], wanted: usize) -> usize {
    let hardest = Largest::of(ranks, wanted);
    let choose_chunk = |(index, ranks): (usize, &mut [f32])| {
        let (mut cut, mut chosen) = (hardest.cut(index), 0);
        for rank in ranks {
            let counts = cut.takes(*rank);
            chosen += usize::from(counts);
            *rank = f32::from(counts);
        }
        chosen
    };
    ranks.par_chunks_mut(CHUNK).enumerate().map(choose_chunk).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::{cross_entropy, ohem};
    use crate::targets::Targets;

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
