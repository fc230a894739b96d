//! `ghm train --dry-run`: what a run would be.

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::Device;
use ghm_boxes::Bbox;
use ghm_data::{Batch, Category, Dataset, Loader, PixelForm, Pixels, Sample};
use ghm_detector::targets::answering;
use ghm_detector::{Parameters, Precision, Work};
use ghm_report::{DrawnBox, class_colour, write_png};
use ghm_train::Plan;
use ghm_train::learner::{Learner, truth};
use image::RgbImage;

use crate::output::print;
use crate::predict::free_name;
use crate::samples::annotated;
use crate::table::{aligned, counted};
use crate::train::write_findings;

/// The width that narrower pictures are enlarged to: their anchors lie close together.
const WIDTH: u32 = 1000;

/// Tells the network, the schedule and the first batch of a run, and draws that batch into `out`.
pub fn run(plan: &Plan, out: &Path, device: &Device) -> Result<ExitCode> {
    let mut learner = Learner::new(&plan.recipe, plan.categories().len(), device)?;
    if let Some(note) = learner.load_weights()? {
        eprintln!("weights: {note}");
    }
    let batch = first_batch(plan)?;
    let [_, _, height, width] = batch.shape;
    let matches: Vec<Vec<Vec<Bbox>>> = {
        let maps = learner.network.maps([height, width]);
        batch.samples.iter().map(|sample| answering(&plan.recipe.model, &maps, &truth(sample))).collect()
    };
    std::fs::create_dir_all(out).with_context(|| format!("{}: cannot be created", out.display()))?;
    write_findings(&plan.findings, &out.join("findings.txt"))?;
    draw(plan, &batch, &matches, out)?;
    let parts = [data(plan), network(plan, &learner, &batch), schedule(plan), matched(&matches, out)];
    print(&parts.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The batch that training would begin with.
fn first_batch(plan: &Plan) -> Result<Batch> {
    let dataset = plan.train.dataset.clone();
    let loader = Loader::new(dataset, plan.train_pipeline(), plan.train_order(), plan.loader(PixelForm::Bytes))?;
    let Some(batch) = loader.epoch(0, 0).next() else { bail!("the loader ended before its epoch did") };
    for skipped in &batch.skipped {
        eprintln!("warning: {}", skipped.reason);
    }
    ensure!(
        !batch.samples.is_empty(),
        "no picture of the first batch can be read; mend those named above, or set another seed"
    );
    Ok(batch)
}

fn data(plan: &Plan) -> String {
    let line = |name: &str, split: &str, dataset: &Dataset| {
        let objects = dataset.images.iter().flat_map(|image| &image.objects);
        let (labelled, ignored): (Vec<_>, Vec<_>) = objects.partition(|object| !object.ignored);
        let mut counts = vec![0; dataset.categories.len()];
        labelled.iter().for_each(|object| counts[object.class_index] += 1);
        let classes = dataset.categories.iter().zip(counts).map(|(class, count)| format!("{} {count}", class.name));
        format!(
            "{name:<11} `{split}`: {}, {} ({}), {} ignored\n",
            counted(dataset.images.len(), "picture"),
            counted(labelled.len(), "box"),
            shortened(classes.collect()),
            ignored.len()
        )
    };
    let mut text = line("trained on", &plan.train.name, &plan.train.dataset);
    if let Some(validation) = &plan.validation {
        text += &line("evaluated", &validation.name, &validation.dataset);
    }
    text
}

/// The first of many.
fn shortened(mut names: Vec<String>) -> String {
    const SHOWN: usize = 8;
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// Parameters, arithmetic and memory, part by part.
fn network(plan: &Plan, learner: &Learner, batch: &Batch) -> String {
    let [_, _, height, width] = batch.shape;
    let bytes = match plan.recipe.model.precision {
        Precision::F32 => 4,
        Precision::Bf16 => 2,
    };
    let parameters = learner.network.parameters();
    let line = |name: String, parameters: Parameters, work: Work| {
        let giga = |operations: u64| format!("{:.2}", operations as f64 / 1e9);
        let kept = format!("{:.1}", (work.kept * bytes) as f64 / 1e6);
        let [all, trained] = [parameters.all, parameters.trained].map(|count| count.to_string());
        [name, all, trained, giga(work.forward), giga(work.backward), kept]
    };
    let mut lines =
        vec![["part", "parameters", "trained", "GFLOP forward", "backward", "activations, MB"].map(str::to_owned)];
    let (mut all, mut all_work) = (Parameters::default(), Work::default());
    for (part, work) in learner.network.work(1, [height, width]) {
        let own = parameters.get(&part).copied().unwrap_or_default();
        all += own;
        all_work += work;
        lines.push(line(part.to_string(), own, work));
    }
    lines.push(line("all".to_owned(), all, all_work));
    let memory = (all_work.kept * bytes * plan.recipe.schedule.batch as u64) as f64 / 1e6;
    format!(
        "{}of one picture of {width}x{height}; the activations kept for the backward pass take {memory:.0} MB in a batch of {}\n",
        aligned(&lines),
        plan.recipe.schedule.batch
    )
}

fn schedule(plan: &Plan) -> String {
    let schedule = plan.schedule();
    let optimiser = &plan.recipe.optimiser;
    let pictures = plan.recipe.schedule.batch * optimiser.accumulate;
    let head = ["update", "epoch", "learning rate"].map(str::to_owned);
    let line = |step: usize| {
        let rate = schedule.rate(step);
        let rate = if rate > 0.0 && rate < 1e-4 { format!("{rate:.3e}") } else { format!("{rate:.6}") };
        [(step + 1).to_string(), (schedule.epoch(step) + 1).to_string(), rate]
    };
    let lines: Vec<[String; 3]> = std::iter::once(head).chain(schedule.landmarks().into_iter().map(line)).collect();
    let mut text = aligned(&lines);
    text += &format!(
        "{} of {}, {} an epoch",
        counted(schedule.total(), "update"),
        counted(pictures, "picture"),
        plan.updates_per_epoch()
    );
    if plan.recipe.schedule.warmup_steps >= schedule.total() {
        text += &format!("; the warm-up of {} is not over by then", plan.recipe.schedule.warmup_steps);
    }
    if let Some(base) = optimiser.base_batch {
        text += &format!("; the rate of {} is meant for {base} pictures", optimiser.learning_rate);
    }
    if optimiser.backbone_factor != 1.0 {
        text += &format!("; the backbone learns at {} of it", optimiser.backbone_factor);
    }
    text + "\n"
}

fn matched(matches: &[Vec<Vec<Bbox>>], out: &Path) -> String {
    let objects = matches.iter().flatten();
    let anchors: usize = objects.clone().map(Vec::len).sum();
    let unmatched = objects.clone().filter(|anchors| anchors.is_empty()).count();
    format!(
        "first batch: {anchors} anchors answer for {}, none for {unmatched} of them; drawn in {}, each box with its class and the number of its \
         anchors",
        counted(objects.count(), "box"),
        out.display()
    )
}

/// Each picture as the network sees it, with the anchors of each object in thin lines of its class's colour.
fn draw(plan: &Plan, batch: &Batch, matches: &[Vec<Vec<Bbox>>], out: &Path) -> Result<()> {
    let mut names = HashSet::new();
    for (place, (sample, matches)) in batch.samples.iter().zip(matches).enumerate() {
        let name = free_name(&plan.train.dataset.images[sample.image_index].path, &mut names);
        let boxes = boxes(sample, matches, plan.categories());
        let drawn = annotated(&picture(batch, place)?, boxes, WIDTH);
        write_png(&drawn, &out.join(name))?;
    }
    Ok(())
}

fn boxes(sample: &Sample, matches: &[Vec<Bbox>], categories: &[Category]) -> Vec<DrawnBox> {
    let objects = sample.bboxes_in_input.iter().zip(&sample.class_indices).zip(matches);
    let of_anchors = objects.clone().flat_map(|((_, class), anchors)| {
        let colour = class_colour(*class).faded();
        anchors.iter().map(move |anchor| DrawnBox { bbox_in_image: *anchor, label: String::new(), colour })
    });
    let of_objects = objects.map(|((bbox, class), anchors)| {
        let name = categories.get(*class).map_or("", |category| &category.name);
        let count = if anchors.is_empty() { "NONE".to_owned() } else { anchors.len().to_string() };
        DrawnBox { bbox_in_image: *bbox, label: format!("{name} {count}"), colour: class_colour(*class) }
    });
    of_anchors.chain(of_objects).collect()
}

/// One picture of a batch of bytes, its padding included.
fn picture(batch: &Batch, place: usize) -> Result<RgbImage> {
    let [_, _, height, width] = batch.shape;
    let Pixels::Bytes(bytes) = &batch.pixels else { bail!("the batch is not one of bytes") };
    let own = bytes.get(place * height * width * 3..(place + 1) * height * width * 3).map(<[u8]>::to_vec);
    own.and_then(|own| RgbImage::from_raw(width as u32, height as u32, own)).context("the picture has no pixels")
}
