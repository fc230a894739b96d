//! What tests of kernels share.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Numbers from -1 to 1.
pub fn noise(seed: u64, length: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..length).map(|_| random.random_range(-1.0..1.0)).collect()
}

/// Expects numbers within 1e-5 of the largest.
pub fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= 1e-5 * largest, "{what} {index}: {found} for {expected}, of at most {largest}");
    }
}
