//! Data of a call, and the same call by both implementations.

use burn::tensor::{Device, Int, Tensor, TensorData};
use ghm_gpu::DeviceDensity;
use ghm_loss::{Between, DensityConfig, Ema, Examples, GradientDensity, Normalise, Output, Targets};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Published settings, with which most tests run.
pub const RELEASED: DensityConfig = DensityConfig {
    bins: 30,
    momentum: 0.75,
    normalise: Normalise::Nonempty,
    ema: Ema::Released,
    cap: None,
    between: Between::Step,
    classes: None,
};

/// The logits of a call and the class of each row.
#[derive(Clone)]
pub struct Call {
    pub logits: Vec<f32>,
    pub rows: Vec<i32>,
    pub classes: usize,
}

/// Value and gradient.
pub struct Outcome {
    pub value: f32,
    pub gradient: Vec<f32>,
}

/// Whether an f32 that is a few roundings away from gradient norm `g` may lie on the other side of an edge.
pub fn near_an_edge(g: f64, bins: usize) -> bool {
    let place = g * bins as f64;
    let edge = place.round();
    (place - edge).abs() < 2e-6 * bins as f64 && edge > 0.0 && edge < bins as f64
}

impl Call {
    /// Random logits up to `reach` in size and rows of every kind.
    ///
    /// None has a gradient norm within 2e-6 of an edge: there a last bit decides about the bin, and sigmoids of two
    /// implementations need not have it in common.
    pub fn random(seed: u64, rows: usize, classes: usize, reach: f32, bins: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rows: Vec<i32> = (0..rows).map(|_| rng.random_range(-2..classes as i32)).collect();
        let logits = (0..rows.len() * classes).map(|_| {
            let mut x = rng.random_range(-reach..reach);
            while near_an_edge(1.0 / (1.0 + f64::from(-x).exp()), bins) {
                x += 0.01;
            }
            x
        });
        Self { logits: logits.collect(), rows, classes }
    }

    pub fn tensors(&self, device: &Device) -> (Tensor<2>, Tensor<1, Int>) {
        let logits = TensorData::new(self.logits.clone(), [self.rows.len(), self.classes]);
        let rows = TensorData::new(self.rows.clone(), [self.rows.len()]);
        (Tensor::from_data(logits, device), Tensor::from_data(rows, device))
    }

    pub fn on_host(&self, density: &mut GradientDensity, scale: f32) -> Outcome {
        let mut gradient = vec![f32::MAX; self.logits.len()];
        let targets = Targets::ClassIndex { rows: &self.rows, classes: self.classes };
        let output = Output::to(&mut gradient).scaled(scale);
        let value = ghm_loss::ghm_c(&Examples::new(&self.logits, targets), density, output).unwrap();
        Outcome { value: value as f32, gradient }
    }

    pub fn on(&self, device: &Device, density: &mut DeviceDensity, scale: f32) -> Outcome {
        let (logits, rows) = self.tensors(&device.clone().autodiff());
        let logits = logits.require_grad();
        let value = ghm_gpu::ghm_c(logits.clone(), rows, density, scale).unwrap();
        Outcome::of(value, &logits)
    }
}

impl Outcome {
    pub fn of<const D: usize>(value: Tensor<1>, x: &Tensor<D>) -> Self {
        let gradients = value.clone().backward();
        let gradient = x.grad(&gradients).unwrap().into_data().convert::<f32>().try_into_vec::<f32>().unwrap();
        Self { value: value.into_scalar::<f32>(), gradient }
    }

    pub fn bits(&self) -> (u32, Vec<u32>) {
        (self.value.to_bits(), self.gradient.iter().map(|entry| entry.to_bits()).collect())
    }

    /// Agreement to 1e-5: relative for the value, of the largest entry for the gradient. Sums, averages and factors
    /// are f32 on the device, each off by 6e-8 a rounding; a few dozen of them meet in a value.
    pub fn assert_close(&self, plain: &Self, what: &str) {
        assert_close_to(self, plain, 1e-5, what);
    }
}

pub fn assert_close_to(found: &Outcome, plain: &Outcome, tolerance: f32, what: &str) {
    let (value, expected) = (found.value, plain.value);
    assert!((value - expected).abs() <= tolerance * expected.abs(), "{what}: value {value}, expected {expected}");
    let largest = plain.gradient.iter().fold(0.0f32, |most, entry| most.max(entry.abs()));
    assert_eq!(found.gradient.len(), plain.gradient.len(), "{what}");
    for (index, (entry, expected)) in found.gradient.iter().zip(&plain.gradient).enumerate() {
        let close = (entry - expected).abs() <= tolerance * largest;
        assert!(close, "{what}: gradient[{index}] {entry}, expected {expected}, of {largest}");
    }
}

/// Both kinds of density, fresh.
pub fn densities(config: DensityConfig, device: &Device) -> (GradientDensity, DeviceDensity) {
    (GradientDensity::new(config).unwrap(), DeviceDensity::new(config, device).unwrap())
}
