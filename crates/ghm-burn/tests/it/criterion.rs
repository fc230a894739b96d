//! The losses of a detector on a GPU beside the same on the CPU.

use burn::tensor::{Device, Tensor, TensorData};
use ghm_burn::{
    BatchCounts, BatchTargets, ClassificationKind, Criterion, CriterionConfig, DetectionLoss, RegressionKind, Scope,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::device::on_each_device;

const CLASSES: usize = 4;
const LEVELS: [usize; 3] = [60, 16, 5];
const PICTURES: usize = 2;

/// Numbers of a batch.
struct Numbers {
    logits: Vec<Vec<f32>>,
    deltas: Vec<Vec<f32>>,
    classes: Vec<i32>,
    targets: Vec<f32>,
    weights: Vec<f32>,
}

fn near_an_edge(norm: f64, bins: f64) -> bool {
    let place = norm * bins;
    (place - place.round()).abs() < 1e-5 * bins
}

impl Numbers {
    /// `positive`: of so many rows one; the last level has none. No gradient norm is so near an edge of the bins that a last
    /// bit decides, which two devices need not have in common.
    fn random(seed: u64, positive: i32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut levels = |width: usize| -> Vec<Vec<f32>> {
            LEVELS.map(|a| (0..PICTURES * a * width).map(|_| rng.random_range(-3.0..3.0)).collect()).into()
        };
        let (mut logits, mut deltas) = (levels(CLASSES), levels(4));
        let rows = PICTURES * LEVELS.iter().sum::<usize>();
        let last = rows - PICTURES * LEVELS[2];
        let mut class = |row: usize| match rng.random_range(0..positive) {
            0 if row < last => rng.random_range(0..CLASSES as i32),
            1 => -2,
            _ => -1,
        };
        let classes: Vec<i32> = (0..rows).map(&mut class).collect();
        let targets: Vec<f32> = (0..rows * 4).map(|_| rng.random_range(-1.0..1.0)).collect();
        let weights = classes.iter().flat_map(|c| [if *c >= 0 { 1.0 } else { 0.0 }; 4]).collect();
        for x in logits.iter_mut().flatten() {
            while near_an_edge(1.0 / (1.0 + f64::from(*x).exp()), 30.0) {
                *x += 0.01;
            }
        }
        for (x, target) in deltas.iter_mut().flatten().zip(&targets) {
            let norm = |d: f64| d.abs() / d.hypot(0.02);
            while near_an_edge(norm(f64::from(*x - target)), 10.0) {
                *x += 0.01;
            }
        }
        Self { logits, deltas, classes, targets, weights }
    }

    fn targets(&self) -> BatchTargets<'_> {
        BatchTargets { classes: &self.classes, deltas: &self.targets, delta_weights: &self.weights }
    }

    fn tensors(&self, device: &Device) -> [Vec<Tensor<3>>; 2] {
        let device = device.clone().autodiff();
        let tensor = |values: &Vec<f32>, a: usize, width: usize| {
            Tensor::from_data(TensorData::new(values.clone(), [PICTURES, a, width]), &device).require_grad()
        };
        let all = |levels: &[Vec<f32>], width| levels.iter().zip(LEVELS).map(|(v, a)| tensor(v, a, width)).collect();
        [all(&self.logits, CLASSES), all(&self.deltas, 4)]
    }
}

/// Both values and all gradients.
fn outcome(loss: DetectionLoss, tensors: &[Vec<Tensor<3>>; 2]) -> ([f64; 2], Vec<f32>) {
    let gradients = loss.total.backward();
    let flat = |t: &Tensor<3>| {
        let gradient = t.grad(&gradients).expect("a gradient, if only of zeros");
        gradient.into_data().try_into_vec::<f32>().unwrap()
    };
    let gradients = tensors.iter().flatten().flat_map(flat).collect();
    ([loss.classification, loss.regression].map(|value| value.read().unwrap()), gradients)
}

fn assert_close(found: &([f64; 2], Vec<f32>), expected: &([f64; 2], Vec<f32>), what: &str) {
    for (found, expected) in found.0.iter().zip(expected.0) {
        assert!((found - expected).abs() <= 1e-5 * expected.abs(), "{what}: {found}, expected {expected}");
    }
    let largest = expected.1.iter().fold(0.0f32, |most, entry| most.max(entry.abs()));
    let worst = found.1.iter().zip(&expected.1).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(found.1.len() == expected.1.len() && worst <= 1e-5 * largest, "{what}: {worst} of {largest}");
}

fn configs() -> Vec<CriterionConfig> {
    use {ClassificationKind as C, RegressionKind as R};
    let kinds = [
        (C::Ghm, R::Ghm),
        (C::Focal, R::SmoothL1),
        (C::CrossEntropy, R::L1),
        (C::BalancedCrossEntropy, R::Asl1),
        // Without kernels: they are computed on the host.
        (C::Ohem, R::BalancedL1),
        (C::GhmExact, R::GhmExact),
        (C::Ghm, R::L1),
        (C::QualityFocal, R::Giou),
        (C::Varifocal, R::Ghm),
    ];
    let with = |(c, r): (C, R), scope| {
        let mut config = CriterionConfig::default();
        (config.classification.kind, config.regression.kind) = (c, r);
        (config.classification.scope, config.regression.scope) = (scope, scope);
        config
    };
    kinds.into_iter().flat_map(|kinds| [Scope::Level, Scope::Batch].map(|scope| with(kinds, scope))).collect()
}

#[test]
fn the_losses_of_a_gpu_are_those_of_the_cpu_over_updates_of_every_kind_and_scope() {
    on_each_device(|device| {
        for config in configs() {
            let mut criteria = [(); 2].map(|()| Criterion::new(config.clone(), CLASSES).unwrap());
            for step in 0..3 {
                // The last has no positives at all.
                let numbers = Numbers::random(step, if step == 2 { i32::MAX } else { 5 });
                let [expected, found] = [&Device::flex(), device].map(|device| {
                    let criterion = &mut criteria[usize::from(*device != Device::flex())];
                    let tensors = numbers.tensors(device);
                    let loss = criterion.forward(&tensors[0], &tensors[1], &numbers.targets(), 0.5).unwrap();
                    outcome(loss, &tensors)
                });
                assert_close(&found, &expected, &format!("{config:?}, step {step}"));
            }
            let [expected, found] = criteria.map(|criterion| criterion.state().unwrap());
            let counts = |state: ghm_burn::CriterionState| {
                let densities = [state.classification, state.regression].into_iter().flatten();
                densities.flat_map(|density| density.counts().to_vec()).collect::<Vec<f64>>()
            };
            for (found, expected) in counts(found).into_iter().zip(counts(expected)) {
                assert!((found - expected).abs() <= 1e-5 * expected, "{config:?}: {found}, expected {expected}");
            }
        }
    });
}

#[test]
fn batches_counted_first_on_a_gpu_have_the_losses_of_the_cpu() {
    on_each_device(|device| {
        for config in configs().into_iter().take(2) {
            let numbers = [Numbers::random(11, 5), Numbers::random(12, 9)];
            let [expected, found] = [&Device::flex(), device].map(|device| {
                let mut criterion = Criterion::new(config.clone(), CLASSES).unwrap();
                let tensors = numbers.each_ref().map(|numbers| numbers.tensors(device));
                let mut counts = BatchCounts::default();
                for (numbers, tensors) in numbers.iter().zip(&tensors) {
                    let own = criterion.count(&tensors[0], &tensors[1], &numbers.targets()).unwrap();
                    counts.merge(&own).unwrap();
                }
                let weights = criterion.take_in(&counts).unwrap();
                [0, 1].map(|part| {
                    let [logits, deltas] = &tensors[part];
                    let loss = criterion.apply(logits, deltas, &numbers[part].targets(), &weights, 0.5).unwrap();
                    outcome(loss, &tensors[part])
                })
            });
            for (found, expected) in found.iter().zip(&expected) {
                assert_close(found, expected, &format!("{config:?}"));
            }
        }
    });
}

#[test]
fn the_densities_of_a_gpu_go_on_from_a_checkpoint() {
    on_each_device(|device| {
        let config = CriterionConfig::default();
        let run = |criterion: &mut Criterion, seed: u64| {
            let numbers = Numbers::random(seed, 5);
            let tensors = numbers.tensors(device);
            outcome(criterion.forward(&tensors[0], &tensors[1], &numbers.targets(), 1.0).unwrap(), &tensors)
        };
        let mut straight = Criterion::new(config.clone(), CLASSES).unwrap();
        run(&mut straight, 1);
        let mut resumed = Criterion::new(config, CLASSES).unwrap();
        resumed.restore(straight.state().unwrap());
        assert!(run(&mut straight, 2) == run(&mut resumed, 2));
    });
}
