//! The random draws of one scene: a stream of its own for every split and index.

use rand::RngCore;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::SceneSplit;

/// A source of draws that never fails, whatever range it is asked for.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The draws of scene `index`: ChaCha streams do not overlap, so no scene depends on another.
    pub(super) fn for_scene(seed: u64, split: SceneSplit, index: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let split_bit = match split {
            SceneSplit::Train => 0,
            SceneSplit::Validation => 1 << 63,
        };
        rng.set_stream(split_bit | index as u64);
        Self(rng)
    }

    /// A number in `[0, 1)` with 24 random bits, all that an `f32` holds.
    pub(super) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// A number between two ends; the first when they are equal.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with the given probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// A whole number in `0..count`; 0 for an empty range.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f32) as usize).min(count.saturating_sub(1))
    }

    /// A whole number from `low` to `high`, both included.
    pub(super) fn count(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// A seed for lattice noise.
    pub(super) fn noise_seed(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A bell-shaped number of mean 0 and variance 1, within +-3.5: the sum of four uniform bytes, scaled.
    ///
    /// Four draws of variance `(256^2 - 1) / 12` have a deviation of 147.8 about their mean of 510.
    pub(super) fn bell(&mut self) -> f32 {
        let sum: u32 = self.0.next_u32().to_le_bytes().iter().map(|&byte| u32::from(byte)).sum();
        (sum as f32 - 510.0) / 147.8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_their_ranges_even_when_the_range_is_empty() {
        let mut dice = Dice::for_scene(3, SceneSplit::Train, 0);
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&dice.unit()));
            assert!(dice.below(5) < 5);
            assert_eq!(dice.below(0), 0);
            assert!((2..=6).contains(&dice.count(2, 6)));
            assert_eq!(dice.count(4, 1), 4);
            assert!(dice.bell().abs() <= 3.5);
        }
    }

    #[test]
    fn splits_and_indices_have_streams_of_their_own() {
        let first = |split, index| Dice::for_scene(3, split, index).noise_seed();
        assert_ne!(first(SceneSplit::Train, 0), first(SceneSplit::Validation, 0));
        assert_ne!(first(SceneSplit::Train, 0), first(SceneSplit::Train, 1));
    }
}
