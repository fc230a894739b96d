//! Random examples of the right kind for every loss, so that a test can run over all of them.

use ghm_loss::{Examples, Kind, LossConfig, Real, Targets};
use half::{bf16, f16};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub const CLASSES: usize = 3;

/// What a test makes logits of: numbers from bits and from f32.
pub trait Number: Real {
    /// Any finite number, each bit pattern as likely as any other.
    fn any(random: &mut ChaCha8Rng) -> Self;

    /// The nearest.
    fn of(value: f32) -> Self;

    fn wide(self) -> f32;
}

macro_rules! number {
    ($type:ty, $bits:ty, $of:expr, $wide:expr) => {
        impl Number for $type {
            fn any(random: &mut ChaCha8Rng) -> Self {
                loop {
                    let number = <$type>::from_bits(random.random::<$bits>());
                    if number.is_finite() {
                        return number;
                    }
                }
            }

            fn of(value: f32) -> Self {
                $of(value)
            }

            fn wide(self) -> f32 {
                $wide(self)
            }
        }
    };
}

number!(f32, u32, |value| value, |value| value);
number!(f16, u16, f16::from_f32, f16::to_f32);
number!(bf16, u16, bf16::from_f32, bf16::to_f32);

/// What a loss is compared with, owned.
pub enum Owned {
    Dense(Vec<f32>),
    Rows(Vec<i32>),
}

/// Targets for `count` examples of `config`: soft and hard ones, classes, any finite numbers, or proper boxes.
pub fn targets(config: &LossConfig, count: usize, random: &mut ChaCha8Rng) -> Owned {
    match config.kind() {
        Kind::Elements => {
            Owned::Dense((0..count).map(|_| (random.random_range(-0.5..1.5f32)).clamp(0.0, 1.0)).collect())
        }
        Kind::Rows => Owned::Rows((0..count).map(|_| random.random_range(0..CLASSES as i32)).collect()),
        Kind::Differences => Owned::Dense((0..count).map(|_| f32::any(random)).collect()),
        Kind::Boxes => Owned::Dense((0..count).flat_map(|_| any_box(random)).collect()),
    }
}

fn any_box(random: &mut ChaCha8Rng) -> [f32; 4] {
    loop {
        let [a, b, c, d] = [0; 4].map(|_| f32::any(random));
        if a != c && b != d {
            return [a.min(c), b.min(d), a.max(c), b.max(d)];
        }
    }
}

/// Numbers an example has.
pub fn width(config: &LossConfig) -> usize {
    match config.kind() {
        Kind::Elements | Kind::Differences => 1,
        Kind::Rows => CLASSES,
        Kind::Boxes => 4,
    }
}

impl Owned {
    pub fn examples<'a, T: Number>(&'a self, values: &'a [T]) -> Examples<'a, T> {
        let targets = match self {
            Self::Dense(targets) => Targets::Dense(targets),
            Self::Rows(rows) => Targets::ClassIndex { rows, classes: CLASSES },
        };
        Examples::new(values, targets)
    }
}
