//! Losses on a GPU, or on software Vulkan, beside the same on the CPU.

use burn::module::Module;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use ghm_burn::{Examples, Loss, LossConfig, Reduction};
use ghm_loss::{DensityConfig, LossError};

use crate::device::on_each_device;

const ROWS: usize = 500;
const CLASSES: usize = 4;

/// Value and gradient.
type Outcome = (Vec<f32>, Vec<f32>);

/// What makes examples of logits on a device.
type Making = fn(Tensor<2>, &Device) -> Examples<2>;

/// Logits of call `phase`, none of which is near an edge of a bin.
fn logits(phase: usize) -> Vec<f32> {
    let near = |x: f32| {
        let place = 30.0 / (1.0 + f64::from(-x).exp());
        (place - place.round()).abs() < 1e-4
    };
    let number = |at: usize| ((at * 37 + phase * 11) as f32 * 0.37).sin() * 6.0 - 2.0;
    (0..ROWS * CLASSES).map(|at| if near(number(at)) { number(at) + 0.01 } else { number(at) }).collect()
}

fn rows(device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i32> = (0..ROWS).map(|row| (row % 6) as i32 - 2).collect();
    Tensor::from_data(TensorData::new(rows, [ROWS]), device)
}

fn dense(device: &Device) -> Tensor<2> {
    let targets: Vec<f32> = (0..ROWS * CLASSES).map(|at| f32::from(at % 5 == 0)).collect();
    Tensor::from_data(TensorData::new(targets, [ROWS, CLASSES]), device)
}

/// Runs `call` on `device` with the logits of `phase`.
fn run(
    loss: &Loss,
    phase: usize,
    device: &Device,
    call: impl Fn(Tensor<2>, &Device) -> Examples<2>,
) -> Result<Outcome, LossError> {
    let device = device.clone().autodiff();
    let values = Tensor::<2>::from_data(TensorData::new(logits(phase), [ROWS, CLASSES]), &device).require_grad();
    let value = loss.forward(call(values.clone(), &device))?;
    let gradients = value.clone().sum().backward();
    let numbers = |data: TensorData| data.iter::<f32>().collect::<Vec<f32>>();
    Ok((numbers(value.into_data()), values.grad(&gradients).map(|tensor| numbers(tensor.into_data())).unwrap()))
}

fn assert_close(found: &Outcome, expected: &Outcome, what: &str) {
    for (found, expected) in [(&found.0, &expected.0), (&found.1, &expected.1)] {
        let largest = expected.iter().fold(0.0f32, |most, entry| most.max(entry.abs()));
        assert_eq!(found.len(), expected.len(), "{what}");
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * largest;
        assert!(found.iter().zip(expected).all(close), "{what}");
    }
}

fn by_class(values: Tensor<2>, device: &Device) -> Examples<2> {
    Examples::of_classes(values, rows(device))
}

fn by_element(values: Tensor<2>, device: &Device) -> Examples<2> {
    Examples::dense(values, dense(device))
}

fn masked(values: Tensor<2>, device: &Device) -> Examples<2> {
    let mask: Vec<bool> = (0..ROWS * CLASSES).map(|at| at % 3 == 0).collect();
    let mask = Tensor::<1, Bool>::from_data(TensorData::new(mask, [ROWS * CLASSES]), device);
    by_element(values, device).ignoring(mask)
}

fn weighted(values: Tensor<2>, device: &Device) -> Examples<2> {
    let weights = Tensor::<2>::ones([ROWS, CLASSES], device).mul_scalar(0.5);
    by_element(values, device).weighted(weights)
}

#[test]
fn harmonised_losses_on_a_gpu_are_those_of_the_cpu_over_calls_of_a_moving_average() {
    let ghm_r = ghm_loss::LossConfig::defaults().into_iter().find(|config| config.name() == "ghm_r").unwrap();
    let calls: [(&str, Making); 4] =
        [("classes", by_class), ("dense", by_element), ("masked", masked), ("weighted", weighted)];
    on_each_device(|device| {
        for config in [LossConfig::ghm_c(), LossConfig::new(ghm_r.clone())] {
            for (name, call) in
                calls.into_iter().filter(|(name, _)| config == LossConfig::ghm_c() || *name != "classes")
            {
                let (there, here) = (config.init(device).unwrap(), config.init(&Device::flex()).unwrap());
                for phase in 0..4 {
                    let (found, expected) =
                        (run(&there, phase, device, call), run(&here, phase, &Device::flex(), call));
                    assert_close(&found.unwrap(), &expected.unwrap(), &format!("{} {name}", config.loss.name()));
                }
                let (found, expected) = (there.density().unwrap().unwrap(), here.density().unwrap().unwrap());
                assert_eq!(found.steps(), expected.steps());
                for (found, expected) in found.counts().iter().zip(expected.counts()) {
                    assert!((found - expected).abs() <= 1e-5 * expected, "{name}: {found}, {expected}");
                }
            }
        }
    });
}

#[test]
fn a_density_goes_on_from_a_gpu_to_the_cpu_and_back_and_through_a_record() {
    on_each_device(|device| {
        let flex = Device::flex();
        let (straight, wandering) =
            (LossConfig::ghm_c().init(&flex).unwrap(), LossConfig::ghm_c().init(device).unwrap());
        for phase in 0..3 {
            run(&straight, phase, &flex, by_class).unwrap();
        }
        run(&wandering, 0, device, by_class).unwrap();
        run(&wandering, 1, &flex, by_class).unwrap();
        let resumed = LossConfig::ghm_c().init(device).unwrap().load_record(wandering.into_record());
        run(&resumed, 2, device, by_class).unwrap();
        let expected = run(&straight, 3, &flex, by_class).unwrap();
        assert_close(&run(&resumed, 3, device, by_class).unwrap(), &expected, "after a record");
        assert_eq!(resumed.density().unwrap().unwrap().steps(), 4);
    });
}

#[test]
fn what_a_gpu_has_no_kernel_for_is_computed_by_the_plain_losses() {
    let blended = DensityConfig { between: ghm_loss::Between::Blend, ..DensityConfig::default() };
    let configs = [
        LossConfig::new(ghm_loss::LossConfig::GhmC(blended)),
        LossConfig::ghm_c().with_reduction(Reduction::Sum),
        LossConfig::ghm_c().with_reduction(Reduction::None),
    ];
    on_each_device(|device| {
        for config in &configs {
            let (there, here) = (config.init(device).unwrap(), config.init(&Device::flex()).unwrap());
            let (found, expected) =
                (run(&there, 0, device, by_class).unwrap(), run(&here, 0, &Device::flex(), by_class).unwrap());
            assert_close(&found, &expected, &format!("{config:?}"));
        }
    });
}

#[test]
fn a_class_that_is_none_is_not_seen_by_the_host_and_makes_the_value_nan() {
    on_each_device(|device| {
        let unknown = |values: Tensor<2>, device: &Device| Examples::of_classes(values, rows(device).add_scalar(90));
        let run_on = |device: &Device| run(&LossConfig::ghm_c().init(device).unwrap(), 0, device, unknown);
        assert!(run_on(device).unwrap().0[0].is_nan());
        assert!(matches!(run_on(&Device::flex()), Err(LossError::ClassIndex { .. })));
    });
}

#[test]
fn tensors_of_a_gpu_that_do_not_fit_are_refused_and_nothing_is_counted() {
    on_each_device(|device| {
        let loss = LossConfig::ghm_c().init(device).unwrap();
        let short =
            |values: Tensor<2>, device: &Device| Examples::of_classes(values, rows(device).narrow(0, 0, ROWS - 1));
        assert!(matches!(run(&loss, 0, device, short), Err(LossError::Rows { .. })));
        let narrow = |values: Tensor<2>, device: &Device| Examples::dense(values, dense(device).narrow(0, 0, ROWS - 1));
        assert!(matches!(run(&loss, 0, device, narrow), Err(LossError::Length { .. })));
        assert_eq!(loss.density().unwrap().unwrap().steps(), 0);
    });
}
