//! Which pictures make up which batch: a function of the seed and the epoch alone.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// The order in which a split's pictures are read.
///
/// Nothing here is state: an epoch's batches follow from the fields and the epoch's number, so a run can start at any
/// epoch and step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Seed of the run.
    pub seed: u64,
    /// Number of pictures in the split.
    pub images: usize,
    /// Pictures in a batch, at least 1.
    pub batch_size: usize,
    /// Whether each epoch has its own permutation; otherwise the data set's order.
    pub shuffle: bool,
    /// Whether a last batch smaller than `batch_size` is left out.
    pub drop_last: bool,
}

/// What a random stream is for; streams of different purposes never meet.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(crate) enum Stream {
    /// The permutation of an epoch.
    Shuffle = 1,
    /// The augmentation of one picture.
    Augment = 2,
}

impl Order {
    /// How many batches an epoch has.
    pub fn batches_per_epoch(&self) -> usize {
        let batch_size = self.batch_size.max(1);
        if self.drop_last { self.images / batch_size } else { self.images.div_ceil(batch_size) }
    }

    /// The batches of an epoch, each a list of indices into [`Dataset::images`](crate::Dataset::images).
    pub fn batches(&self, epoch: usize) -> Vec<Vec<usize>> {
        let mut indices: Vec<usize> = (0..self.images).collect();
        if self.shuffle {
            permute(&mut indices, &mut self.rng(Stream::Shuffle, epoch, 0));
        }
        indices.chunks(self.batch_size.max(1)).take(self.batches_per_epoch()).map(<[usize]>::to_vec).collect()
    }

    /// The random numbers of one purpose at one position of one epoch.
    pub(crate) fn rng(&self, stream: Stream, epoch: usize, position: usize) -> ChaCha8Rng {
        let mut key = [0; 32];
        let words = [self.seed, epoch as u64, position as u64, stream as u64];
        for (part, word) in key.chunks_exact_mut(8).zip(words) {
            part.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}

/// Fisher-Yates. Written out so that an order never changes with a release of `rand`; the bias of the multiplication is
/// below `indices.len() / 2^64`.
fn permute(indices: &mut [usize], rng: &mut ChaCha8Rng) {
    for last in (1..indices.len()).rev() {
        let chosen = (u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64;
        indices.swap(last, chosen as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(images: usize, batch_size: usize) -> Order {
        Order { seed: 7, images, batch_size, shuffle: true, drop_last: false }
    }

    proptest! {
        #[test]
        fn every_picture_comes_once_an_epoch(images in 0usize..200, batch_size in 1usize..9, epoch in 0usize..50) {
            let order = order(images, batch_size);
            let batches = order.batches(epoch);
            prop_assert_eq!(batches.len(), order.batches_per_epoch());
            let mut seen = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..images).collect::<Vec<_>>());
        }
    }

    #[test]
    fn epochs_and_seeds_have_orders_of_their_own() {
        let first = order(50, 50).batches(0);
        assert_eq!(first, order(50, 50).batches(0));
        assert_ne!(first, order(50, 50).batches(1));
        assert_ne!(first, Order { seed: 8, ..order(50, 50) }.batches(0));
    }

    #[test]
    fn an_unshuffled_order_is_the_data_sets() {
        let order = Order { shuffle: false, ..order(5, 2) };
        assert_eq!(order.batches(3), [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn drop_last_leaves_out_only_the_short_batch() {
        let order = Order { drop_last: true, ..order(5, 2) };
        assert_eq!(order.batches(0).len(), 2);
        assert_eq!(Order { images: 4, ..order }.batches(0).len(), 2);
    }

    #[test]
    fn permutations_are_uniform_over_the_places() {
        // 4000 epochs of 4 pictures: picture 0 is expected 1000 times in each place, with a deviation of about 27.
        let mut counts = [0; 4];
        for epoch in 0..4000 {
            let place = order(4, 4).batches(epoch)[0].iter().position(|&index| index == 0);
            counts[place.expect("every picture comes once an epoch")] += 1;
        }
        assert!(counts.iter().all(|count| (860..1140).contains(count)), "{counts:?}");
    }
}
