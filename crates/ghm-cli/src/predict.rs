//! `ghm predict`.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use ghm_data::{Dataset, ImageRecord, read_size};
use ghm_eval::{Detection, write_detections};
use ghm_report::write_png;
use ghm_train::Predictor;
use ghm_train::predictor::Predictions;
use serde_json::json;

use crate::arguments::PredictArguments;
use crate::model;
use crate::output::{free_path, print};
use crate::samples::{LEGIBLE, annotated, drawn, open_picture};
use crate::table::counted;
use crate::train::device;

/// Endings of the files taken from a folder.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

/// The list of pictures beside their drawings.
const LIST: &str = "images.json";

/// Runs the verb.
pub fn run(arguments: &PredictArguments) -> Result<ExitCode> {
    ensure!((0.0..=1.0).contains(&arguments.score), "--score {}: give a number from 0 to 1", arguments.score);
    let paths = pictures(&arguments.images)?;
    let mut predictor = model::open(&arguments.model, &device(&arguments.device)?)?;
    predictor.set_score(arguments.score);
    let run = if arguments.model.model.is_dir() { &arguments.model.model } else { Path::new("") };
    let out = arguments.out.clone().unwrap_or_else(|| free_path(&run.join("predictions")));
    let json_path = arguments.json.clone().unwrap_or_else(|| out.join("detections.json"));
    expect_free(&out, &json_path)?;
    std::fs::create_dir_all(&out).with_context(|| format!("{}: cannot be created", out.display()))?;
    let (dataset, unreadable) = dataset(&predictor, paths);
    let dataset = Arc::new(dataset);
    let (predictions, drawings) = find_and_draw(&predictor, &dataset, &out)?;
    eprintln!();
    for reason in unreadable.iter().chain(predictions.skipped.iter().map(|s| &s.reason)) {
        eprintln!("warning: left out: {reason}");
    }
    write_list(&drawings, &out)?;
    write_detections(&json_path, &predictions.detections)?;
    let (boxes, pictures) = (predictions.detections.len(), drawings.len());
    print(&format!("{} in {}: {}", counted(boxes, "box"), counted(pictures, "picture"), out.display()))?;
    let skipped = unreadable.len() + predictions.skipped.len();
    Ok(if skipped > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Refuses places that hold something already, or that cannot be written to, before any work is done.
fn expect_free(out: &Path, json_path: &Path) -> Result<()> {
    let occupied = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some());
    ensure!(!occupied, "{}: holds files already, and nothing is overwritten; give another --out", out.display());
    ensure!(!json_path.exists(), "{}: exists already and is not overwritten; give another --json", json_path.display());
    let own =
        json_path.file_name().is_some_and(|name| name == LIST) || json_path.extension().is_some_and(|e| e == "png");
    let taken = json_path == out || json_path.parent() == Some(out) && own;
    ensure!(!taken, "{}: goes to the place of a picture or of their list; give another --json", json_path.display());
    let folder = json_path.parent().filter(|folder| *folder != out && !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        ensure!(folder.is_dir(), "{}: no such folder for --json; create it first", folder.display());
    }
    Ok(())
}

/// The picture files that the arguments name, in order, each once.
fn pictures(arguments: &[String]) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for argument in arguments {
        let path = Path::new(argument);
        if path.is_dir() {
            let entries = std::fs::read_dir(path).with_context(|| format!("{}: cannot be read", path.display()))?;
            let inside: std::io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
            let mut inside = inside.with_context(|| format!("{}: cannot be read", path.display()))?;
            inside.retain(|path| is_picture(path));
            ensure!(!inside.is_empty(), "{}: no .jpg, .jpeg or .png file in this folder", path.display());
            inside.sort();
            paths.extend(inside);
        } else if path.is_file() {
            paths.push(path.to_owned());
        } else {
            let matches = glob::glob(argument).with_context(|| format!("{argument}: not a file and not a pattern"))?;
            let found: Result<Vec<PathBuf>, _> = matches.collect();
            let mut found = found.with_context(|| format!("{argument}: part of what it matches cannot be read"))?;
            found.retain(|path| path.is_file());
            ensure!(!found.is_empty(), "{argument}: no such file, and as a pattern it matches nothing");
            found.sort();
            paths.extend(found);
        }
    }
    let mut seen = HashSet::new();
    paths.retain(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    Ok(paths)
}

/// Whether a file of a folder is taken: a picture by its ending, and not hidden.
fn is_picture(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    !hidden && path.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// The pictures as a data set without labels, and why some are not in it.
fn dataset(predictor: &Predictor, paths: Vec<PathBuf>) -> (Dataset, Vec<String>) {
    let (mut images, mut unreadable) = (Vec::new(), Vec::new());
    for (index, path) in paths.into_iter().enumerate() {
        match read_size(&path) {
            Ok((width, height)) => images.push(ImageRecord {
                labels: PathBuf::new(),
                id: index as u64 + 1,
                file_name: path.display().to_string(),
                path,
                width,
                height,
                objects: Vec::new(),
            }),
            Err(error) => unreadable.push(error.to_string()),
        }
    }
    (Dataset { categories: predictor.categories().to_vec(), images }, unreadable)
}

/// A picture and the name of its drawing.
type Drawing<'a> = (&'a ImageRecord, String);

/// Finds boxes; pictures are drawn by threads that have nothing else to do, while others are read and looked at.
fn find_and_draw<'a>(
    predictor: &Predictor,
    dataset: &'a Arc<Dataset>,
    out: &Path,
) -> Result<(Predictions, Vec<Drawing<'a>>)> {
    let (mut names, mut drawings, failure) = (HashSet::new(), Vec::new(), Mutex::new(None));
    let predictions = rayon::in_place_scope(|scope| {
        predictor.run_telling(dataset, |found| {
            eprint!("\r{}/{} pictures", found.done, found.total);
            for &index in found.image_indices {
                let image = &dataset.images[index];
                let name = free_name(&image.path, &mut names);
                let path = out.join(&name);
                drawings.push((image, name));
                let boxes: Vec<Detection> =
                    found.detections.iter().filter(|d| d.image_id == image.id).cloned().collect();
                let failure = &failure;
                scope.spawn(move |_| {
                    if let Err(error) = draw(image, &boxes, predictor, &path) {
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                });
            }
            // A disk that is full stays so.
            match *failure.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        })
    })?;
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok((predictions, drawings)),
    }
}

/// The name of a picture's drawing, which no other has: `NAME.png`, or the first of `NAME-2.png`, `NAME-3.png`, ...
pub fn free_name(path: &Path, taken: &mut HashSet<String>) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let numbered = (2..).map(|number| format!("{stem}-{number}.png"));
    let name = std::iter::once(format!("{stem}.png")).chain(numbered).find(|name| !taken.contains(name));
    let name = name.unwrap_or_default(); // the numbers have no end
    taken.insert(name.clone());
    name
}

/// Writes a picture with its boxes.
fn draw(image: &ImageRecord, boxes: &[Detection], predictor: &Predictor, path: &Path) -> Result<()> {
    // What cannot be read has been reported already.
    let Ok(picture) = open_picture(&image.path) else { return Ok(()) };
    write_png(&annotated(&picture, drawn(boxes.iter(), predictor.categories()), LEGIBLE), path)?;
    Ok(())
}

/// Writes a list of which number stands for which file and which drawing.
fn write_list(drawings: &[Drawing], out: &Path) -> Result<()> {
    let entry = |(image, drawing): &Drawing| {
        let (width, height) = (image.width, image.height);
        json!({"id": image.id, "file_name": image.file_name, "width": width, "height": height, "drawing": drawing})
    };
    let text = serde_json::to_string_pretty(&drawings.iter().map(entry).collect::<Vec<_>>())?;
    let path = out.join(LIST);
    std::fs::write(&path, text).with_context(|| format!("{}: cannot be written", path.display()))
}
