//! One update: gradients accumulated, clipped by their global norm, applied.

use burn::module::ParamGroup;
use burn::optim::{GradientsAccumulator, GradientsParams, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Bytes, Device, Gradients, Tensor};
use ghm_burn::Awaited;
use ghm_detector::RetinaNet;
use replace_with::replace_with_or_abort;

use crate::adamw::OnePassAdamW;
use crate::gradient_norm::clip;
use crate::recipe::{OptimiserConfig, OptimiserKind};
use crate::sgd::OnePassSgd;

/// The update rule with its state.
pub struct Optimiser {
    rule: ModuleOptimizer,
    clip_norm: f64,
    accumulated: GradientsAccumulator<RetinaNet>,
}

impl Optimiser {
    /// A rule without history.
    pub fn new(config: &OptimiserConfig) -> Self {
        let rule = match config.kind {
            OptimiserKind::Sgd => {
                let (momentum, weight_decay) = (config.momentum as f32, config.weight_decay as f32);
                by_part(OnePassSgd { momentum, weight_decay }, config.backbone_factor)
            }
            OptimiserKind::Adamw => by_part(OnePassAdamW::new(config.weight_decay), config.backbone_factor),
        };
        Self { rule, clip_norm: config.clip_norm, accumulated: GradientsAccumulator::new() }
    }

    /// Adds the gradients of one batch to those that wait.
    pub fn accumulate(&mut self, network: &RetinaNet, gradients: Gradients) {
        self.accumulated.accumulate(network, GradientsParams::from_grads(gradients, network));
    }

    /// The L2 norm of all waiting gradients together, and the gradients, no longer than the limit.
    pub fn clipped(&mut self, network: &RetinaNet) -> (Awaited, GradientsParams) {
        let mut gradients = self.accumulated.grads();
        (clip(network, &mut gradients, self.clip_norm), gradients)
    }

    /// Applies gradients; the parameters change where they lie, without a copy.
    pub fn update(&mut self, network: &mut RetinaNet, gradients: GradientsParams, learning_rate: f64) {
        replace_with_or_abort(network, |network| self.rule.step(learning_rate, network, gradients));
    }

    /// The history, to be saved.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        self.rule.into_bytes().map(|bytes| bytes.to_vec()).map_err(|e| e.to_string())
    }

    /// A rule that goes on from a saved history.
    pub fn restored(self, bytes: Vec<u8>) -> Result<Self, String> {
        let rule = self.rule.from_bytes(Bytes::from_bytes_vec(bytes)).map_err(|e| e.to_string())?;
        Ok(Self { rule, ..self })
    }
}

/// A rule for the whole network, at another rate in the backbone.
fn by_part(rule: impl Optimizer, backbone_factor: f64) -> ModuleOptimizer {
    let whole = ModuleOptimizer::from(rule.clone());
    whole.with_group(ParamGroup::from_predicate("backbone"), Scaled { rule, factor: backbone_factor }, None)
}

/// A rule at a multiple of the learning rate.
#[derive(Clone)]
struct Scaled<R> {
    rule: R,
    factor: f64,
}

impl<R: Optimizer> Optimizer for Scaled<R> {
    type State<const D: usize> = R::State<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        self.rule.step(rate * self.factor, tensor, gradient, state)
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        R::to_device(state, device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient_norm::tests::{gradients, network, values};
    use ghm_detector::names::named_tensors;

    const RATE: f64 = 1e-3;

    /// A rule without momentum, weight decay and limit.
    fn plain(kind: OptimiserKind) -> OptimiserConfig {
        let (momentum, weight_decay, clip_norm) = (0.0, 0.0, 0.0);
        OptimiserConfig { kind, momentum, weight_decay, clip_norm, ..OptimiserConfig::default() }
    }

    /// Updates `network` by gradients taken at `start`, and returns those.
    fn update(
        optimiser: &mut Optimiser,
        network: &mut RetinaNet,
        start: &RetinaNet,
        phase: f32,
    ) -> Vec<Option<Vec<f32>>> {
        optimiser.accumulate(start, gradients(start, phase));
        let (_, clipped) = optimiser.clipped(start);
        let taken = values(start, &clipped);
        optimiser.update(network, clipped, RATE);
        taken
    }

    fn parameters(network: &RetinaNet) -> Vec<Vec<f32>> {
        named_tensors(network).into_iter().map(|tensor| tensor.values).collect()
    }

    /// Expects that two updates took `moved(parameter, gradients)` off every parameter that has gradients, and left
    /// the others alone.
    fn assert_two_updates_move(config: &OptimiserConfig, moved: impl Fn(f64, [f64; 2]) -> f64) {
        let start = network();
        let (mut optimiser, mut network) = (Optimiser::new(config), start.clone());
        let [first, second] = [0.0, 1.0].map(|phase| update(&mut optimiser, &mut network, &start, phase));
        let mut furthest = 0.0f64;
        let parameters = parameters(&start).into_iter().zip(parameters(&network));
        for ((before, after), gradients) in parameters.zip(first.iter().zip(&second)) {
            let (Some(first), Some(second)) = gradients else {
                assert!(before == after, "a parameter without gradients moved");
                continue;
            };
            for ((before, after), gradients) in before.iter().zip(after).zip(first.iter().zip(second)) {
                let (before, after) = (f64::from(*before), f64::from(after));
                let gradients = [f64::from(*gradients.0), f64::from(*gradients.1)];
                let expected = before - moved(before, gradients);
                // A few roundings of single precision, 6e-8 of each term.
                let terms = before.abs() + RATE * (gradients[0].abs() + gradients[1].abs());
                let tolerance = 1e-6 * terms + f64::from(f32::MIN_POSITIVE);
                assert!((after - expected).abs() <= tolerance, "{before} went to {after}, expected {expected}");
                furthest = furthest.max((after - before).abs());
            }
        }
        assert!(furthest > 1e-2, "no parameter moved further than {furthest}");
    }

    #[test]
    fn sgd_moves_against_the_gradient_by_the_learning_rate() {
        assert_two_updates_move(&plain(OptimiserKind::Sgd), |_, [first, second]| RATE * (first + second));
    }

    #[test]
    fn momentum_carries_the_earlier_gradient_on_undamped() {
        let config = OptimiserConfig { momentum: 0.9, ..plain(OptimiserKind::Sgd) };
        assert_two_updates_move(&config, |_, [first, second]| RATE * first + RATE * (0.9 * first + second));
    }

    #[test]
    fn weight_decay_of_sgd_is_added_to_the_gradient() {
        let decay = 0.5;
        let config = OptimiserConfig { weight_decay: decay, ..plain(OptimiserKind::Sgd) };
        assert_two_updates_move(&config, |parameter, [first, second]| {
            let step = RATE * (first + decay * parameter);
            step + RATE * (second + decay * (parameter - step))
        });
    }

    #[test]
    fn the_backbone_learns_at_its_own_rate() {
        for kind in [OptimiserKind::Sgd, OptimiserKind::Adamw] {
            let start = network();
            let moved = |backbone_factor| -> Vec<(String, f64)> {
                let (mut optimiser, mut network) =
                    (Optimiser::new(&OptimiserConfig { backbone_factor, ..plain(kind) }), start.clone());
                update(&mut optimiser, &mut network, &start, 0.0);
                let tensors = named_tensors(&start).into_iter().zip(parameters(&network));
                let distance = |before: &[f32], after: &[f32]| {
                    before.iter().zip(after).map(|(b, a)| f64::from(b - a).powi(2)).sum::<f64>().sqrt()
                };
                tensors.map(|(before, after)| (before.name, distance(&before.values, &after))).collect()
            };
            let mut smaller = 0;
            for ((name, whole), (_, tenth)) in moved(1.0).into_iter().zip(moved(0.1)) {
                let expected = if name.starts_with("backbone.") { 0.1 * whole } else { whole };
                // Parameters near 1 keep seven digits, of which a step of 1e-4 leaves three.
                assert!((tenth - expected).abs() <= 0.02 * expected, "{kind:?} {name}: {tenth}, expected {expected}");
                smaller += usize::from(whole > 0.0 && name.starts_with("backbone."));
            }
            assert!(smaller > 10, "{kind:?}: only {smaller} tensors of the backbone moved");
        }
    }

    #[test]
    fn the_gradients_of_two_batches_are_added() {
        let network = network();
        let mut optimiser = Optimiser::new(&plain(OptimiserKind::Sgd));
        let mut summed = |phases: &[f32]| -> Vec<f32> {
            phases.iter().for_each(|phase| optimiser.accumulate(&network, gradients(&network, *phase)));
            let (_, clipped) = optimiser.clipped(&network); // none of these wait for the next call
            values(&network, &clipped).into_iter().flatten().flatten().collect()
        };
        let (first, second, both) = (summed(&[0.0]), summed(&[1.0]), summed(&[0.0, 1.0]));
        assert!(first != second && first.len() == second.len());
        let sums: Vec<f32> = first.iter().zip(&second).map(|(a, b)| a + b).collect();
        assert!(both == sums, "not the sums");
    }

    #[test]
    fn gradients_are_clipped_by_the_limit_of_the_recipe() {
        let network = network();
        let mut optimiser = Optimiser::new(&OptimiserConfig { clip_norm: 0.5, ..plain(OptimiserKind::Sgd) });
        optimiser.accumulate(&network, gradients(&network, 0.0));
        let (norm, mut clipped) = optimiser.clipped(&network);
        let norm = norm.read().unwrap();
        assert!(norm > 1.0, "{norm}");
        assert!((clip(&network, &mut clipped, 0.0).read().unwrap() - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_restored_history_gives_the_same_next_update_bit_for_bit() {
        let start = network();
        let momentum = OptimiserConfig { momentum: 0.9, ..plain(OptimiserKind::Sgd) };
        let adamw = OptimiserConfig { weight_decay: 0.05, ..plain(OptimiserKind::Adamw) };
        for config in [momentum, adamw] {
            let (mut straight, mut network) = (Optimiser::new(&config), start.clone());
            update(&mut straight, &mut network, &start, 0.0);
            let mut restored = Optimiser::new(&config).restored(straight.to_bytes().unwrap()).unwrap();
            let mut forgetful = Optimiser::new(&config);
            let [straight, restored, forgetful] = [&mut straight, &mut restored, &mut forgetful].map(|optimiser| {
                let mut network = network.clone();
                update(optimiser, &mut network, &start, 1.0);
                parameters(&network)
            });
            assert!(restored == straight, "{:?} goes on otherwise", config.kind);
            assert!(forgetful != straight, "{:?} has no history", config.kind);
        }
    }
}
