//! `ghm bench predict`: a network's boxes in pictures, part by part.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use burn::tensor::{Device, Distribution, Tensor};
use ghm_data::Batch;
use ghm_detector::{ModelConfig, Output, RetinaNet, decode};
use ghm_train::Input;
use serde_json::{Value, json};

use super::clock::PartClock;
use super::machine::{matmul_flops, peak_memory};
use super::seconds::Seconds;
use super::subject::{Subject, check_batch, name_of, named_device, pool};
use crate::arguments::BenchPredictArguments;
use crate::output::print;
use crate::table::{aligned, counted, say};

/// Repeats before those that count.
const WARM_UP: usize = 2;

/// Runs the verb.
pub fn run(arguments: &BenchPredictArguments) -> Result<ExitCode> {
    arguments.batch.iter().try_for_each(|pictures| check_batch(*pictures))?;
    let subject = Subject::of(&arguments.what)?;
    let device = named_device(&arguments.what.device)?;
    let pool = pool(arguments.what.threads)?;
    let measured = pool.install(|| measure(arguments, &subject, &device))?;
    print(&if arguments.what.json { serde_json::to_string_pretty(&measured.json())? } else { measured.table() })?;
    Ok(ExitCode::SUCCESS)
}

/// Pictures that go through the network together.
struct Row {
    pictures: usize,
    parts: Vec<(String, Seconds)>,
    all: Seconds,
    work: BTreeMap<String, u64>,
}

struct Measured {
    of: String,
    device: String,
    threads: usize,
    size: (usize, usize),
    rows: Vec<Row>,
    /// Decoding of one picture whose levels are full of candidates.
    crowded: Seconds,
    peak_flops: f64,
    peak_memory: Option<u64>,
}

fn measure(
    arguments: &BenchPredictArguments,
    subject: &Subject,
    (device, device_name): &(Device, String),
) -> Result<Measured> {
    let network = RetinaNet::new(&subject.recipe.model, subject.classes, subject.recipe.seed, device)?;
    let input = Input::new(subject.recipe.normalise(), device);
    let mut rows = Vec::new();
    for &pictures in &arguments.batch {
        say(&counted(pictures, "picture"));
        let batch = subject.made_up(pictures, input.form());
        let mut clock = PartClock::new(device);
        for repeat in 0..WARM_UP + arguments.what.repeats {
            if repeat == WARM_UP {
                clock.forget();
            }
            clock.start();
            predict(&network, &subject.recipe.model, &batch, &input, &mut clock);
        }
        let (width, height) = subject.size;
        let work = network.work(pictures, [height, width]);
        let work = work.into_iter().map(|(part, work)| (part.to_string(), work.forward)).collect();
        let (parts, all) = clock.finish();
        rows.push(Row { pictures, parts, all, work });
    }
    let peak_memory = peak_memory();
    say("decoding");
    let crowded = decode_crowded(subject, arguments.what.repeats, device);
    say("");
    Ok(Measured {
        of: name_of(arguments.what.recipe.as_ref()),
        device: device_name.clone(),
        threads: rayon::current_num_threads(),
        size: subject.size,
        rows,
        crowded,
        peak_flops: matmul_flops(),
        peak_memory,
    })
}

fn predict(network: &RetinaNet, config: &ModelConfig, batch: &Batch, input: &Input, clock: &mut PartClock) {
    let pixels = input.tensor(batch);
    clock.lap("pixels");
    let output = network.forward_telling(pixels, &mut |part| clock.lap(part));
    let sizes: Vec<(usize, usize)> = batch.samples.iter().map(|sample| sample.content_size).collect();
    decode(config, output, &sizes);
    clock.lap("boxes");
}

/// Candidates of a level, about: more than are kept, as far as it has as many.
const CROWD: f64 = 1500.0;

/// Decoding and suppression where every level has more candidates than are kept.
fn decode_crowded(subject: &Subject, repeats: usize, device: &Device) -> Seconds {
    let (width, height) = subject.size;
    let maps: Vec<[usize; 2]> = (3..8).map(|level| [height.div_ceil(1 << level), width.div_ceil(1 << level)]).collect();
    let config = &subject.recipe.model;
    // A threshold of 0 or 1 has no logit.
    let score = f64::from(config.predict.score).clamp(1e-6, 1.0 - 1e-6);
    let least = (score / (1.0 - score)).ln();
    let of_level = |[rows, columns]: &[usize; 2], outputs: usize, noise: &dyn Fn(f64) -> Distribution| {
        let rows = rows * columns * config.anchors.per_cell();
        Tensor::<3>::random([1, rows, outputs], noise((rows * outputs) as f64), device)
    };
    let mut clock = PartClock::new(device);
    for repeat in 0..WARM_UP + repeats {
        if repeat == WARM_UP {
            clock.forget();
        }
        let scores = |count: f64| {
            let share = (CROWD / count).min(1.0);
            Distribution::Uniform(least - (1.0 - share), least + share)
        };
        let logits = maps.iter().map(|map| of_level(map, subject.classes, &scores)).collect();
        let deltas = maps.iter().map(|map| of_level(map, 4, &|_| Distribution::Normal(0.0, 0.5))).collect();
        let output = Output { logits, deltas, maps: maps.clone() };
        clock.start();
        decode(config, output, &[subject.size]);
        clock.lap("decode");
    }
    clock.finish().1
}

impl Measured {
    fn json(&self) -> Value {
        let row = |row: &Row| {
            let part = |(name, seconds): &(String, Seconds)| json!({"part": name, "seconds": seconds.json(), "flops": row.work.get(name)});
            let parts: Vec<Value> = row.parts.iter().map(part).collect();
            json!({"pictures": row.pictures, "seconds": row.all.json(), "parts": parts})
        };
        json!({
            "network": self.of,
            "device": self.device,
            "threads": self.threads,
            "size": [self.size.0, self.size.1],
            "batches": self.rows.iter().map(row).collect::<Vec<_>>(),
            "crowded_decode": self.crowded.json(),
            "matmul_flops_per_second": self.peak_flops,
            "peak_memory_bytes": self.peak_memory,
        })
    }

    fn table(&self) -> String {
        let head = ["part", "pictures", "ms", "min to max", "GFLOP/s"].map(ToOwned::to_owned);
        let mut lines = vec![head];
        let mut line = |name: &str, pictures: usize, seconds: &Seconds, work: Option<u64>| {
            let speed = work.map_or(String::new(), |work| format!("{:.0}", work as f64 / seconds.median / 1e9));
            let [median, min, max] = [seconds.median, seconds.min, seconds.max].map(|time| time * 1e3);
            let span = format!("{min:.1} to {max:.1}");
            lines.push([name.to_owned(), pictures.to_string(), format!("{median:.1}"), span, speed]);
        };
        for row in &self.rows {
            for (name, seconds) in &row.parts {
                line(name, row.pictures, seconds, row.work.get(name).copied());
            }
            line("all", row.pictures, &row.all, Some(row.work.values().sum()));
        }
        line("boxes, crowded", 1, &self.crowded, None);
        let memory = self.peak_memory.map_or("unknown".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
        aligned(&lines)
            + &format!(
                "\nMade-up pictures of {}x{} (network: {}), {}, {}; peak memory {memory}. Crowded: more candidates on every level than are kept.\n\
                 GFLOP/s: of convolutions, a product and a sum being two; a large matrix product on the CPU reaches {:.0}.",
                self.size.0,
                self.size.1,
                self.of,
                self.device,
                counted(self.threads, "thread"),
                self.peak_flops / 1e9,
            )
    }
}
