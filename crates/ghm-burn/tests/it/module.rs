//! Value, shape and gradient of every loss as a module.

use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};
use ghm_burn::{Examples, LossConfig, Reduction};
use ghm_loss::{Kind, Output, Targets};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const ROWS: usize = 40;
const CLASSES: usize = 4;

/// What any loss can be given: predictions, dense targets, classes, gates and weights of [`ROWS`] rows.
struct Data {
    values: Vec<f32>,
    dense: Vec<f32>,
    rows: Vec<i32>,
    gates: Vec<f32>,
    weights: Vec<f32>,
}

/// `examples` is the number of gates and weights.
fn data(kind: Kind, examples: usize) -> Data {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut numbers =
        |count: usize, low: f32, high: f32| (0..count).map(|_| random.random_range(low..high)).collect::<Vec<f32>>();
    let (mut values, mut dense) = (numbers(ROWS * CLASSES, -3.0, 3.0), numbers(ROWS * CLASSES, 0.0, 1.0));
    if kind == Kind::Boxes {
        for corners in values.chunks_mut(4).chain(dense.chunks_mut(4)) {
            (corners[2], corners[3]) = (corners[0] + 1.5, corners[1] + 2.5);
        }
    }
    let rows = (0..ROWS).map(|row| if row % 9 == 0 { -2 } else { (row % CLASSES) as i32 }).collect();
    Data { values, dense, rows, gates: numbers(examples, -0.3, 1.0), weights: numbers(examples, 0.1, 2.0) }
}

fn examples_of(kind: Kind) -> usize {
    match kind {
        Kind::Elements | Kind::Differences => ROWS * CLASSES,
        Kind::Rows | Kind::Boxes => ROWS,
    }
}

/// Value or values, and gradient, by the plain loss.
fn plain(config: &LossConfig, data: &Data) -> (Vec<f32>, Vec<f32>) {
    let targets = match config.loss.kind() {
        Kind::Rows => Targets::ClassIndex { rows: &data.rows, classes: CLASSES },
        _ => Targets::Dense(&data.dense),
    };
    let examples = ghm_loss::Examples::new(&data.values, targets).gated(&data.gates).weighted(&data.weights);
    let mut gradient = vec![0.0; data.values.len()];
    let mut losses = vec![0.0; data.gates.len()];
    let mut loss = config.loss.clone().init().unwrap();
    let output = Output::to(&mut gradient);
    let values = match config.reduction {
        Reduction::Mean => vec![loss.forward(&examples, output).unwrap() as f32],
        Reduction::Sum => vec![loss.forward(&examples, output.reduced(ghm_loss::Reduction::Sum)).unwrap() as f32],
        Reduction::None => {
            loss.forward(&examples, output.reduced(ghm_loss::Reduction::Sum).each(&mut losses)).unwrap();
            losses
        }
    };
    (values, gradient)
}

fn tensors(kind: Kind, data: &Data, device: &Device) -> (Tensor<2>, Examples<2>) {
    let tensor = |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), [ROWS, CLASSES]), device);
    let list = |values: &[f32]| Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), device);
    let values = tensor(&data.values).require_grad();
    let examples = match kind {
        Kind::Rows => Examples::of_classes(
            values.clone(),
            Tensor::<1, Int>::from_data(TensorData::new(data.rows.clone(), [ROWS]), device),
        ),
        _ => Examples::dense(values.clone(), tensor(&data.dense)),
    };
    (values, examples.gated(list(&data.gates)).weighted(list(&data.weights)))
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec::<f32>().unwrap()
}

#[test]
fn every_loss_has_the_value_and_the_gradient_of_the_plain_one_by_every_reduction() {
    for device in [Device::flex().autodiff(), Device::flex().autodiff().gradient_checkpointing()] {
        for loss in ghm_loss::LossConfig::defaults() {
            for reduction in [Reduction::Mean, Reduction::Sum, Reduction::None] {
                let config = LossConfig::new(loss.clone()).with_reduction(reduction);
                let data = data(loss.kind(), examples_of(loss.kind()));
                let (values, gradient) = plain(&config, &data);
                let (tensor, examples) = tensors(loss.kind(), &data, &device);
                let result = config.init(&device).unwrap().forward(examples).unwrap();
                let gradients = result.clone().sum().backward();
                assert_eq!(floats(result), values, "{} {reduction:?}", loss.name());
                assert_eq!(floats(tensor.grad(&gradients).unwrap()), gradient, "{} {reduction:?}", loss.name());
            }
        }
    }
}

#[test]
fn half_precision_logits_have_half_precision_gradients_and_a_full_precision_value() {
    let device = Device::flex().autodiff();
    for (dtype, float) in [(DType::F16, FloatDType::F16), (DType::BF16, FloatDType::BF16)] {
        let data = data(Kind::Elements, ROWS * CLASSES);
        let loss = LossConfig::ghm_c().init(&device).unwrap();
        let logits = Tensor::<2>::from_data(TensorData::new(data.values.clone(), [ROWS, CLASSES]), &device);
        let logits = logits.cast(float).detach().require_grad();
        let rows = Tensor::<1, Int>::from_data(TensorData::new(data.rows.clone(), [ROWS]), &device);
        let value = loss.forward(Examples::of_classes(logits.clone(), rows)).unwrap();
        assert_eq!(value.dtype(), DType::F32);
        let gradient = logits.grad(&value.backward()).unwrap();
        assert_eq!(gradient.dtype(), dtype);
        assert!(floats(gradient).iter().any(|&entry| entry != 0.0));
    }
}

#[test]
fn what_a_loss_cannot_take_is_an_error_and_not_a_panic() {
    let device = Device::flex();
    let loss = LossConfig::softmax_ghm_c().init(&device).unwrap();
    let dense = Examples::dense(Tensor::<2>::zeros([2, 3], &device), Tensor::zeros([2, 3], &device));
    assert!(loss.forward(dense).unwrap_err().to_string().contains("dense"));
    let rows = Tensor::<1, Int>::from_ints([0, 1, 2], &device);
    let error = loss.forward(Examples::of_classes(Tensor::<2>::zeros([2, 3], &device), rows)).unwrap_err();
    assert_eq!(error.to_string(), "targets describe 3 rows of 3 classes, but there are 6 logits");
    let focal = LossConfig::new(ghm_loss::LossConfig::CrossEntropy).init(&device).unwrap();
    let examples = Examples::dense(Tensor::<1>::zeros([2], &device), Tensor::zeros([2], &device));
    assert_eq!(focal.count(&examples).unwrap_err().to_string(), "cross_entropy has no gradient density here");
}
