//! `ghm bench loader`: batches from files, and decoding alone.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use ghm_data::{Dataset, Loader, LoaderConfig, PixelForm, decode};
use ghm_train::{Plan, Recipe};
use serde_json::{Value, json};

use super::seconds::Seconds;
use super::subject::{check_repeats, check_threads};
use crate::arguments::BenchLoaderArguments;
use crate::output::print;
use crate::table::{aligned, counted, say};
use crate::train::plan;

/// The published input, in batches that small data sets fill too; of the network only that it freezes nothing, of which
/// a plan would warn.
const RECIPE: &str = "[data]\nroot = \"\"\n[schedule]\nbatch = 4\n[model]\nnorm = \"batch\"\nfrozen_stages = 0";

/// Runs the verb.
pub fn run(arguments: &BenchLoaderArguments) -> Result<ExitCode> {
    check_repeats(arguments.repeats)?;
    check_threads(arguments.threads)?;
    let recipe = Recipe::for_data(RECIPE, &arguments.data, &arguments.overrides)?;
    let plan = plan(recipe)?;
    let threads = arguments.threads.unwrap_or(plan.loader(PixelForm::Planes).threads);
    let measured = measure(&plan, arguments.repeats, threads)?;
    print(&if arguments.json { serde_json::to_string_pretty(&measured.json())? } else { measured.table() })?;
    Ok(ExitCode::SUCCESS)
}

/// One way to read all pictures.
struct Row {
    what: &'static str,
    threads: usize,
    seconds: Seconds,
}

struct Measured {
    /// Pictures of a repeat of the loader, which leaves out what does not fill a batch.
    pictures: usize,
    rows: Vec<Row>,
}

fn measure(plan: &Plan, repeats: usize, threads: usize) -> Result<Measured> {
    let dataset = &plan.train.dataset;
    let order = plan.train_order();
    let pictures = order.batches_per_epoch() * order.batch_size;
    let mut rows = Vec::new();
    say("decoding");
    rows.push(Row { what: "decode", threads: 1, seconds: repeated(repeats, |_| decode_all(dataset, pictures))? });
    for threads in [1, threads] {
        if rows.iter().any(|row| row.what == "load" && row.threads == threads) {
            continue;
        }
        say(&format!("loading, {}", counted(threads, "thread")));
        // One thread is the asking one.
        let config = LoaderConfig { threads: if threads == 1 { 0 } else { threads }, ..plan.loader(PixelForm::Planes) };
        let loader = Loader::new(Arc::clone(dataset), plan.train_pipeline(), order, config)?;
        let epoch = |epoch| {
            for batch in loader.epoch(epoch, 0) {
                if let Some(skipped) = batch.skipped.first() {
                    anyhow::bail!("{}", skipped.reason);
                }
                loader.recycle(batch);
            }
            Ok(())
        };
        rows.push(Row { what: "load", threads, seconds: repeated(repeats, epoch)? });
    }
    say("");
    Ok(Measured { pictures, rows })
}

fn decode_all(dataset: &Dataset, pictures: usize) -> Result<()> {
    for image in dataset.images.iter().take(pictures) {
        decode(&image.path)?;
    }
    Ok(())
}

/// Times of `work`, after one that does not count.
fn repeated(repeats: usize, work: impl Fn(usize) -> Result<()>) -> Result<Seconds> {
    work(0)?;
    let mut times = Vec::with_capacity(repeats);
    for repeat in 0..repeats {
        let start = Instant::now();
        work(repeat + 1)?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(Seconds::of(times))
}

impl Measured {
    fn per_second(&self, row: &Row) -> f64 {
        self.pictures as f64 / row.seconds.median
    }

    fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "what": row.what,
                "threads": row.threads,
                "seconds": row.seconds.json(),
                "pictures_per_second": self.per_second(row),
            })
        };
        json!({"pictures": self.pictures, "results": self.rows.iter().map(row).collect::<Vec<_>>()})
    }

    fn table(&self) -> String {
        let head = ["what", "threads", "pictures/s", "ms a picture", "min to max"].map(ToOwned::to_owned);
        let line = |row: &Row| {
            let [median, min, max] =
                [row.seconds.median, row.seconds.min, row.seconds.max].map(|time| time * 1e3 / self.pictures as f64);
            let per_second = format!("{:.0}", self.per_second(row));
            let span = format!("{min:.2} to {max:.2}");
            [row.what.to_owned(), row.threads.to_string(), per_second, format!("{median:.2}"), span]
        };
        let lines: Vec<[String; 5]> = std::iter::once(head).chain(self.rows.iter().map(line)).collect();
        let pictures = counted(self.pictures, "picture");
        aligned(&lines)
            + &format!("\n{pictures}. decode: files to pixels; load: files to batches as a network takes them.")
    }
}
