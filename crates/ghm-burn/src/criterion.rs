//! The two losses of a detector over a batch, with their densities.

use std::ops::Range;

use burn::tensor::Tensor;
use ghm_loss::{GradientDensity, LossError, Targets, cross_entropy, focal, ghm_c, ghm_r, l1, smooth_l1};
use serde::{Deserialize, Serialize};

use crate::attach::attach;
use crate::config::{ClassificationConfig, ClassificationKind, LossConfig, RegressionConfig, RegressionKind, Scope};

/// What every row of a batch is trained on; rows run over levels, in a level over pictures, in a picture over anchors.
#[derive(Clone, Copy, Debug)]
pub struct BatchTargets<'a> {
    /// `[rows]`: class index, -1 for background, -2 for rows that are left out.
    pub classes: &'a [i32],
    /// `[rows, 4]`.
    pub deltas: &'a [f32],
    /// `[rows, 4]`: 1 for positive rows, 0 elsewhere.
    pub delta_weights: &'a [f32],
}

/// The loss of a batch.
#[derive(Clone, Debug)]
pub struct DetectionLoss {
    /// The sum of both, `[1]`, for backward.
    pub total: Tensor<1>,
    /// Classification loss, weight included.
    pub classification: f64,
    /// Regression loss, weight included.
    pub regression: f64,
}

/// What a checkpoint keeps of a criterion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriterionState {
    /// GHM-C's density, where GHM-C is the loss.
    pub classification: Option<GradientDensity>,
    /// GHM-R's density, where GHM-R is the loss.
    pub regression: Option<GradientDensity>,
}

/// Both losses with their state.
#[derive(Clone, Debug)]
pub struct Criterion {
    config: LossConfig,
    state: CriterionState,
}

impl Criterion {
    /// Losses with fresh densities; refuses options out of range.
    pub fn new(config: LossConfig) -> Result<Self, LossError> {
        let classification = match config.classification.kind {
            ClassificationKind::Ghm => Some(GradientDensity::new(config.classification.density())?),
            _ => None,
        };
        let regression = match config.regression.kind {
            RegressionKind::Ghm => Some(GradientDensity::new(config.regression.density())?),
            _ => None,
        };
        Ok(Self { config, state: CriterionState { classification, regression } })
    }

    /// The densities, to be saved.
    pub fn state(&self) -> &CriterionState {
        &self.state
    }

    /// Whether saved densities belong to losses with these settings.
    pub fn accepts(&self, state: &CriterionState) -> bool {
        let settings = |state: &CriterionState| {
            [&state.classification, &state.regression].map(|density| density.as_ref().map(|density| *density.config()))
        };
        settings(&self.state) == settings(state)
    }

    /// Goes on from saved densities, which [`Criterion::accepts`].
    pub fn restore(&mut self, state: CriterionState) {
        self.state = state;
    }

    /// The loss of a batch, times `scale` (1 over the number of accumulated batches).
    ///
    /// # Shapes
    /// `logits`: for each level `[N, A_l, C]`; `deltas`: for each level `[N, A_l, 4]`.
    pub fn forward(
        &mut self,
        logits: &[Tensor<3>],
        deltas: &[Tensor<3>],
        targets: &BatchTargets,
        scale: f32,
    ) -> Result<DetectionLoss, LossError> {
        let positives = targets.classes.iter().filter(|c| **c >= 0).count().max(1) as f32;
        let (classes, levels) = (logits.first().map_or(1, |l| l.dims()[2]), Levels::of(logits));
        let (options, density) = (&self.config.classification, &mut self.state.classification);
        let classification =
            levels.run(logits, parts(options.kind == ClassificationKind::Ghm, options.scope), |part| {
                let rows = &targets.classes[part.rows.clone()];
                let goal = Targets::ClassIndex { rows, classes };
                classify(options, density, part.values, goal, (scale, positives), part.gradient)
            })?;
        let levels = Levels::of(deltas);
        let (options, density) = (&self.config.regression, &mut self.state.regression);
        let regression = levels.run(deltas, parts(options.kind == RegressionKind::Ghm, options.scope), |part| {
            let elements = part.rows.start * 4..part.rows.end * 4;
            let goal = (&targets.deltas[elements.clone()], &targets.delta_weights[elements]);
            regress(options, density, part.values, goal, (scale, positives), part.gradient)
        })?;
        Ok(DetectionLoss {
            total: classification.tensor + regression.tensor,
            classification: classification.value,
            regression: regression.value,
        })
    }
}

fn classify(
    options: &ClassificationConfig,
    density: &mut Option<GradientDensity>,
    logits: &[f32],
    targets: Targets,
    (scale, positives): (f32, f32),
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let weight = options.weight * scale;
    match (options.kind, density) {
        (ClassificationKind::Ghm, Some(density)) => ghm_c(logits, targets, None, density, weight, gradient),
        (ClassificationKind::Focal, _) => focal(logits, targets, None, options.focal(), weight / positives, gradient),
        _ => cross_entropy(logits, targets, None, weight / positives, gradient),
    }
}

fn regress(
    options: &RegressionConfig,
    density: &mut Option<GradientDensity>,
    deltas: &[f32],
    (targets, weights): (&[f32], &[f32]),
    (scale, positives): (f32, f32),
    gradient: &mut [f32],
) -> Result<f64, LossError> {
    let (weights, weight) = (Some(weights), options.weight() * scale);
    match (options.kind, density) {
        (RegressionKind::Ghm, Some(density)) => ghm_r(deltas, targets, weights, options.mu, density, weight, gradient),
        (RegressionKind::SmoothL1, _) => {
            smooth_l1(deltas, targets, weights, options.beta, weight / positives, gradient)
        }
        _ => l1(deltas, targets, weights, weight / positives, gradient),
    }
}

/// How a loss walks over the levels.
#[derive(Clone, Copy, PartialEq)]
enum Parts {
    ByLevel,
    Whole,
}

fn parts(harmonised: bool, scope: Scope) -> Parts {
    if harmonised && scope == Scope::Level { Parts::ByLevel } else { Parts::Whole }
}

/// Rows of each level, one after the other.
struct Levels {
    rows: Vec<Range<usize>>,
    columns: usize,
}

struct Part<'a> {
    rows: Range<usize>,
    values: &'a [f32],
    gradient: &'a mut [f32],
}

struct Attached {
    tensor: Tensor<1>,
    value: f64,
}

impl Levels {
    fn of(tensors: &[Tensor<3>]) -> Self {
        let mut start = 0;
        let rows = tensors.iter().map(|tensor| {
            let [n, a, _] = tensor.dims();
            start += n * a;
            start - n * a..start
        });
        Self { rows: rows.collect(), columns: tensors.first().map_or(1, |t| t.dims()[2]) }
    }

    /// Brings all levels to the host, calls `loss` on each part, and attaches the gradients to the tensors.
    fn run(
        &self,
        tensors: &[Tensor<3>],
        parts: Parts,
        mut loss: impl FnMut(Part) -> Result<f64, LossError>,
    ) -> Result<Attached, LossError> {
        let total = self.rows.last().map_or(0, |r| r.end);
        let mut values = Vec::with_capacity(total * self.columns);
        for tensor in tensors {
            let data = tensor.clone().without_autodiff().into_data().convert::<f32>();
            values.extend_from_slice(data.as_slice::<f32>().unwrap_or(&[]));
        }
        let mut gradient = vec![0.0f32; values.len()];
        let whole = Range { start: 0, end: total };
        let runs = if parts == Parts::Whole { std::slice::from_ref(&whole) } else { &self.rows[..] };
        let mut value = 0.0;
        for rows in runs {
            let elements = rows.start * self.columns..rows.end * self.columns;
            let (values, gradient) = (&values[elements.clone()], &mut gradient[elements]);
            value += loss(Part { rows: rows.clone(), values, gradient })?;
        }
        let mut sum: Option<Tensor<1>> = None;
        for (index, (tensor, rows)) in tensors.iter().zip(&self.rows).enumerate() {
            let part = gradient[rows.start * self.columns..rows.end * self.columns].to_vec();
            let attached = attach(tensor.clone(), if index == 0 { value } else { 0.0 }, part);
            sum = Some(sum.map_or(attached.clone(), |sum| sum + attached));
        }
        let tensor = sum.unwrap_or_else(|| Tensor::zeros([1], &burn::tensor::Device::default()));
        Ok(Attached { tensor, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const CLASSES: usize = 3;
    const LEVELS: [usize; 2] = [8, 3];
    const PICTURES: usize = 2;

    struct Case {
        logits: Vec<Tensor<3>>,
        deltas: Vec<Tensor<3>>,
        classes: Vec<i32>,
        delta_targets: Vec<f32>,
        delta_weights: Vec<f32>,
    }

    fn case(seed: u64) -> Case {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let device = Device::flex().autodiff();
        let mut level = |a: usize, c: usize| {
            let values: Vec<f32> = (0..PICTURES * a * c).map(|_| rng.random_range(-3.0..3.0)).collect();
            Tensor::<3>::from_data(TensorData::new(values, [PICTURES, a, c]), &device).require_grad()
        };
        let logits = LEVELS.map(|a| level(a, CLASSES)).into();
        let deltas = LEVELS.map(|a| level(a, 4)).into();
        let rows = PICTURES * LEVELS.iter().sum::<usize>();
        let classes: Vec<i32> = (0..rows).map(|_| rng.random_range(-2..CLASSES as i32)).collect();
        let delta_targets = (0..rows * 4).map(|_| rng.random_range(-1.0..1.0)).collect();
        let delta_weights = classes.iter().flat_map(|c| [if *c >= 0 { 1.0 } else { 0.0 }; 4]).collect();
        Case { logits, deltas, classes, delta_targets, delta_weights }
    }

    fn run(case: &Case, criterion: &mut Criterion) -> (DetectionLoss, Vec<f32>, Vec<f32>) {
        let targets =
            BatchTargets { classes: &case.classes, deltas: &case.delta_targets, delta_weights: &case.delta_weights };
        let loss = criterion.forward(&case.logits, &case.deltas, &targets, 1.0).unwrap();
        let gradients = loss.total.clone().backward();
        let flat = |tensors: &[Tensor<3>]| -> Vec<f32> {
            let one = |t: &Tensor<3>| t.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
            tensors.iter().flat_map(one).collect()
        };
        let (logits, deltas) = (flat(&case.logits), flat(&case.deltas));
        (loss, logits, deltas)
    }

    fn host(tensors: &[Tensor<3>]) -> Vec<f32> {
        tensors.iter().flat_map(|t| t.clone().into_data().try_into_vec::<f32>().unwrap()).collect()
    }

    #[test]
    fn burn_gradients_equal_the_plain_ones_for_a_whole_batch() {
        let case = case(1);
        let mut config = LossConfig::default();
        (config.classification.scope, config.regression.scope) = (Scope::Batch, Scope::Batch);
        let (loss, logit_gradient, delta_gradient) = run(&case, &mut Criterion::new(config.clone()).unwrap());

        let logits = host(&case.logits);
        let mut gradient = vec![0.0; logits.len()];
        let targets = Targets::ClassIndex { rows: &case.classes, classes: CLASSES };
        let mut density = GradientDensity::new(config.classification.density()).unwrap();
        let value = ghm_c(&logits, targets, None, &mut density, 1.0, &mut gradient).unwrap();
        assert_eq!((loss.classification, logit_gradient), (value, gradient));

        let deltas = host(&case.deltas);
        let mut gradient = vec![0.0; deltas.len()];
        let mut density = GradientDensity::new(config.regression.density()).unwrap();
        let weights = Some(case.delta_weights.as_slice());
        let value = ghm_r(&deltas, &case.delta_targets, weights, 0.02, &mut density, 10.0, &mut gradient).unwrap();
        assert_eq!((loss.regression, delta_gradient), (value, gradient));
    }

    #[test]
    fn level_scope_is_one_plain_call_a_level_through_one_density() {
        let case = case(2);
        let config = LossConfig::default();
        let mut criterion = Criterion::new(config.clone()).unwrap();
        let (loss, ..) = run(&case, &mut criterion);
        let mut density = GradientDensity::new(config.classification.density()).unwrap();
        let (mut start, mut sum) = (0, 0.0);
        for (logits, a) in case.logits.iter().zip(LEVELS) {
            let rows = &case.classes[start..start + PICTURES * a];
            let logits = host(std::slice::from_ref(logits));
            let mut gradient = vec![0.0; logits.len()];
            let targets = Targets::ClassIndex { rows, classes: CLASSES };
            sum += ghm_c(&logits, targets, None, &mut density, 1.0, &mut gradient).unwrap();
            start += PICTURES * a;
        }
        assert_eq!(loss.classification, sum);
        assert_eq!(criterion.state().classification.as_ref(), Some(&density));
    }

    #[test]
    fn a_restored_criterion_goes_on_as_if_never_stopped() {
        let mut straight = Criterion::new(LossConfig::default()).unwrap();
        run(&case(3), &mut straight);
        let mut resumed = Criterion::new(LossConfig::default()).unwrap();
        resumed.restore(straight.state().clone());
        let (a, b) = (run(&case(4), &mut straight), run(&case(4), &mut resumed));
        assert_eq!((a.0.classification, a.1, a.2), (b.0.classification, b.1, b.2));
    }

    #[test]
    fn every_kind_gives_a_finite_loss_and_a_gradient_on_positives_only_for_boxes() {
        use {ClassificationKind as C, RegressionKind as R};
        for (c, r) in [(C::Focal, R::SmoothL1), (C::CrossEntropy, R::L1), (C::Ghm, R::Ghm)] {
            let mut config = LossConfig::default();
            (config.classification.kind, config.regression.kind) = (c, r);
            let case = case(5);
            let (loss, _, deltas) = run(&case, &mut Criterion::new(config).unwrap());
            assert!(loss.classification > 0.0 && loss.regression > 0.0);
            let outside = deltas.iter().zip(&case.delta_weights).filter(|(_, w)| **w == 0.0);
            assert!(outside.into_iter().all(|(g, _)| *g == 0.0));
        }
    }
}
