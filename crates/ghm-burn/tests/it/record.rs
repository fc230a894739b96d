//! The density in a module's record.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use ghm_burn::{Examples, Loss, LossConfig};

fn step(loss: &Loss, phase: f32, device: &Device) -> f32 {
    let logits = (0..600).map(|at| (at as f32 * 0.37 + phase).sin() * 5.0 - 2.0).collect::<Vec<f32>>();
    let logits = Tensor::<2>::from_data(TensorData::new(logits, [200, 3]), device);
    let classes: Vec<i32> = (0..200).map(|row| row % 4 - 1).collect();
    let classes = Tensor::<1, Int>::from_data(TensorData::new(classes, [200]), device);
    loss.forward(Examples::of_classes(logits, classes)).unwrap().into_scalar::<f32>()
}

#[test]
fn a_loss_goes_on_from_its_record_as_if_never_stopped_bit_for_bit() {
    let device = Device::flex();
    let straight = LossConfig::ghm_c().init(&device).unwrap();
    for phase in 0..7 {
        step(&straight, phase as f32, &device);
    }
    let fresh = LossConfig::ghm_c().init(&device).unwrap();
    let resumed = fresh.load_record(straight.clone().into_record());
    assert_eq!(resumed.density(), straight.density());
    assert_eq!(resumed.density().unwrap().unwrap().steps(), 7);
    let apart = LossConfig::ghm_c().init(&device).unwrap();
    assert_eq!(step(&resumed, 7.0, &device), step(&straight, 7.0, &device));
    assert_ne!(apart.density(), straight.density());
}

#[test]
fn clones_share_the_density_as_a_modules_running_statistics_do() {
    let device = Device::flex();
    let loss = LossConfig::ghm_c().init(&device).unwrap();
    step(&loss.clone(), 0.0, &device);
    assert_eq!(loss.density().unwrap().unwrap().steps(), 1);
    assert_eq!(loss.valid().density(), loss.density());
}
