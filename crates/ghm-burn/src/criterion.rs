//! The two losses of a detector over a batch, with their densities.

use burn::tensor::Tensor;
use ghm_boxes::DeltaCoder;
use ghm_loss::{GradientDensity, LossConfig, LossError};
use serde::{Deserialize, Serialize};

use crate::awaited::Awaited;
use crate::boxes;
use crate::config::{CriterionConfig, Scope};
use crate::levels::{Goal, LevelCounts, LevelLoss, LevelWeights, Prepared, Walk};
use crate::state::Held;

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
    pub classification: Awaited,
    /// Regression loss, weight included.
    pub regression: Awaited,
}

/// What a checkpoint keeps of a criterion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriterionState {
    /// GHM-C's density, where GHM-C is the loss.
    pub classification: Option<GradientDensity>,
    /// GHM-R's density, where GHM-R is the loss.
    pub regression: Option<GradientDensity>,
}

/// The counts of one batch, or of several: what the densities take in before any of them can be harmonised.
#[derive(Clone, Debug, Default)]
pub struct BatchCounts {
    classification: LevelCounts,
    regression: LevelCounts,
}

/// What the densities made of the counts: the weights of the batches that were counted.
#[derive(Clone, Debug)]
pub struct BatchWeights {
    classification: LevelWeights,
    regression: LevelWeights,
}

/// Both losses with their state.
///
/// With the feature `wgpu` or `cuda` the losses of a GPU's tensors are computed there, if `ghm_gpu::has_kernel`
/// says so: densities stay on it, values are [`Awaited`], and nothing waits. Other losses bring logits and offsets to the host.
#[derive(Clone, Debug)]
pub struct Criterion {
    config: CriterionConfig,
    coder: DeltaCoder,
    classification: Option<Held>,
    regression: Option<Held>,
}

/// A batch as both losses take it.
struct Batch<'a> {
    classification: (LevelLoss, Prepared<'a>),
    regression: (LevelLoss, Prepared<'a>),
}

impl BatchCounts {
    /// Adds the counts of another batch.
    ///
    /// # Errors
    /// [`LossError::Length`] where it has other levels or bins.
    pub fn merge(&mut self, other: &Self) -> Result<(), LossError> {
        self.classification.merge(&other.classification)?;
        self.regression.merge(&other.regression)
    }
}

impl Criterion {
    /// Losses with fresh densities for `classes` classes; refuses options out of range.
    pub fn new(config: CriterionConfig, classes: usize) -> Result<Self, LossError> {
        let density = |loss: LossConfig| loss.density().map(|d| GradientDensity::new(*d)).transpose();
        let classification = density(config.classification.loss(classes))?;
        let regression = density(config.regression.loss())?;
        let (classification, regression) = (classification.map(Held::new), regression.map(Held::new));
        Ok(Self { config, coder: DeltaCoder::default(), classification, regression })
    }

    /// The same for offsets that are coded like this: losses that look at the boxes have to know.
    pub fn coded(self, coder: DeltaCoder) -> Self {
        Self { coder, ..self }
    }

    /// The densities, to be saved; the host waits for a GPU that has them.
    ///
    /// # Errors
    /// [`LossError::Device`] where that GPU fails.
    pub fn state(&self) -> Result<CriterionState, LossError> {
        let current = |held: &Option<Held>| held.as_ref().map(Held::current).transpose();
        Ok(CriterionState { classification: current(&self.classification)?, regression: current(&self.regression)? })
    }

    /// Whether saved densities belong to losses with these settings.
    pub fn accepts(&self, state: &CriterionState) -> bool {
        let own = [&self.classification, &self.regression].map(|held| held.as_ref().map(|held| *held.config()));
        let saved = [&state.classification, &state.regression].map(|density| density.as_ref().map(|d| *d.config()));
        own == saved
    }

    /// Goes on from saved densities, which [`Criterion::accepts`].
    pub fn restore(&mut self, state: CriterionState) {
        (self.classification, self.regression) = (state.classification.map(Held::new), state.regression.map(Held::new));
    }

    /// Whether a loss has to count all batches of an update before it can weigh the first.
    pub fn counts_first(&self) -> bool {
        self.classification.is_some() || self.regression.is_some()
    }

    /// The loss of a batch, times `scale`.
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
        let batch = self.prepare(logits, deltas, targets, scale)?;
        let counts = self.counts_of(&batch)?;
        let weights = self.take_in(&counts)?;
        batch.run(&weights)
    }

    /// The counts of a batch, to be merged with those of the other batches of an update.
    ///
    /// # Shapes
    /// As [`Criterion::forward`].
    pub fn count(
        &mut self,
        logits: &[Tensor<3>],
        deltas: &[Tensor<3>],
        targets: &BatchTargets,
    ) -> Result<BatchCounts, LossError> {
        let batch = self.prepare(logits, deltas, targets, 1.0)?;
        self.counts_of(&batch)
    }

    fn counts_of(&mut self, batch: &Batch) -> Result<BatchCounts, LossError> {
        let count =
            |(loss, prepared): &(LevelLoss, Prepared), held: &mut Option<Held>| loss.count(prepared, held.as_mut());
        Ok(BatchCounts {
            classification: count(&batch.classification, &mut self.classification)?,
            regression: count(&batch.regression, &mut self.regression)?,
        })
    }

    /// Takes the counts of all batches of an update into the densities.
    pub fn take_in(&mut self, counts: &BatchCounts) -> Result<BatchWeights, LossError> {
        Ok(BatchWeights {
            classification: counts.classification.taken_in(self.classification.as_mut())?,
            regression: counts.regression.taken_in(self.regression.as_mut())?,
        })
    }

    /// The loss of one of the batches that were counted. Harmonised losses are its part of the mean over all of them; the
    /// others, which are means over this batch's positives, are multiplied by `scale`.
    ///
    /// # Shapes
    /// As [`Criterion::forward`].
    pub fn apply(
        &self,
        logits: &[Tensor<3>],
        deltas: &[Tensor<3>],
        targets: &BatchTargets,
        weights: &BatchWeights,
        scale: f32,
    ) -> Result<DetectionLoss, LossError> {
        self.prepare(logits, deltas, targets, scale)?.run(weights)
    }

    fn prepare<'a>(
        &self,
        logits: &'a [Tensor<3>],
        deltas: &'a [Tensor<3>],
        targets: &BatchTargets<'a>,
        scale: f32,
    ) -> Result<Batch<'a>, LossError> {
        let positives = targets.classes.iter().filter(|c| **c >= 0).count().max(1) as f32;
        let (classification, regression) = self.losses(logits, scale, positives);
        let goal = match classification.loss {
            LossConfig::QualityFocal(_) | LossConfig::Varifocal(_) => {
                boxes::quality_goal(targets, width_of(logits), deltas, &self.coder)?
            }
            _ => classes_of(targets, logits),
        };
        let logits = classification.prepare(logits, goal)?;
        let deltas = regression.prepare(deltas, deltas_of(targets))?;
        Ok(Batch { classification: (classification, logits), regression: (regression, deltas) })
    }

    fn losses(&self, logits: &[Tensor<3>], scale: f32, positives: f32) -> (LevelLoss, LevelLoss) {
        let (c, r) = (&self.config.classification, &self.config.regression);
        let level_loss = |loss: LossConfig, weight: f32, scope: Scope| {
            // What is harmonised is a mean already.
            let harmonised = matches!(
                loss,
                LossConfig::GhmC(_) | LossConfig::GhmCExact(_) | LossConfig::GhmR { .. } | LossConfig::GhmRExact { .. }
            );
            let walk = Walk::of(&loss, scope);
            let counted = loss.density().is_some();
            let scale = if counted { weight } else { weight * scale };
            let divisor = if harmonised { 1.0 } else { positives };
            LevelLoss { loss, walk, harmonised, scale: scale / divisor, coder: self.coder }
        };
        (level_loss(c.loss(width_of(logits)), c.weight, c.scope), level_loss(r.loss(), r.weight(), r.scope))
    }
}

impl Batch<'_> {
    fn run(self, weights: &BatchWeights) -> Result<DetectionLoss, LossError> {
        let (loss, logits) = self.classification;
        let classification = loss.run(logits, &weights.classification)?;
        let (loss, deltas) = self.regression;
        let regression = loss.run(deltas, &weights.regression)?;
        Ok(DetectionLoss {
            total: classification.tensor + regression.tensor,
            classification: classification.value,
            regression: regression.value,
        })
    }
}

fn classes_of<'a>(targets: &BatchTargets<'a>, logits: &[Tensor<3>]) -> Goal<'a> {
    Goal::Classes { rows: targets.classes, classes: width_of(logits) }
}

fn width_of(logits: &[Tensor<3>]) -> usize {
    logits.first().map_or(1, |level| level.dims()[2])
}

fn deltas_of<'a>(targets: &BatchTargets<'a>) -> Goal<'a> {
    Goal::Dense { targets: targets.deltas.into(), gates: targets.delta_weights.into(), width: 4 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ClassificationKind, RegressionKind};
    use burn::tensor::{Device, TensorData};
    use ghm_loss::{Examples, Output, Targets};
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

    /// Both values.
    struct Values {
        classification: f64,
        regression: f64,
    }

    fn values(loss: DetectionLoss) -> Values {
        let [classification, regression] = [loss.classification, loss.regression].map(|value| value.read().unwrap());
        Values { classification, regression }
    }

    fn run(case: &Case, criterion: &mut Criterion) -> (Values, Vec<f32>, Vec<f32>) {
        let loss = criterion.forward(&case.logits, &case.deltas, &case.targets(), 1.0).unwrap();
        let (logits, deltas) = gradients(case, &loss);
        (values(loss), logits, deltas)
    }

    impl Case {
        fn targets(&self) -> BatchTargets<'_> {
            BatchTargets { classes: &self.classes, deltas: &self.delta_targets, delta_weights: &self.delta_weights }
        }
    }

    fn gradients(case: &Case, loss: &DetectionLoss) -> (Vec<f32>, Vec<f32>) {
        let gradients = loss.total.clone().backward();
        let flat = |tensors: &[Tensor<3>]| -> Vec<f32> {
            let one = |t: &Tensor<3>| t.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
            tensors.iter().flat_map(one).collect()
        };
        (flat(&case.logits), flat(&case.deltas))
    }

    /// Level after level, of each the entries of both batches, rows of `width`.
    fn interleaved<T: Clone>(first: &[T], second: &[T], width: usize) -> Vec<T> {
        let (mut start, mut all) = (0, Vec::new());
        for a in LEVELS {
            let level = start..start + PICTURES * a * width;
            all.extend_from_slice(&first[level.clone()]);
            all.extend_from_slice(&second[level.clone()]);
            start = level.end;
        }
        all
    }

    /// Both batches as one.
    fn joined([first, second]: &[Case; 2]) -> Case {
        let level = |(a, b): (&Tensor<3>, &Tensor<3>)| {
            Tensor::cat(vec![a.clone().inner(), b.clone().inner()], 0).autodiff().require_grad()
        };
        Case {
            logits: first.logits.iter().zip(&second.logits).map(level).collect(),
            deltas: first.deltas.iter().zip(&second.deltas).map(level).collect(),
            classes: interleaved(&first.classes, &second.classes, 1),
            delta_targets: interleaved(&first.delta_targets, &second.delta_targets, 4),
            delta_weights: interleaved(&first.delta_weights, &second.delta_weights, 4),
        }
    }

    fn host(tensors: &[Tensor<3>]) -> Vec<f32> {
        tensors.iter().flat_map(|t| t.clone().into_data().try_into_vec::<f32>().unwrap()).collect()
    }

    /// GHM-C of rows, and GHM-R of offsets with gates, in one plain call each.
    fn plain(case: &Case, config: &CriterionConfig) -> [(f64, Vec<f32>); 2] {
        let (logits, deltas) = (host(&case.logits), host(&case.deltas));
        let rows = Targets::ClassIndex { rows: &case.classes, classes: CLASSES };
        let offsets = Targets::Dense(&case.delta_targets);
        let run = |loss: LossConfig, examples: Examples, length: usize, weight: f32| {
            let mut gradient = vec![0.0; length];
            let value = loss.init().unwrap().forward(&examples, Output::to(&mut gradient).scaled(weight)).unwrap();
            (value, gradient)
        };
        let offsets = Examples::new(&deltas[..], offsets).gated(&case.delta_weights);
        [
            run(
                config.classification.loss(CLASSES),
                Examples::new(&logits[..], rows),
                logits.len(),
                config.classification.weight,
            ),
            run(config.regression.loss(), offsets, deltas.len(), config.regression.weight()),
        ]
    }

    #[test]
    fn burn_gradients_equal_the_plain_ones_for_a_whole_batch() {
        let case = case(1);
        let mut config = CriterionConfig::default();
        (config.classification.scope, config.regression.scope) = (Scope::Batch, Scope::Batch);
        let (loss, logits, deltas) = run(&case, &mut Criterion::new(config.clone(), CLASSES).unwrap());
        let [classification, regression] = plain(&case, &config);
        assert!(logits == classification.1 && deltas == regression.1);
        // Values are sums over levels, joined in another order.
        // Sums begin elsewhere in each level, and four terms are added up in f32 first.
        assert!((loss.classification - classification.0).abs() <= 1e-8 * classification.0);
        assert!((loss.regression - regression.0).abs() <= 1e-8 * regression.0);
    }

    #[test]
    fn losses_that_compare_all_elements_are_one_plain_call_over_all_levels() {
        for (c, r) in [
            (ClassificationKind::GhmExact, RegressionKind::GhmExact),
            (ClassificationKind::Ghm, RegressionKind::GhmExact),
        ] {
            let case = case(7);
            let mut config = CriterionConfig::default();
            (config.classification.scope, config.regression.scope) = (Scope::Batch, Scope::Batch);
            (config.classification.kind, config.regression.kind) = (c, r);
            let (_, logits, deltas) = run(&case, &mut Criterion::new(config.clone(), CLASSES).unwrap());
            let [classification, regression] = plain(&case, &config);
            assert!(logits == classification.1 && deltas == regression.1);
        }
    }

    #[test]
    fn level_scope_is_one_plain_call_a_level_through_one_density() {
        let case = case(2);
        let config = CriterionConfig::default();
        let mut criterion = Criterion::new(config.clone(), CLASSES).unwrap();
        let (loss, ..) = run(&case, &mut criterion);
        let mut plain = config.classification.loss(CLASSES).init().unwrap();
        let (mut start, mut sum) = (0, 0.0);
        for (logits, a) in case.logits.iter().zip(LEVELS) {
            let rows = &case.classes[start..start + PICTURES * a];
            let logits = host(std::slice::from_ref(logits));
            let mut gradient = vec![0.0; logits.len()];
            let targets = Targets::ClassIndex { rows, classes: CLASSES };
            sum += plain.forward(&Examples::new(&logits[..], targets), &mut gradient).unwrap();
            start += PICTURES * a;
        }
        assert_eq!(loss.classification, sum);
        assert_eq!(criterion.state().unwrap().classification.as_ref(), plain.density());
    }

    #[test]
    fn batches_counted_first_have_the_gradients_of_one_large_batch() {
        for scope in [Scope::Level, Scope::Batch] {
            let mut config = CriterionConfig::default();
            (config.classification.scope, config.regression.scope) = (scope, scope);
            let cases = [case(8), case(9)];
            let mut one_by_one = Criterion::new(config.clone(), CLASSES).unwrap();
            let mut counts = BatchCounts::default();
            for case in &cases {
                counts.merge(&one_by_one.count(&case.logits, &case.deltas, &case.targets()).unwrap()).unwrap();
            }
            let weights = one_by_one.take_in(&counts).unwrap();
            let parts = cases.each_ref().map(|case| {
                let loss = one_by_one.apply(&case.logits, &case.deltas, &case.targets(), &weights, 0.5).unwrap();
                let gradients = gradients(case, &loss);
                (values(loss).classification, gradients)
            });

            let whole = joined(&cases);
            let mut at_once = Criterion::new(config, CLASSES).unwrap();
            let loss = at_once.forward(&whole.logits, &whole.deltas, &whole.targets(), 1.0).unwrap();
            let (logits, deltas) = gradients(&whole, &loss);
            assert_eq!(one_by_one.state().unwrap(), at_once.state().unwrap());
            let value: f64 = parts.iter().map(|part| part.0).sum();
            assert!((value - values(loss).classification).abs() <= 1e-8 * value);
            let [first, second] = parts.map(|part| part.1);
            assert!(interleaved(&first.0, &second.0, CLASSES) == logits);
            assert!(interleaved(&first.1, &second.1, 4) == deltas);
        }
    }

    #[test]
    fn a_restored_criterion_goes_on_as_if_never_stopped() {
        let mut straight = Criterion::new(CriterionConfig::default(), CLASSES).unwrap();
        run(&case(3), &mut straight);
        let mut resumed = Criterion::new(CriterionConfig::default(), CLASSES).unwrap();
        resumed.restore(straight.state().unwrap());
        let (a, b) = (run(&case(4), &mut straight), run(&case(4), &mut resumed));
        assert_eq!((a.0.classification, a.1, a.2), (b.0.classification, b.1, b.2));
    }

    #[test]
    fn every_kind_gives_a_finite_loss_and_a_gradient_on_positives_only_for_boxes() {
        use {ClassificationKind as C, RegressionKind as R};
        for (c, r) in [
            (C::Focal, R::SmoothL1),
            (C::CrossEntropy, R::L1),
            (C::Ghm, R::Ghm),
            (C::GhmExact, R::GhmExact),
            (C::BalancedCrossEntropy, R::BalancedL1),
            (C::Ohem, R::Asl1),
            (C::QualityFocal, R::Giou),
            (C::Varifocal, R::Giou),
        ] {
            for scope in [Scope::Level, Scope::Batch] {
                let mut config = CriterionConfig::default();
                (config.classification.kind, config.regression.kind) = (c, r);
                (config.classification.scope, config.regression.scope) = (scope, scope);
                config.classification.per_class = true;
                let case = case(5);
                let (loss, _, deltas) = run(&case, &mut Criterion::new(config, CLASSES).unwrap());
                assert!(loss.classification > 0.0 && loss.regression > 0.0);
                assert!(loss.classification.is_finite() && loss.regression.is_finite());
                let outside = deltas.iter().zip(&case.delta_weights).filter(|(_, w)| **w == 0.0);
                assert!(outside.into_iter().all(|(g, _)| *g == 0.0));
            }
        }
    }
}
