//! Losses that look at the boxes which offsets make.

use burn::tensor::{Device, Tensor, TensorData};
use ghm_boxes::{Bbox, DeltaCoder};
use ghm_burn::{BatchTargets, ClassificationKind, Criterion, CriterionConfig, DetectionLoss, RegressionKind, Scope};
use ghm_loss::{Examples, LossConfig, Output, Reduction, Targets};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CLASSES: usize = 3;
const LEVELS: [usize; 2] = [7, 4];
const PICTURES: usize = 2;
const ROWS: usize = PICTURES * (LEVELS[0] + LEVELS[1]);
const CODER: DeltaCoder = DeltaCoder { std: [0.5, 0.4, 0.8, 0.7] };

struct Case {
    logits: Vec<f32>,
    deltas: Vec<f32>,
    classes: Vec<i32>,
    targets: Vec<f32>,
    gates: Vec<f32>,
    /// Of each row, far from squares.
    anchors: Vec<Bbox>,
    objects: Vec<Bbox>,
}

fn case() -> Case {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let classes: Vec<i32> = (0..ROWS).map(|_| rng.random_range(-2..CLASSES as i32)).collect();
    let anchor = |rng: &mut ChaCha8Rng| {
        Bbox::from_center(50.0, 40.0, rng.random_range(10.0..60.0), rng.random_range(10.0..60.0))
    };
    let anchors: Vec<Bbox> = (0..ROWS).map(|_| anchor(&mut rng)).collect();
    let objects: Vec<Bbox> = (0..ROWS).map(|_| anchor(&mut rng)).collect();
    let targets = anchors.iter().zip(&objects).flat_map(|(anchor, object)| CODER.delta_from_box(*anchor, *object));
    Case {
        logits: (0..ROWS * CLASSES).map(|_| rng.random_range(-3.0..3.0)).collect(),
        deltas: (0..ROWS * 4).map(|_| rng.random_range(-0.8..0.8)).collect(),
        targets: targets.collect(),
        gates: classes.iter().flat_map(|class| [if *class >= 0 { 1.0 } else { 0.0 }; 4]).collect(),
        classes,
        anchors,
        objects,
    }
}

fn tensors(values: &[f32], width: usize) -> Vec<Tensor<3>> {
    let mut rest = values;
    let level = |rows: usize| {
        let (own, after) = rest.split_at(PICTURES * rows * width);
        rest = after;
        let data = TensorData::new(own.to_vec(), [PICTURES, rows, width]);
        Tensor::from_data(data, &Device::flex().autodiff()).require_grad()
    };
    LEVELS.map(level).into()
}

impl Case {
    fn run(&self, kinds: (ClassificationKind, RegressionKind)) -> (DetectionLoss, [Vec<f32>; 2]) {
        let mut config = CriterionConfig::default();
        (config.classification.kind, config.regression.kind) = kinds;
        config.classification.scope = Scope::Batch;
        let mut criterion = Criterion::new(config, CLASSES).unwrap().coded(CODER);
        let (logits, deltas) = (tensors(&self.logits, CLASSES), tensors(&self.deltas, 4));
        let targets = BatchTargets { classes: &self.classes, deltas: &self.targets, delta_weights: &self.gates };
        let loss = criterion.forward(&logits, &deltas, &targets, 1.0).unwrap();
        let gradients = loss.total.clone().backward();
        let flat = |levels: &[Tensor<3>]| -> Vec<f32> {
            levels.iter().flat_map(|t| t.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap()).collect()
        };
        (loss, [flat(&logits), flat(&deltas)])
    }

    fn positives(&self) -> impl Iterator<Item = usize> {
        (0..ROWS).filter(|row| self.classes[*row] >= 0)
    }

    /// The box of a row as its own anchor makes it.
    fn predicted(&self, row: usize) -> Bbox {
        CODER.box_from_delta(self.anchors[row], std::array::from_fn(|i| self.deltas[4 * row + i]))
    }
}

#[test]
fn giou_of_offsets_is_giou_of_the_boxes_and_its_gradient_is_the_slope_of_its_value() {
    let mut case = case();
    let kinds = (ClassificationKind::CrossEntropy, RegressionKind::Giou);
    let (loss, [_, gradient]) = case.run(kinds);
    let corners = |Bbox { x1, y1, x2, y2 }| [x1, y1, x2, y2];
    let predicted: Vec<f32> = case.positives().flat_map(|row| corners(case.predicted(row))).collect();
    let objects: Vec<f32> = case.positives().flat_map(|row| corners(case.objects[row])).collect();
    let examples = Examples::new(&predicted[..], Targets::Dense(&objects));
    let sum = LossConfig::Giou
        .forward(&examples, None, Output::to(&mut vec![0.0; predicted.len()]).reduced(Reduction::Sum))
        .unwrap();
    let (found, expected) = (loss.regression.read().unwrap(), sum / case.positives().count() as f64);
    assert!((found - expected).abs() < 1e-5 * expected, "{found}, from the boxes {expected}");
    for (element, gradient) in gradient.into_iter().enumerate() {
        let mut at = |change: f32| {
            let before = case.deltas[element];
            case.deltas[element] += change;
            let value = case.run(kinds).0.regression.read().unwrap();
            case.deltas[element] = before;
            value
        };
        let slope = (at(1e-3) - at(-1e-3)) / 2e-3;
        assert!((f64::from(gradient) - slope).abs() < 1e-3, "{element}: {gradient}, {slope}");
    }
}

#[test]
fn the_quality_of_a_positive_is_the_iou_of_its_box() {
    let case = case();
    let mut targets = vec![0.0; ROWS * CLASSES];
    for row in case.positives() {
        targets[row * CLASSES + case.classes[row] as usize] = case.predicted(row).iou(case.objects[row]);
    }
    let of_rows = |class: &i32| [if *class == -2 { 0.0 } else { 1.0 }; CLASSES];
    let gates: Vec<f32> = case.classes.iter().flat_map(of_rows).collect();
    let positives = case.positives().count() as f64;
    for (kind, name) in
        [(ClassificationKind::QualityFocal, "quality_focal"), (ClassificationKind::Varifocal, "varifocal")]
    {
        let (loss, [gradient, _]) = case.run((kind, RegressionKind::Giou));
        let plain = LossConfig::defaults().into_iter().find(|loss| loss.name() == name).unwrap();
        let mut expected = vec![0.0; gradient.len()];
        let examples = Examples::new(&case.logits[..], Targets::Dense(&targets)).gated(&gates);
        let output = Output::to(&mut expected).reduced(Reduction::Sum).scaled(1.0 / positives as f32);
        let sum = plain.forward(&examples, None, output).unwrap();
        assert!((loss.classification.read().unwrap() - sum).abs() < 1e-5 * sum, "{name}");
        let worst = gradient.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{name}: {worst}");
    }
}
