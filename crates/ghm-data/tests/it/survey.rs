//! Data sets ruined on purpose, one defect of each kind, and clean ones, of which nothing is said.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clean;
mod ruined;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ghm_data::{FindingKind, Survey, SurveyConfig, open, survey};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::pixels::{jpeg_of, png_of};

const WIDTH: usize = 96;
const HEIGHT: usize = 64;

/// A picture of soft blots that no other seed resembles.
fn blots(seed: u64, width: usize, height: usize) -> ghm_data::Picture {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let coarse: Vec<u8> = (0..12 * 8 * 3).map(|_| rng.random_range(20..230)).collect();
    let level = |x: usize, y: usize, channel: usize| coarse[((y * 8 / height) * 12 + x * 12 / width) * 3 + channel];
    let pixels = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |channel| (x, y, channel))))
        .map(|(x, y, channel)| level(x, y, channel));
    ghm_data::Picture { width, height, pixels: pixels.collect() }
}

fn paint(folder: &Folder, name: &str, seed: u64) {
    folder.write(name, png_of(&blots(seed, WIDTH, HEIGHT)));
}

/// A COCO file under construction.
#[derive(Default)]
struct Coco {
    images: Vec<Value>,
    annotations: Vec<Value>,
    categories: Vec<Value>,
}

impl Coco {
    fn of_classes(names: &[(u64, &str)]) -> Self {
        let categories = names.iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
        Self { categories, ..Self::default() }
    }

    fn image(&mut self, id: u64, file_name: &str) -> &mut Self {
        self.images.push(json!({"id": id, "file_name": file_name, "width": WIDTH, "height": HEIGHT}));
        self
    }

    fn object(&mut self, id: u64, image: u64, class: u64, bbox: [f64; 4]) -> &mut Self {
        self.annotations.push(json!({"id": id, "image_id": image, "category_id": class, "bbox": bbox}));
        self
    }

    fn text(&self) -> String {
        json!({"images": self.images, "annotations": self.annotations, "categories": self.categories}).to_string()
    }
}

fn look(root: &Path) -> Survey {
    survey(&open(root).unwrap(), &SurveyConfig::default(), &|_, _| ())
}

/// Kind and record of each finding, in an order of their own.
fn found(survey: &Survey) -> Vec<(FindingKind, String)> {
    let mut all: Vec<_> = survey.findings.iter().map(|finding| (finding.kind, finding.record.clone())).collect();
    all.sort();
    all
}

/// All files below a folder with their bytes.
fn tree(folder: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tree(&path, all);
        } else {
            all.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
}
