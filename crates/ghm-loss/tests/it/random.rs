//! A thousand random cases of the released losses, ten calls each, in double precision.

use ghm_loss::{Ema, Examples, GradientDensity, LossError, Normalise, Output, Targets, ghm_c, ghm_r};
use serde::Deserialize;

use crate::fixture::{Fixture, density};

#[derive(Debug, Deserialize)]
struct Case {
    #[serde(flatten)]
    loss: Kind,
    bins: usize,
    momentum: f64,
    scale: f32,
    width: usize,
    /// Rows of each call.
    rows: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "loss", rename_all = "snake_case")]
enum Kind {
    GhmC,
    GhmR { mu: f32 },
}

impl Case {
    /// The largest factor of any bin, which what the reference rounds is multiplied by.
    fn top(&self) -> f64 {
        f64::from(self.scale) / (1.0 - self.momentum)
    }

    fn run(&self, examples: &Examples, density: &mut GradientDensity, gradient: &mut [f32]) -> Result<f64, LossError> {
        let output = Output::to(gradient).scaled(self.scale);
        match self.loss {
            Kind::GhmC => ghm_c(examples, density, output),
            Kind::GhmR { mu } => ghm_r(examples, mu, density, output),
        }
    }
}

/// What lies at `at` of each of the flat tensors.
struct Tensors {
    inputs: Vec<f32>,
    targets: Vec<f32>,
    weights: Vec<f32>,
    gradients: Vec<f32>,
    values: Vec<f64>,
}

#[test]
fn a_thousand_random_cases_have_the_values_and_gradients_of_the_released_code_in_ten_calls_each() {
    let fixture = Fixture::open("random.safetensors");
    let flat = |name: &str| fixture.flat_f32s(name);
    let tensors = Tensors {
        inputs: flat("inputs"),
        targets: flat("targets"),
        weights: flat("weights"),
        gradients: flat("gradients"),
        values: fixture.flat_f64s("values"),
    };
    let cases: Vec<Case> = fixture.cases();
    let (mut start, mut call) = (0, 0);
    for (index, case) in cases.iter().enumerate() {
        let mut density = density(case.bins, case.momentum, Normalise::Nonempty, Ema::Released);
        for rows in &case.rows {
            let at = start..start + rows * case.width;
            let examples = Examples::new(&tensors.inputs[at.clone()], Targets::Dense(&tensors.targets[at.clone()]));
            let mut gradient = vec![f32::MAX; at.len()];
            let value = case.run(&examples.gated(&tensors.weights[at.clone()]), &mut density, &mut gradient).unwrap();
            let place = format!("case {index}, call {call}: {case:?}");
            assert_call(case, (value, &gradient), (tensors.values[call], &tensors.gradients[at]), &place);
            (start, call) = (start + gradient.len(), call + 1);
        }
    }
    assert_eq!((cases.len(), call, start), (1_000, 10_000, tensors.inputs.len()));
}

/// The reference divides by `tot + 1.2e-7`, is rounded to f32 in its gradients, and has f64's rounding of `sigmoid(x) - 1`,
/// and of the sum of a hundred such cross entropies.
fn assert_call(case: &Case, found: (f64, &[f32]), expected: (f64, &[f32]), place: &str) {
    let (value, tolerance) = (expected.0, 1e-6 * expected.0.abs() + 1e-14 * case.top());
    assert!((found.0 - value).abs() <= tolerance, "{place}: value {}, expected {value}", found.0);
    for (at, (&entry, &expected)) in found.1.iter().zip(expected.1).enumerate() {
        let error = (f64::from(entry) - f64::from(expected)).abs();
        let tolerance = 1e-5 * f64::from(expected.abs()) + 1.2e-16 * case.top();
        assert!(error <= tolerance, "{place}: gradient[{at}] is {entry}, expected {expected}");
    }
}
