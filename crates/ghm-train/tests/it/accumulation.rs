//! Batches accumulated into one update.

use std::path::Path;

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
    let overrides = [
        "model.norm=group".to_owned(),
        "data.train=train".to_owned(),
        "schedule.epochs=1".to_owned(),
        format!("loss.classification.scope={scope}"),
        format!("loss.regression.scope={scope}"),
        format!("schedule.batch={batch}"),
        format!("optimiser.accumulate={accumulate}"),
    ];
    let plan = Plan::new(Recipe::for_data(RECIPE, data, &overrides).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let directory = RunDirectory::create(&folder.path().join("run")).unwrap();
    let (device, _) = open_device("cpu").unwrap();
    let (session, _) = Session::start(plan, directory, &device).unwrap();
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
