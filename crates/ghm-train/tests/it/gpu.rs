//! Training on a GPU beside the same on the CPU.

use burn::tensor::Device;
use ghm_train::{Ended, Learner, Plan, Predictor, Recipe, RunDirectory, Session, StepRecord, open_device};

use crate::accumulation::{changed_updates, updates_on};
use crate::device::on_each_device;
use crate::learning::{RECIPE, write_data};

/// The first update of each is from the same weights; those after it part by the rounding of many sums.
fn assert_near(found: &[StepRecord], expected: &[StepRecord], tolerances: [f64; 2], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for ((found, expected), tolerance) in found.iter().zip(expected).zip(tolerances) {
        assert_eq!(
            (found.step, found.positives, found.pictures),
            (expected.step, expected.positives, expected.pictures)
        );
        for (found, expected) in [
            (found.classification, expected.classification),
            (found.regression, expected.regression),
            (found.gradient_norm, expected.gradient_norm),
        ] {
            assert!((found - expected).abs() <= tolerance * expected, "{what}: {found}, expected {expected}");
        }
    }
}

#[test]
fn updates_on_a_gpu_have_the_losses_and_norms_of_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    write_data(&data);
    on_each_device(|device| {
        for (batch, accumulate, scope) in [(2, 1, "level"), (2, 2, "batch")] {
            let [expected, found] =
                [&Device::flex(), device].map(|device| updates_on(device, &data, batch, accumulate, scope));
            assert_near(&found, &expected, [1e-3, 3e-2], &format!("{batch} x {accumulate}, {scope}"));
        }
    });
}

#[test]
fn a_run_on_a_gpu_is_resumed_and_predicted_with_on_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    write_data(&data);
    on_each_device(|device| {
        let (cpu, _) = open_device("cpu").unwrap();
        let run = tempfile::tempdir().unwrap();
        let path = run.path().join("run");
        let plan = |epochs: usize| {
            let overrides = ["data.train=train".into(), "schedule.batch=4".into(), format!("schedule.epochs={epochs}")];
            Plan::new(Recipe::for_data(RECIPE, &data, &overrides).unwrap()).unwrap()
        };
        let (session, _) = Session::start(plan(1), RunDirectory::create(&path).unwrap(), device).unwrap();
        assert!(matches!(session.run(&|| false, &mut ()).unwrap(), Ended::Finished { .. }));
        let found = [device, &cpu].map(|device| {
            let mut predictor = Predictor::open(&RunDirectory::open(&path).unwrap(), device).unwrap();
            predictor.set_score(0.005);
            predictor.run(&plan(1).train.dataset, |_, _| {}).unwrap().detections
        });
        assert!(!found[1].is_empty() && found[0].len().abs_diff(found[1].len()) <= found[1].len() / 20);
        let best = |detections: &[ghm_eval::Detection]| detections.iter().map(|d| d.score).fold(0.0, f64::max);
        assert!((best(&found[0]) - best(&found[1])).abs() <= 1e-3 * best(&found[1]));
        let session = Session::resume(plan(2), RunDirectory::open(&path).unwrap(), &cpu).unwrap();
        assert!(matches!(session.run(&|| false, &mut ()).unwrap(), Ended::Finished { .. }));
    });
}

#[test]
fn half_precision_gives_the_first_losses_of_single_precision_or_is_refused_where_a_gpu_lacks_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    write_data(&data);
    on_each_device(|device| {
        if !device.supports_dtype(burn::tensor::FloatDType::BF16) {
            let recipe = Recipe::for_data(RECIPE, &data, &["model.precision=bf16".into()]).unwrap();
            let refused = Learner::new(&recipe, 3, device).err().unwrap().to_string();
            assert!(refused.contains("model.precision"), "{refused}");
            return;
        }
        let [full, half] = ["f32", "bf16"].map(|precision| {
            let changes = [format!("model.precision={precision}")];
            changed_updates(device, &data, &changes)
        });
        assert_near(&half[..1], &full[..1], [5e-2, 0.0], "bf16");
    });
}
