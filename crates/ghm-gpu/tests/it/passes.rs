//! The passes by themselves: sums of losses that are not harmonised, and densities over several calls.

use burn::tensor::{Device, Tensor, TensorData};
use ghm_gpu::{Compared, DeviceDensity, GpuError, has_kernel};
use ghm_loss::{
    BalancedCrossEntropyConfig, Between, DensityConfig, Examples, FocalConfig, GradientDensity, LossConfig, OhemConfig,
    Output, Reduction, Targets,
};

use crate::device::on_each_device;
use crate::fixture::{Call, Outcome, RELEASED, densities};

fn summed(loss: &LossConfig, examples: &Examples, length: usize) -> Outcome {
    let mut gradient = vec![f32::MAX; length];
    let output = Output::to(&mut gradient).reduced(Reduction::Sum).scaled(0.3);
    let value = loss.forward(examples, None, output).unwrap();
    Outcome { value: value as f32, gradient }
}

#[test]
fn sums_of_every_loss_of_classes_are_the_plain_ones() {
    on_each_device(|device| {
        let balanced = BalancedCrossEntropyConfig { alpha: 0.7, class_weights: None };
        let losses = [
            LossConfig::CrossEntropy,
            LossConfig::BalancedCrossEntropy(balanced),
            LossConfig::Focal(FocalConfig::default()),
            LossConfig::Focal(FocalConfig { alpha: 0.6, gamma: 1.3 }),
        ];
        for (seed, loss) in losses.iter().enumerate() {
            let call = Call::random(seed as u64, 500, 6, 8.0, 30);
            let targets = Targets::ClassIndex { rows: &call.rows, classes: call.classes };
            let expected = summed(loss, &Examples::new(&call.logits, targets), call.logits.len());
            let (logits, rows) = call.tensors(&device.clone().autodiff());
            let logits = logits.require_grad();
            let value = Compared::classes(logits.clone(), rows, loss).unwrap().sum(0.3);
            Outcome::of(value, &logits).assert_close(&expected, &format!("{loss:?}"));
        }
    });
}

#[test]
fn sums_of_every_loss_of_differences_are_the_plain_ones_with_and_without_gates() {
    on_each_device(|device| {
        let losses = [LossConfig::L1, LossConfig::SmoothL1 { beta: 0.4 }, LossConfig::Asl1 { mu: 0.02 }];
        let values: Vec<f32> = (0..804).map(|i| (i as f32 * 0.7).sin() * 2.0).collect();
        let goals: Vec<f32> = (0..804).map(|i| (i as f32 * 0.3).cos()).collect();
        let gates: Vec<f32> = (0..804).map(|i| if i % 3 == 0 { 1.0 } else { 0.0 }).collect();
        let tensor = |values: &[f32], device: &Device| Tensor::<1>::from_data(TensorData::from(values), device);
        for loss in &losses {
            for gated in [false, true] {
                let examples = Examples::new(&values[..], Targets::Dense(&goals));
                let examples = if gated { examples.gated(&gates) } else { examples };
                let expected = summed(loss, &examples, values.len());
                let x = tensor(&values, &device.clone().autodiff()).require_grad();
                let gates = gated.then(|| tensor(&gates, device));
                let value = Compared::dense(x.clone(), tensor(&goals, device), gates, loss).unwrap().sum(0.3);
                Outcome::of(value, &x).assert_close(&expected, &format!("{loss:?}, gated {gated}"));
            }
        }
    });
}

#[test]
fn a_density_over_two_calls_gives_each_its_part_of_the_loss_of_both_together() {
    on_each_device(|device| {
        let parts = [Call::random(1, 200, 4, 4.0, 30), Call::random(2, 120, 4, 9.0, 30)];
        let mut both = parts[0].clone();
        both.logits.extend(&parts[1].logits);
        both.rows.extend(&parts[1].rows);
        let (mut plain, mut ours) = densities(RELEASED, device);
        for step in 0..2 {
            let expected = both.on_host(&mut plain, 0.5);
            let tensors = parts.each_ref().map(|part| {
                let (logits, rows) = part.tensors(&device.clone().autodiff());
                let logits = logits.require_grad();
                let compared = Compared::classes(logits.clone(), rows, &LossConfig::CrossEntropy).unwrap();
                (logits, compared)
            });
            let mut counts = tensors[0].1.count(&ours).unwrap();
            counts.merge(&tensors[1].1.count(&ours).unwrap()).unwrap();
            let factors = ours.take_in(&counts).unwrap();
            let outcomes = tensors.map(|(logits, part)| Outcome::of(part.harmonised(&factors, 0.5).unwrap(), &logits));
            let value = outcomes.iter().map(|part| part.value).sum();
            let gradient = outcomes.into_iter().flat_map(|part| part.gradient).collect();
            Outcome { value, gradient }.assert_close(&expected, &format!("update {step}"));
        }
        assert_eq!(ours.steps(), 2);
    });
}

#[test]
fn a_loss_without_kernel_and_counts_of_other_bins_are_refused() {
    let density = |between| DensityConfig { between, ..RELEASED };
    for (loss, expected) in [
        (LossConfig::GhmC(density(Between::Step)), true),
        (LossConfig::GhmC(density(Between::Blend)), false),
        (LossConfig::GhmR { mu: 0.02, density: density(Between::Step) }, true),
        (LossConfig::Ohem(OhemConfig::Ratio { ratio: 3.0, least: 0 }), false),
        (LossConfig::SmoothL1 { beta: -1.0 }, false),
        (LossConfig::Giou, false),
    ] {
        assert_eq!(has_kernel(&loss), expected, "{loss:?}");
    }
    on_each_device(|device| {
        let (logits, rows) = Call::random(1, 20, 4, 4.0, 30).tensors(device);
        let error = Compared::classes(logits.clone(), rows.clone(), &LossConfig::Giou).unwrap_err();
        assert_eq!(error, GpuError::Kernel { loss: LossConfig::Giou.name() });
        let compared = Compared::classes(logits, rows, &LossConfig::CrossEntropy).unwrap();
        let of_bins = |bins: usize| {
            let plain = GradientDensity::new(DensityConfig { bins, ..RELEASED }).unwrap();
            DeviceDensity::from_plain(&plain, device).unwrap()
        };
        let (mut few, many) = (of_bins(10), of_bins(30));
        let mut counts = compared.count(&many).unwrap();
        assert!(matches!(few.take_in(&counts), Err(GpuError::Shape { name: "the counts", .. })));
        assert!(counts.merge(&compared.count(&few).unwrap()).is_err());
        assert_eq!(few.steps(), 0);
    });
}
