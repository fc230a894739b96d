//! The density by unit regions in all its modes, against a plain f64 reading of its definition.

use ghm_loss::{
    Between, DensityConfig, Ema, Examples, GradientDensity, IGNORED, Normalise, Output, Reduction, Targets, ghm_c,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CLASSES: usize = 4;

/// Errors of loss and slope are 2.4 units of 1.2e-7 at most, those of factors and products one each.
const ROUNDING: f64 = 1e-6;

/// One call's data.
struct Call {
    logits: Vec<f32>,
    targets: Vec<f32>,
    /// The same targets, where they are one class a row.
    rows: Option<Vec<i32>>,
    gates: Option<Vec<f32>>,
    mask: Option<Vec<bool>>,
    weights: Option<Vec<f32>>,
    takes_part: Vec<bool>,
}

/// What a call should give.
struct Expected {
    value: f64,
    losses: Vec<f64>,
    gradient: Vec<f64>,
    /// How far off losses and gradient may be, relative.
    tolerances: Vec<f64>,
}

fn sigmoid(x: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(x)).exp())
}

fn norm(x: f32, target: f32) -> f64 {
    (sigmoid(x) - f64::from(target)).abs()
}

/// A logit whose norm is so far from the edges that f32 and f64 agree on its bin.
fn logit(random: &mut ChaCha8Rng, target: f32, bins: usize) -> f32 {
    loop {
        let x = random.random_range(-9.0..9.0f32);
        let position = norm(x, target) * bins as f64;
        if (position - position.round()).abs() > 1e-4 {
            return x;
        }
    }
}

impl Call {
    fn random(random: &mut ChaCha8Rng, bins: usize) -> Self {
        let count = random.random_range(0..220);
        let classes = random.random_bool(0.4);
        let rows: Vec<i32> = (0..count).map(|_| random.random_range(IGNORED..CLASSES as i32)).collect();
        let targets: Vec<f32> = if classes {
            rows.iter().flat_map(|&row| (0..CLASSES as i32).map(move |class| f32::from(row == class))).collect()
        } else {
            (0..count * CLASSES)
                .map(|_| [0.0, 0.0, 1.0, random.random_range(0.0..1.0)][random.random_range(0..4usize)])
                .collect()
        };
        let mut logits: Vec<f32> = targets.iter().map(|&target| logit(random, target, bins)).collect();
        let open: Vec<bool> = (0..logits.len()).map(|_| random.random_bool(0.8)).collect();
        let mut takes_part = vec![true; logits.len()];
        if classes {
            takes_part.iter_mut().enumerate().for_each(|(at, part)| *part = rows[at / CLASSES] != IGNORED);
        }
        let (gated, masked) = (random.random_bool(0.3), random.random_bool(0.3));
        if gated || masked {
            takes_part.iter_mut().zip(&open).for_each(|(part, open)| *part &= open);
        }
        for (logit, _) in logits.iter_mut().zip(&takes_part).filter(|(_, part)| !**part) {
            *logit = f32::NAN;
        }
        let weight = |random: &mut ChaCha8Rng| [0.0, 0.2, 1.0, 3.0, -1.0, f32::NAN][random.random_range(0..6usize)];
        let weighted = random.random_bool(0.5);
        Self {
            weights: weighted.then(|| logits.iter().map(|_| weight(random)).collect()),
            // The size of a gate above 0 means nothing.
            gates: (gated && !masked).then(|| open.iter().map(|&open| if open { 0.3 } else { 0.0 }).collect()),
            mask: masked.then(|| open.iter().map(|open| !open).collect()),
            rows: classes.then_some(rows),
            logits,
            targets,
            takes_part,
        }
    }

    fn examples(&self) -> Examples<'_> {
        let targets = match &self.rows {
            Some(rows) => Targets::ClassIndex { rows, classes: CLASSES },
            None => Targets::Dense(&self.targets),
        };
        let mut examples = Examples::new(&self.logits, targets);
        if let Some(gates) = &self.gates {
            examples = examples.gated(gates);
        }
        if let Some(mask) = &self.mask {
            examples = examples.ignoring(mask);
        }
        self.weights.iter().fold(examples, |examples, weights| examples.weighted(weights))
    }
}

/// The density as the documentation has it: averages by class and bin, and how many calls they are of.
struct Reference {
    config: DensityConfig,
    averages: Vec<Vec<f64>>,
    calls: i32,
}

impl Reference {
    fn new(config: DensityConfig) -> Self {
        Self { config, averages: vec![vec![0.0; config.bins]; config.classes.unwrap_or(1)], calls: 0 }
    }

    fn class_of(&self, at: usize) -> usize {
        at % self.config.classes.unwrap_or(1)
    }

    fn take(&mut self, call: &Call, reduction: Reduction, scale: f64) -> Expected {
        let bins = self.config.bins;
        let mut counts = vec![vec![0usize; bins]; self.averages.len()];
        let length = call.logits.len();
        for at in (0..length).filter(|&at| call.takes_part[at]) {
            let bin = (norm(call.logits[at], call.targets[at]) * bins as f64) as usize;
            counts[self.class_of(at)][bin.min(bins - 1)] += 1;
        }
        self.calls += 1;
        self.average(&counts);
        let examples: usize = counts.iter().flatten().sum();
        let densities = self.densities(&counts);
        let most = self.config.cap.map_or(f64::INFINITY, |cap| cap / examples as f64);
        let scale = if reduction == Reduction::Sum { scale * examples as f64 } else { scale };
        let mut expected = Expected {
            value: 0.0,
            losses: vec![0.0; length],
            gradient: vec![0.0; length],
            tolerances: vec![ROUNDING; length],
        };
        for at in (0..length).filter(|&at| call.takes_part[at]) {
            let (x, t) = (f64::from(call.logits[at]), f64::from(call.targets[at]));
            let weight = call.weights.as_ref().map_or(1.0, |weights| f64::from(weights[at]));
            let (density, steepness) = self.at(&densities[self.class_of(at)], norm(call.logits[at], call.targets[at]));
            let factor = (1.0 / density).min(most) * scale * if weight > 0.0 { weight } else { 0.0 };
            expected.losses[at] = factor * (x.max(0.0) - x * t + (-x.abs()).exp().ln_1p());
            expected.gradient[at] = factor * (sigmoid(call.logits[at]) - t);
            expected.value += expected.losses[at];
            // A difference of nearly equal numbers, and a norm in f32 between two middles, leave what they leave.
            let lost = if t == 0.0 || t == 1.0 { 0.0 } else { 3e-7 / norm(call.logits[at], call.targets[at]) };
            expected.tolerances[at] += lost + steepness * 5e-7 / density;
        }
        expected
    }

    fn average(&mut self, counts: &[Vec<usize>]) {
        let m = self.config.momentum;
        for (average, &count) in self.averages.iter_mut().flatten().zip(counts.iter().flatten()) {
            let moved = m * *average + (1.0 - m) * count as f64;
            *average = match self.config.ema {
                _ if m == 0.0 => count as f64,
                Ema::Released if count == 0 => *average,
                _ => moved,
            };
        }
    }

    /// `S_j n` by class and bin.
    fn densities(&self, counts: &[Vec<usize>]) -> Vec<Vec<f64>> {
        let bias = if self.config.ema == Ema::Corrected { 1.0 - self.config.momentum.powi(self.calls) } else { 1.0 };
        let filled = |counts: &Vec<usize>| counts.iter().filter(|&&count| count > 0).count();
        let with_examples = counts.iter().filter(|&counts| filled(counts) > 0).count();
        let divisor = |counts: &Vec<usize>| match self.config.normalise {
            Normalise::Bins => self.config.bins * self.averages.len(),
            Normalise::Nonempty => filled(counts) * with_examples,
        };
        let of_class = |(averages, counts): (&Vec<f64>, &Vec<usize>)| {
            averages.iter().map(|average| average / bias * divisor(counts) as f64).collect()
        };
        self.averages.iter().zip(counts).map(of_class).collect()
    }

    /// The density of a norm, and its derivative there.
    fn at(&self, densities: &[f64], norm: f64) -> (f64, f64) {
        let bins = self.config.bins;
        if self.config.between == Between::Step {
            return (densities[((norm * bins as f64) as usize).min(bins - 1)], 0.0);
        }
        let position = (norm * bins as f64 - 0.5).clamp(0.0, (bins - 1) as f64);
        let (low, share) = (position as usize, position.fract());
        let (below, above) = (densities[low], densities[(low + 1).min(bins - 1)]);
        // The norm may lie a little to the other side of a middle.
        let before = densities[low.saturating_sub(1)];
        ((1.0 - share) * below + share * above, bins as f64 * (above - below).abs().max((below - before).abs()))
    }
}

fn assert_entries(found: &[f32], expected: &[f64], tolerances: &[f64], place: &str) {
    for (at, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(error <= tolerances[at] * expected.abs(), "{place}: entry {at} is {found}, expected {expected}");
    }
}

/// Five calls on one density, each with examples, reduction and scale of its own.
fn compare(config: DensityConfig, random: &mut ChaCha8Rng) {
    let (mut density, mut reference) = (GradientDensity::new(config).unwrap(), Reference::new(config));
    for call in 0..5 {
        let place = format!("call {call} of {config:?}");
        let data = Call::random(random, config.bins);
        let reduction = if random.random_bool(0.5) { Reduction::Mean } else { Reduction::Sum };
        let scale = [1.0, 0.3, 10.0][random.random_range(0..3usize)];
        let (mut gradient, mut losses) = (vec![f32::NAN; data.logits.len()], vec![f32::NAN; data.logits.len()]);
        let output = Output::to(&mut gradient).reduced(reduction).scaled(scale).each(&mut losses);
        let value = ghm_c(&data.examples(), &mut density, output).unwrap();
        let expected = reference.take(&data, reduction, f64::from(scale));
        assert_entries(&gradient, &expected.gradient, &expected.tolerances, &place);
        assert_entries(&losses, &expected.losses, &expected.tolerances, &place);
        let off: f64 = expected.losses.iter().zip(&expected.tolerances).map(|(loss, off)| loss * off).sum();
        assert!((value - expected.value).abs() <= off, "{place}: value {value}, expected {}", expected.value);
        for (found, expected) in density.counts().iter().zip(reference.averages.iter().flatten()) {
            assert!((found - expected).abs() <= 1e-14 * expected, "{place}: counts {found}, expected {expected}");
        }
    }
}

#[test]
fn every_mode_gives_the_values_losses_gradients_and_counts_of_its_definition_in_five_calls() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for ema in [Ema::Released, Ema::Paper, Ema::Corrected] {
        for normalise in [Normalise::Bins, Normalise::Nonempty] {
            for between in [Between::Step, Between::Blend] {
                for cap in [None, Some(0.5), Some(3.0)] {
                    for classes in [None, Some(CLASSES)] {
                        for (momentum, bins) in [(0.0, 30), (0.75, 1), (0.75, 5), (0.9, 30), (0.3, 300)] {
                            let config = DensityConfig { bins, momentum, normalise, ema, cap, between, classes };
                            compare(config, &mut random);
                        }
                    }
                }
            }
        }
    }
}
