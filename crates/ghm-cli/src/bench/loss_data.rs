//! What the losses are timed on: values and targets as a detector has them, from a seed.

use std::f32::consts::TAU;

use ghm_loss::{BACKGROUND, Examples, IGNORED, Kind, LossConfig, Targets};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Logits a row.
pub const CLASSES: usize = 80;

/// One row in so many has a class, and as many are ignored.
const EVERY: usize = 200;

const SEED: u64 = 0;

/// Values and targets of one loss.
pub struct LossData {
    values: Vec<f32>,
    targets: OwnedTargets,
}

enum OwnedTargets {
    Dense(Vec<f32>),
    Rows(Vec<i32>),
}

impl LossData {
    /// As many values as `elements` says, a multiple of [`CLASSES`], for this loss.
    pub fn of(config: &LossConfig, elements: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        match (config, config.kind()) {
            (LossConfig::QualityFocal(_) | LossConfig::Varifocal(_), _) => Self::qualities(elements, &mut random),
            (_, Kind::Elements) => Self::rows(elements, BACKGROUND, &mut random),
            // Softmax has a class for what is none: the last.
            (_, Kind::Rows) => Self::rows(elements, CLASSES as i32 - 1, &mut random),
            (_, Kind::Differences) => Self::offsets(elements, &mut random),
            (_, Kind::Boxes) => Self::boxes(elements, &mut random),
        }
    }

    /// Logits in [-9, -1]; one row in 200 of a class, one ignored, the others `background`.
    fn rows(elements: usize, background: i32, random: &mut ChaCha8Rng) -> Self {
        let entry = |row: usize| match row % EVERY {
            0 => (row % CLASSES) as i32,
            1 => IGNORED,
            _ => background,
        };
        let rows = (0..elements / CLASSES).map(entry).collect();
        Self { values: logits(elements, random), targets: OwnedTargets::Rows(rows) }
    }

    /// Logits in [-9, -1]; one row in 200 has a quality from 0 to 1 at its class, all other targets are 0.
    fn qualities(elements: usize, random: &mut ChaCha8Rng) -> Self {
        let values = logits(elements, random);
        let mut targets = vec![0.0; elements];
        for row in (0..elements / CLASSES).step_by(EVERY) {
            targets[row * CLASSES + row % CLASSES] = random.random_range(0.0..1.0);
        }
        Self { values, targets: OwnedTargets::Dense(targets) }
    }

    /// Targets in [-1, 1] and predictions off by 0.1 times a normal number.
    fn offsets(elements: usize, random: &mut ChaCha8Rng) -> Self {
        let targets: Vec<f32> = (0..elements).map(|_| random.random_range(-1.0..1.0)).collect();
        Self { values: near(&targets, 0.1, random), targets: OwnedTargets::Dense(targets) }
    }

    /// Boxes of 20 to 120 pixels a side within 500, and predictions whose corners are off by 5 times a normal number.
    fn boxes(elements: usize, random: &mut ChaCha8Rng) -> Self {
        let mut targets = Vec::with_capacity(elements);
        for _ in 0..elements / 4 {
            let [x, y] = [(); 2].map(|()| random.random_range(0.0..500.0));
            let [width, height] = [(); 2].map(|()| random.random_range(20.0..120.0));
            targets.extend([x, y, x + width, y + height]);
        }
        Self { values: near(&targets, 5.0, random), targets: OwnedTargets::Dense(targets) }
    }

    /// What goes into a call.
    pub fn examples(&self) -> Examples<'_> {
        let targets = match &self.targets {
            OwnedTargets::Dense(targets) => Targets::Dense(targets),
            OwnedTargets::Rows(rows) => Targets::ClassIndex { rows, classes: CLASSES },
        };
        Examples::new(&self.values, targets)
    }

    /// Number of values.
    pub fn elements(&self) -> usize {
        self.values.len()
    }

    /// Bytes that a pass over values and targets reads.
    pub fn bytes(&self) -> usize {
        let targets = match &self.targets {
            OwnedTargets::Dense(targets) => size_of_val(&targets[..]),
            OwnedTargets::Rows(rows) => size_of_val(&rows[..]),
        };
        size_of_val(&self.values[..]) + targets
    }
}

fn logits(elements: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    (0..elements).map(|_| random.random_range(-9.0..-1.0)).collect()
}

/// `targets`, each plus a normal number times `spread`.
fn near(targets: &[f32], spread: f32, random: &mut ChaCha8Rng) -> Vec<f32> {
    let mut values = Vec::with_capacity(targets.len());
    for pair in targets.chunks(2) {
        // Box and Muller: two normal numbers from two uniform ones.
        let radius = spread * (-2.0 * random.random_range(f32::MIN_POSITIVE..1.0).ln()).sqrt();
        let (sine, cosine) = (TAU * random.random_range(0.0..1.0f32)).sin_cos();
        values.extend(pair.iter().zip([radius * cosine, radius * sine]).map(|(target, offset)| target + offset));
    }
    values
}
