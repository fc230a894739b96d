//! Batches accumulated into one update.

use std::path::Path;

use burn::tensor::Device;
use ghm_train::{Observer, Plan, Recipe, RunDirectory, Session, StepRecord, open_device};

use crate::learning::{RECIPE, write_data};

/// Keeps what every update measured.
#[derive(Default)]
struct Records(Vec<StepRecord>);

impl Observer for Records {
    fn step(&mut self, record: &StepRecord) {
        self.0.push(record.clone());
    }
}

/// The updates of an epoch of all pictures once. Group norm: that of a picture depends on no other picture.
fn updates(data: &Path, batch: usize, accumulate: usize, scope: &str) -> Vec<StepRecord> {
    updates_on(&open_device("cpu").unwrap().0, data, batch, accumulate, scope)
}

/// The same on a device.
pub fn updates_on(device: &Device, data: &Path, batch: usize, accumulate: usize, scope: &str) -> Vec<StepRecord> {
    let changes = [
        format!("loss.classification.scope={scope}"),
        format!("loss.regression.scope={scope}"),
        format!("schedule.batch={batch}"),
        format!("optimiser.accumulate={accumulate}"),
    ];
    changed_updates(device, data, &changes)
}

/// The updates of an epoch by a recipe that is changed.
pub fn changed_updates(device: &Device, data: &Path, changes: &[String]) -> Vec<StepRecord> {
    let always = ["model.norm=group", "data.train=train", "schedule.epochs=1", "schedule.batch=4"];
    let overrides: Vec<String> = always.map(str::to_owned).into_iter().chain(changes.iter().cloned()).collect();
    let plan = Plan::new(Recipe::for_data(RECIPE, data, &overrides).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(&folder.path().join("run")).unwrap();
    let (session, _) = Session::start(plan, directory, device).unwrap();
    let mut records = Records::default();
    session.run(&|| false, &mut records).unwrap();
    records.0
}

#[test]
fn harmonised_losses_of_accumulated_batches_are_those_of_one_large_batch() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    write_data(&data);
    for scope in ["batch", "level"] {
        let (whole, parts) = (updates(&data, 4, 1, scope), updates(&data, 2, 2, scope));
        assert_eq!((whole.len(), parts.len()), (2, 2));
        // Sums of single precision are made in another order; the first update carries that into the second.
        for ((whole, parts), tolerance) in whole.iter().zip(&parts).zip([1e-5, 1e-2]) {
            assert_eq!((whole.positives, whole.pictures), (parts.positives, parts.pictures));
            let pairs = [
                (whole.classification, parts.classification),
                (whole.regression, parts.regression),
                (whole.gradient_norm, parts.gradient_norm),
            ];
            for (whole, parts) in pairs {
                assert!((whole - parts).abs() <= tolerance * whole, "{scope}: {whole} at once, {parts} in parts");
            }
        }
    }
}
