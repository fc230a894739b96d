//! A density over batches whose gradients are accumulated.

use burn::tensor::{Device, Int, Tensor, TensorData};
use ghm_burn::{Examples, Loss, LossConfig};
use ghm_loss::DensityConfig;

const CLASSES: usize = 3;

/// Rows of a batch, of which every fifth is of a class.
fn batch(rows: usize, phase: f32, device: &Device) -> (Tensor<2>, Vec<i32>) {
    let logits = (0..rows * CLASSES).map(|at| (at as f32 * 1.7 + phase).sin() * 4.0 - 2.0).collect::<Vec<f32>>();
    let classes = (0..rows).map(|row| if row % 5 == 0 { (row % CLASSES) as i32 } else { -1 }).collect();
    (Tensor::<2>::from_data(TensorData::new(logits, [rows, CLASSES]), device).require_grad(), classes)
}

fn examples((logits, classes): &(Tensor<2>, Vec<i32>)) -> Examples<2> {
    let rows = TensorData::new(classes.clone(), [classes.len()]);
    Examples::of_classes(logits.clone(), Tensor::<1, Int>::from_data(rows, &logits.device()))
}

fn gradient(value: Tensor<1>, logits: &Tensor<2>) -> Vec<f32> {
    logits.grad(&value.backward()).unwrap().into_data().try_into_vec::<f32>().unwrap()
}

fn losses(device: &Device) -> [Loss; 2] {
    let by_class = DensityConfig { classes: Some(CLASSES), ..DensityConfig::default() };
    [LossConfig::ghm_c(), LossConfig::new(ghm_loss::LossConfig::GhmC(by_class))]
        .map(|config| config.init(device).unwrap())
}

#[test]
fn gradients_of_batches_counted_first_are_those_of_one_call_over_all_of_them() {
    for device in [Device::flex().autodiff(), Device::flex().autodiff().gradient_checkpointing()] {
        let batches = [batch(40, 0.0, &device), batch(17, 1.0, &device), batch(60, 2.0, &device)];
        for (accumulated, at_once) in losses(&device).into_iter().zip(losses(&device)) {
            for _ in 0..2 {
                let mut counts = accumulated.count(&examples(&batches[0])).unwrap();
                counts.merge(&accumulated.count(&examples(&batches[1])).unwrap()).unwrap();
                counts.merge(&accumulated.count(&examples(&batches[2])).unwrap()).unwrap();
                let weights = accumulated.take_in(&counts).unwrap();
                let parts: Vec<f32> = batches
                    .iter()
                    .flat_map(|batch| gradient(accumulated.forward_given(examples(batch), &weights).unwrap(), &batch.0))
                    .collect();

                let logits = Tensor::cat(batches.iter().map(|batch| batch.0.clone().inner()).collect(), 0);
                let logits = Tensor::<2>::from_data(logits.into_data(), &device).require_grad();
                let classes = batches.iter().flat_map(|batch| batch.1.clone()).collect();
                let whole = (logits, classes);
                let value = at_once.forward(examples(&whole)).unwrap();
                assert!(gradient(value, &whole.0) == parts);
                assert_eq!(accumulated.density(), at_once.density());
            }
        }
    }
}

#[test]
fn under_gradient_checkpointing_a_step_counts_once() {
    let device = Device::flex().autodiff().gradient_checkpointing();
    let loss = LossConfig::ghm_c().init(&device).unwrap();
    let (logits, classes) = batch(30, 0.0, &device);
    // What lies between is computed again on the way back; the loss must not be.
    let stretched = logits.clone().mul_scalar(2.0).tanh().mul_scalar(3.0);
    let value = loss.forward(examples(&(stretched, classes))).unwrap();
    assert!(logits.grad(&value.backward()).is_some());
    assert_eq!(loss.density().unwrap().unwrap().steps(), 1);
}
