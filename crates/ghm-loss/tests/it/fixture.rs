//! Reading the golden files of `fixtures/ghm_loss`, and random data for the other tests.

use std::path::Path;

use ghm_loss::{DensityConfig, Ema, GradientDensity, Normalise};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;

/// A golden file: the settings of its cases, and their tensors by `"{case}.{name}"`.
pub struct Fixture {
    bytes: Vec<u8>,
}

impl Fixture {
    pub fn open(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/ghm_loss").join(name);
        Self { bytes: std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())) }
    }

    pub fn cases<T: DeserializeOwned>(&self) -> Vec<T> {
        let (_, metadata) = SafeTensors::read_metadata(&self.bytes).unwrap();
        serde_json::from_str(&metadata.metadata().as_ref().unwrap()["cases"]).unwrap()
    }

    /// The entries of a tensor of 4 or 8 bytes an entry, or None where there is no such tensor.
    fn entries<const B: usize>(&self, name: &str, dtype: Dtype) -> Option<Vec<[u8; B]>> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = file.tensor(name).ok()?;
        assert_eq!(tensor.dtype(), dtype, "{name}");
        Some(tensor.data().as_chunks::<B>().0.to_vec())
    }

    /// Of one case; None where it has no such tensor.
    pub fn f32s(&self, case: usize, name: &str) -> Option<Vec<f32>> {
        let entries = self.entries(&format!("{case}.{name}"), Dtype::F32)?;
        Some(entries.into_iter().map(f32::from_le_bytes).collect())
    }

    pub fn i32s(&self, case: usize, name: &str) -> Option<Vec<i32>> {
        let entries = self.entries(&format!("{case}.{name}"), Dtype::I32)?;
        Some(entries.into_iter().map(i32::from_le_bytes).collect())
    }

    pub fn f64s(&self, case: usize, name: &str) -> Option<Vec<f64>> {
        let entries = self.entries(&format!("{case}.{name}"), Dtype::F64)?;
        Some(entries.into_iter().map(f64::from_le_bytes).collect())
    }

    /// Of all cases, one behind the other.
    pub fn flat_f32s(&self, name: &str) -> Vec<f32> {
        self.entries(name, Dtype::F32).unwrap().into_iter().map(f32::from_le_bytes).collect()
    }

    pub fn flat_f64s(&self, name: &str) -> Vec<f64> {
        self.entries(name, Dtype::F64).unwrap().into_iter().map(f64::from_le_bytes).collect()
    }
}

/// `count` logits, most of them well classified, a few not.
pub fn random_logits(seed: u64, count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| if random.random_bool(0.05) { 2.0 } else { -3.0 } + random.random_range(-3.0..3.0)).collect()
}

/// `count` numbers of `[low, high)`.
pub fn random_between(seed: u64, count: usize, low: f32, high: f32) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random_range(low..high)).collect()
}

/// `count` rows: a tenth of a class, as many ignored, the others background.
pub fn random_rows(seed: u64, count: usize, classes: usize) -> Vec<i32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| match random.random_range(0..10) {
            0 => random.random_range(0..classes as i32),
            1 => ghm_loss::IGNORED,
            _ => ghm_loss::BACKGROUND,
        })
        .collect()
}

/// The one-hot targets of `rows`, and weight 0 for the ignored.
pub fn dense(rows: &[i32], classes: usize) -> (Vec<f32>, Vec<f32>) {
    let classes_of = |row: &i32| (0..classes as i32).map(|class| f32::from(*row == class)).collect::<Vec<_>>();
    let weights = rows.iter().flat_map(|row| vec![f32::from(*row != ghm_loss::IGNORED); classes]);
    (rows.iter().flat_map(classes_of).collect(), weights.collect())
}

pub fn density(bins: usize, momentum: f64, normalise: Normalise, ema: Ema) -> GradientDensity {
    GradientDensity::new(DensityConfig { bins, momentum, normalise, ema, ..DensityConfig::default() }).unwrap()
}
