//! `ghm bench step`: training updates, part by part.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Result, bail};
use ghm_data::{Batch, EpochBatches, Loader};
use ghm_train::learner::{Learner, Stage};
use serde_json::{Value, json};

use super::clock::PartClock;
use super::machine::{matmul_flops, peak_memory};
use super::seconds::Seconds;
use super::subject::{Subject, check_batch, name_of, named_device, pool};
use crate::arguments::BenchStepArguments;
use crate::output::print;
use crate::table::{aligned, counted, say};

/// Updates before those that count.
const WARM_UP: usize = 2;

/// Runs the verb.
pub fn run(arguments: &BenchStepArguments) -> Result<ExitCode> {
    check_batch(arguments.batch)?;
    let subject = Subject::of(&arguments.what)?;
    let pool = pool(arguments.what.threads)?;
    let measured = pool.install(|| measure(arguments, &subject))?;
    print(&if arguments.what.json { serde_json::to_string_pretty(&measured.json())? } else { measured.table() })?;
    Ok(ExitCode::SUCCESS)
}

/// Where batches come from.
enum Batches<'a> {
    MadeUp(Batch),
    Loaded { loader: &'a Loader, epoch: usize, batches: EpochBatches },
}

impl Batches<'_> {
    fn next(&mut self) -> Option<Batch> {
        match self {
            Self::MadeUp(batch) => Some(batch.clone()),
            Self::Loaded { loader, epoch, batches } => batches.next().or_else(|| {
                *epoch += 1;
                *batches = loader.epoch(*epoch, 0);
                batches.next()
            }),
        }
    }

    fn recycle(&self, batch: Batch) {
        if let Self::Loaded { loader, .. } = self {
            loader.recycle(batch);
        }
    }
}

/// What was found.
struct Measured {
    of: String,
    device: String,
    threads: usize,
    /// Of the last batch.
    shape: [usize; 4],
    /// In an update, on the average.
    pictures: f64,
    parts: Vec<(String, Seconds)>,
    step: Seconds,
    /// Floating-point operations of a part in an update, on the average, where its convolutions are counted.
    work: BTreeMap<String, u64>,
    peak_flops: f64,
    peak_memory: Option<u64>,
}

fn measure(arguments: &BenchStepArguments, subject: &Subject) -> Result<Measured> {
    let (device, device_name) = named_device(&arguments.what.device)?;
    let mut learner = Learner::new(&subject.recipe, subject.classes, &device)?;
    let loader = match &subject.plan {
        Some(plan) => {
            let pipeline = plan.train_pipeline();
            let config = plan.loader(learner.input().form());
            Some(Loader::new(plan.train.dataset.clone(), pipeline, plan.train_order(), config)?)
        }
        None => None,
    };
    let mut batches = match &loader {
        Some(loader) => Batches::Loaded { loader, epoch: 0, batches: loader.epoch(0, 0) },
        None => Batches::MadeUp(subject.made_up(arguments.batch, learner.input().form())),
    };
    let mut clock = PartClock::new(&device);
    let (mut shape, mut pictures, mut work) = ([0; 4], 0, BTreeMap::<String, u64>::new());
    for done in 0..WARM_UP + arguments.what.repeats {
        say(&format!("update {} of {}", done + 1, WARM_UP + arguments.what.repeats));
        if done == WARM_UP {
            (pictures, work) = (0, BTreeMap::new());
            clock.forget();
        }
        clock.start();
        let Some(batch) = batches.next() else {
            bail!("{}: the loader ended before its epoch did", subject.recipe.data.root.display())
        };
        clock.lap("data");
        if let Some(skipped) = batch.skipped.first() {
            bail!("{}", skipped.reason);
        }
        learner.learn(&batch, None, &mut |stage| clock.lap(name(stage)))?;
        // Small, so that the network stays what it is.
        learner.apply(1e-6);
        clock.lap("update");
        shape = batch.shape;
        pictures += batch.samples.len();
        for (part, own) in learner.network.work(shape[0], [shape[2], shape[3]]) {
            *work.entry(name(Stage::Forward(part))).or_insert(0) += own.forward;
            *work.entry(name(Stage::Backward)).or_insert(0) += own.backward;
        }
        batches.recycle(batch);
    }
    say("");
    let (parts, step) = clock.finish();
    let peak_memory = peak_memory();
    let repeats = arguments.what.repeats as u64;
    Ok(Measured {
        of: name_of(arguments.what.recipe.as_ref()),
        device: device_name,
        threads: rayon::current_num_threads(),
        shape,
        pictures: pictures as f64 / repeats as f64,
        parts,
        step,
        work: work.into_iter().map(|(part, work)| (part, work / repeats)).collect(),
        peak_flops: matmul_flops(),
        peak_memory,
    })
}

fn name(stage: Stage) -> String {
    match stage {
        Stage::Pixels => "pixels".to_owned(),
        Stage::Forward(part) => part.to_string(),
        Stage::Targets => "targets".to_owned(),
        Stage::Loss => "losses".to_owned(),
        Stage::Evidence => "evidence".to_owned(),
        Stage::Backward => "backward".to_owned(),
    }
}

impl Measured {
    fn all_work(&self) -> u64 {
        self.work.values().sum()
    }

    fn json(&self) -> Value {
        let flops = |name: &str| self.work.get(name).copied();
        let parts: Vec<Value> = self
            .parts
            .iter()
            .map(|(name, seconds)| json!({"part": name, "seconds": seconds.json(), "flops": flops(name)}))
            .collect();
        json!({
            "pictures": self.of,
            "device": self.device,
            "threads": self.threads,
            "shape": self.shape,
            "step": self.step.json(),
            "pictures_per_second": self.pictures / self.step.median,
            "flops": self.all_work(),
            "matmul_flops_per_second": self.peak_flops,
            "peak_memory_bytes": self.peak_memory,
            "parts": parts,
        })
    }

    fn table(&self) -> String {
        let head = ["part", "ms", "min to max", "share", "GFLOP/s"].map(ToOwned::to_owned);
        let all = [("step".to_owned(), &self.step)];
        let parts = self.parts.iter().map(|(name, seconds)| (name.clone(), seconds)).chain(all);
        let line = |(name, seconds): (String, &Seconds)| {
            let work = if name == "step" { Some(self.all_work()) } else { self.work.get(&name).copied() };
            let speed = work.map_or(String::new(), |work| format!("{:.0}", work as f64 / seconds.median / 1e9));
            let [median, min, max] = [seconds.median, seconds.min, seconds.max].map(|time| time * 1e3);
            let share = format!("{:.1}%", 100.0 * seconds.median / self.step.median);
            [name, format!("{median:.1}"), format!("{min:.1} to {max:.1}"), share, speed]
        };
        let lines: Vec<[String; 5]> = std::iter::once(head).chain(parts.map(line)).collect();
        let [pictures, _, height, width] = self.shape;
        let memory = self.peak_memory.map_or("unknown".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
        aligned(&lines)
            + &format!(
                "\n{} of {width}x{height} in the last batch ({}), {}, {}: {:.2} pictures a second, peak memory {memory}.\n\
                 GFLOP/s: of convolutions, a product and a sum being two; a large matrix product on the CPU reaches {:.0}.",
                counted(pictures, "picture"),
                self.of,
                self.device,
                counted(self.threads, "thread"),
                self.pictures / self.step.median,
                self.peak_flops / 1e9,
            )
    }
}
