//! The global L2 norm of a network's gradients, and holding them to a limit (Pascanu et al. 2013).

use burn::module::{ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::Module;
use burn::tensor::{Bool, Tensor};
use ghm_burn::Awaited;
use ghm_detector::RetinaNet;
use rayon::prelude::*;

use crate::host;

/// Elements that one thread takes at a time; their sums are added in order, so the norm is the same for any threads.
const CHUNK: usize = 1 << 14;

/// Elements summed in single precision before a sum goes on in double.
const RUN: usize = 64;

/// Scales `gradients` down so that their norm is no more than `limit`, where that is above 0, and returns the norm
/// they had.
///
/// Where they lie on a device that computes while the host goes on, nothing is waited for; gradients whose norm is not
/// finite become zeros there, as the host cannot leave the update out.
pub fn clip(network: &RetinaNet, gradients: &mut GradientsParams, limit: f64) -> Awaited {
    let mut squares = Squares { gradients, sum: 0.0, elsewhere: Vec::new() };
    network.visit(&mut squares);
    let Squares { sum, elsewhere, .. } = squares;
    if !elsewhere.is_empty() {
        return clip_elsewhere(network, gradients, limit, Tensor::cat(elsewhere, 0).sum().sqrt());
    }
    let norm = sum.sqrt();
    if limit > 0.0 && norm > limit {
        network.visit(&mut Scale { gradients, factor: (limit / norm) as f32 });
    }
    Awaited::Known(norm)
}

fn clip_elsewhere(network: &RetinaNet, gradients: &mut GradientsParams, limit: f64, norm: Tensor<1>) -> Awaited {
    let strange = norm.clone().is_finite().bool_not();
    let factor = match limit > 0.0 {
        true => (norm.clone().recip() * limit).clamp_max(1.0),
        false => norm.ones_like(),
    };
    network.visit(&mut ScaleElsewhere { gradients, factor: factor.mask_fill(strange.clone(), 0.0), strange });
    Awaited::of(norm)
}

/// Replaces the gradient of one parameter by what `change` makes of it.
fn edit<const D: usize>(
    gradients: &mut GradientsParams,
    param: &Param<Tensor<D>>,
    change: impl FnOnce(Tensor<D>) -> Tensor<D>,
) {
    if let Some(gradient) = gradients.remove::<D>(param.id) {
        gradients.register(param.id, change(gradient));
    }
}

/// Replaces a tensor of the CPU device by one of the elements that `change` leaves.
fn in_place<const D: usize>(tensor: Tensor<D>, change: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let (shape, device) = (tensor.shape(), tensor.device());
    let mut elements = host::take(tensor);
    change(&mut elements);
    host::give(elements, shape, &device)
}

struct Squares<'a> {
    gradients: &'a mut GradientsParams,
    sum: f64,
    /// Sums of gradients that are not on the host, `[1]` each.
    elsewhere: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Self { gradients, sum, elsewhere } = self;
        edit(gradients, param, |gradient| {
            if host::on_host(&gradient) {
                return in_place(gradient, |elements| *sum += square_sum(elements));
            }
            elsewhere.push(gradient.clone().square().sum());
            gradient
        });
    }
}

fn square_sum(elements: &[f32]) -> f64 {
    let of_run = |run: &[f32]| f64::from(run.iter().map(|v| v * v).sum::<f32>());
    let of_chunk = |chunk: &[f32]| chunk.chunks(RUN).map(of_run).sum::<f64>();
    elements.par_chunks(CHUNK).map(of_chunk).collect::<Vec<f64>>().into_iter().sum()
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: f32,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let factor = self.factor;
        edit(self.gradients, param, |gradient| {
            in_place(gradient, |elements| {
                elements.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|v| *v *= factor));
            })
        });
    }
}

struct ScaleElsewhere<'a> {
    gradients: &'a mut GradientsParams,
    /// `[1]`.
    factor: Tensor<1>,
    /// `[1]`: whether all become zeros.
    strange: Tensor<1, Bool>,
}

impl ModuleVisitor for ScaleElsewhere<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        edit(self.gradients, param, |gradient| {
            let strange = self.strange.clone().reshape([1; D]).expand(gradient.shape());
            let factor = self.factor.clone().reshape([1; D]);
            // NaN times 0 is NaN.
            (gradient * factor).mask_fill(strange, 0.0)
        });
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use burn::tensor::{Device, Gradients, TensorData};
    use ghm_detector::{Backbone, ModelConfig};

    /// Sums of 64 squares in single precision are up to 4e-6 off, in either direction; their sum is closer.
    const TOLERANCE: f64 = 1e-6;

    /// A network whose stem and first stage get no gradient, nor do its norms.
    pub fn network() -> RetinaNet {
        let config = ModelConfig { backbone: Backbone::Resnet18, channels: 8, head_depth: 1, ..ModelConfig::default() };
        RetinaNet::new(&config, 2, 0, &Device::flex().autodiff()).unwrap()
    }

    /// The gradients of the sum of all squared outputs, for a picture of waves that begin at `phase`.
    pub fn gradients(network: &RetinaNet, phase: f32) -> Gradients {
        let waves: Vec<f32> = (0..3 * 32 * 32).map(|i| (i as f32 * 0.7 + phase).sin()).collect();
        let picture = TensorData::new(waves, [1, 3, 32, 32]);
        let output = network.forward(Tensor::from_data(picture, &Device::flex().autodiff()));
        let squares = output.logits.into_iter().chain(output.deltas).map(|t| (t.clone() * t).sum());
        squares.reduce(|a, b| a + b).unwrap().backward()
    }

    /// The gradient of every parameter, where it has one, in the network's order.
    pub fn values(network: &RetinaNet, gradients: &GradientsParams) -> Vec<Option<Vec<f32>>> {
        let mut collect = Collect { gradients, values: Vec::new() };
        network.visit(&mut collect);
        collect.values
    }

    struct Collect<'a> {
        gradients: &'a GradientsParams,
        values: Vec<Option<Vec<f32>>>,
    }

    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.gradients.get::<D>(param.id);
            self.values.push(gradient.map(|gradient| gradient.into_data().try_into_vec().unwrap()));
        }
    }

    fn waiting(network: &RetinaNet) -> GradientsParams {
        GradientsParams::from_grads(gradients(network, 0.0), network)
    }

    /// Adds a number to every gradient.
    struct Spoil<'a> {
        gradients: &'a mut GradientsParams,
        by: f32,
    }

    impl ModuleVisitor for Spoil<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            edit(self.gradients, param, |gradient| gradient + self.by);
        }
    }

    fn norm_of(network: &RetinaNet, gradients: &mut GradientsParams, limit: f64) -> f64 {
        clip(network, gradients, limit).read().unwrap()
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= TOLERANCE * expected, "{found}, expected {expected}");
    }

    #[test]
    fn the_norm_is_that_of_all_gradients_together() {
        let network = network();
        let mut gradients = waiting(&network);
        let values = values(&network, &gradients);
        assert_eq!(values.iter().flatten().count(), gradients.len());
        let by_hand = values.iter().flatten().flatten().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        assert!(by_hand > 1.0, "{by_hand}");
        assert_near(norm_of(&network, &mut gradients, 0.0), by_hand);
    }

    #[test]
    fn clipping_scales_every_gradient_by_the_factor_that_brings_the_norm_to_the_limit() {
        let network = network();
        let mut gradients = waiting(&network);
        let before = values(&network, &gradients);
        let norm = norm_of(&network, &mut gradients, 0.0);
        let limit = norm / 4.0;
        assert_eq!(norm_of(&network, &mut gradients, limit), norm); // the norm they had
        let quarters: Vec<Option<Vec<f32>>> =
            before.into_iter().map(|g| g.map(|g| g.into_iter().map(|v| v / 4.0).collect())).collect();
        assert!(values(&network, &gradients) == quarters, "not all gradients are a quarter of what they were");
        assert_near(norm_of(&network, &mut gradients, 0.0), limit);
    }

    #[test]
    fn without_a_limit_or_below_it_every_gradient_stays_as_it_is() {
        let network = network();
        let mut gradients = waiting(&network);
        let before = values(&network, &gradients);
        let norm = norm_of(&network, &mut gradients, 0.0);
        for limit in [norm, 2.0 * norm] {
            clip(&network, &mut gradients, limit);
        }
        assert!(values(&network, &gradients) == before, "a gradient was changed");
    }

    #[test]
    fn a_norm_that_is_not_a_number_is_told() {
        let network = network();
        let nan = TensorData::new(vec![f32::NAN; 3 * 32 * 32], [1, 3, 32, 32]);
        let output = network.forward(Tensor::from_data(nan, &Device::flex().autodiff()));
        let gradients = output.logits[0].clone().sum().backward();
        let mut gradients = GradientsParams::from_grads(gradients, &network);
        assert!(norm_of(&network, &mut gradients, 1.0).is_nan());
    }

    #[test]
    fn elsewhere_clipping_does_the_same_and_gradients_that_are_not_finite_become_zeros() {
        let network = network();
        let all = |gradients: &GradientsParams| values(&network, gradients).into_iter().flatten().flatten();
        let mut here = waiting(&network);
        let norm = norm_of(&network, &mut here, 0.0);
        for limit in [0.0, norm / 4.0, 2.0 * norm] {
            let [mut here, mut elsewhere] = [(); 2].map(|()| waiting(&network));
            let clipped = norm_of(&network, &mut here, limit);
            let device_norm = Tensor::<1>::from_floats([clipped as f32], &Device::flex());
            clip_elsewhere(&network, &mut elsewhere, limit, device_norm);
            for (found, expected) in all(&elsewhere).zip(all(&here)) {
                assert!((found - expected).abs() <= 1e-6 * expected.abs(), "{found}, expected {expected}");
            }
        }
        for strange in [f32::NAN, f32::INFINITY] {
            let mut lost = waiting(&network);
            network.visit(&mut Spoil { gradients: &mut lost, by: strange });
            assert!(all(&lost).any(|value| !value.is_finite()));
            clip_elsewhere(&network, &mut lost, 1.0, Tensor::from_floats([strange], &Device::flex()));
            assert!(all(&lost).count() > 1000 && all(&lost).all(|value| value == 0.0));
        }
    }

    #[test]
    fn the_sum_of_squares_is_the_same_for_any_number_of_threads() {
        let elements: Vec<f32> = (0..5 * CHUNK + 77).map(|i| (i as f32).sin()).collect();
        let sums = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| square_sum(&elements))
        });
        assert_eq!(sums[0], sums[1]);
        assert_near(sums[0], elements.iter().map(|v| f64::from(*v).powi(2)).sum());
    }
}
