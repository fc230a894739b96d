//! The network and the pictures that are timed: a recipe's, or the published network on made-up ones.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::Device;
use ghm_boxes::Bbox;
use ghm_data::{Batch, PixelForm, Pixels, Sample, Transform};
use ghm_train::{Plan, Recipe, open_device};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::arguments::BenchWhat;
use crate::train::plan;

/// Sides of pictures are multiples of this.
const SIDE_STEP: usize = 32;

/// Objects in each made-up picture.
const OBJECTS: usize = 7;

/// The longest side of a made-up picture; a recipe's input has the same limit.
const LONGEST: usize = ghm_data::MAX_SIDE;

/// Numbers beyond which memory or patience would end first.
const MOST_THREADS: usize = 256;
const MOST_REPEATS: usize = 100_000;
const MOST_PICTURES: usize = 4096;
const MOST_CLASSES: usize = 100_000;

/// Keys that say nothing of made-up pictures.
const OF_FILES: [&str; 6] = ["data.", "input.", "augment.", "schedule.", "evaluation.", "model.weights"];

/// What is timed.
pub struct Subject {
    pub recipe: Recipe,
    pub classes: usize,
    /// The data of the recipe; without a recipe pictures are made up.
    pub plan: Option<Plan>,
    /// Width and height of made-up pictures.
    pub size: (usize, usize),
}

impl Subject {
    pub fn of(what: &BenchWhat) -> Result<Self> {
        check_repeats(what.repeats)?;
        check("--classes", what.classes, MOST_CLASSES)?;
        let (width, height) = (what.size[0], what.size[1]);
        let fits = |side: usize| (SIDE_STEP..=LONGEST).contains(&side) && side.is_multiple_of(SIDE_STEP);
        let wanted = format!("give two multiples of {SIDE_STEP} from {SIDE_STEP} to {LONGEST}");
        ensure!(fits(width) && fits(height), "--size {width} {height}: {wanted}");
        let Some(path) = &what.recipe else {
            let of_files = what.overrides.iter().find(|change| OF_FILES.iter().any(|key| change.starts_with(key)));
            if let Some(change) = of_files {
                bail!("{change}: says nothing of made-up pictures; give --size and --batch, or a --recipe");
            }
            let recipe = Recipe::parse("[data]\nroot = \"made-up\"", &what.overrides)?;
            recipe.validate()?;
            return Ok(Self { recipe, classes: what.classes, plan: None, size: (width, height) });
        };
        let plan = plan(Recipe::read(path, &what.overrides)?)?;
        let [width, height] =
            [plan.recipe.input.width, plan.recipe.input.height].map(|side| side.next_multiple_of(SIDE_STEP));
        let (recipe, classes) = (plan.recipe.clone(), plan.categories().len());
        Ok(Self { recipe, classes, plan: Some(plan), size: (width, height) })
    }

    /// Pictures of noise with boxes, the same every time.
    pub fn made_up(&self, pictures: usize, form: PixelForm) -> Batch {
        let (width, height) = self.size;
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let count = pictures * 3 * width * height;
        let pixels = match form {
            PixelForm::Planes => Pixels::Planes((0..count).map(|_| random.random_range(-2.0..2.0)).collect()),
            PixelForm::Bytes => Pixels::Bytes((0..count).map(|_| random.random()).collect()),
        };
        let samples = (0..pictures).map(|index| self.sample(index, &mut random)).collect();
        Batch { epoch: 0, step: 0, pixels, shape: [pictures, 3, height, width], samples, skipped: Vec::new() }
    }

    fn sample(&self, index: usize, random: &mut ChaCha8Rng) -> Sample {
        let (width, height) = self.size;
        let mut bbox = || {
            let side = |most: usize, random: &mut ChaCha8Rng| {
                let length = random.random_range(0.1..0.5) * most as f32;
                let start = random.random_range(0.0..most as f32 - length);
                (start, start + length)
            };
            let ((x1, x2), (y1, y2)) = (side(width, random), side(height, random));
            Bbox { x1, y1, x2, y2 }
        };
        Sample {
            image_id: index as u64 + 1,
            image_index: index,
            bboxes_in_input: (0..OBJECTS).map(|_| bbox()).collect(),
            class_indices: (0..OBJECTS).map(|object| (index + object) % self.classes).collect(),
            annotation_ids: (0..OBJECTS as u64).collect(),
            ignored_in_input: Vec::new(),
            input_from_image: Transform::IDENTITY,
            content_size: self.size,
            image_size: (width as u32, height as u32),
        }
    }
}

/// Refuses a number of 0, or one that is absurd.
fn check(option: &str, value: usize, most: usize) -> Result<()> {
    ensure!((1..=most).contains(&value), "{option} {value}: give at least 1 and at most {most}");
    Ok(())
}

/// Refuses as [`check`] does.
pub fn check_batch(pictures: usize) -> Result<()> {
    check("--batch", pictures, MOST_PICTURES)
}

/// Refuses as [`check`] does.
pub fn check_threads(threads: Option<usize>) -> Result<()> {
    threads.map_or(Ok(()), |threads| check("--threads", threads, MOST_THREADS))
}

/// Refuses as [`check`] does.
pub fn check_repeats(repeats: usize) -> Result<()> {
    check("--repeats", repeats, MOST_REPEATS)
}

/// So many threads, or one for each core.
pub fn pool(threads: Option<usize>) -> Result<ThreadPool> {
    check_threads(threads)?;
    let pool = ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    pool.with_context(|| format!("--threads {}: so many cannot be started", threads.unwrap_or(0)))
}

/// A device and its name; the CPU's where another was asked for and is not there.
pub fn named_device(wanted: &str) -> Result<(Device, String)> {
    let (device, note) = open_device(wanted)?;
    let Some(note) = note else { return Ok((device, wanted.to_owned())) };
    eprintln!("warning: {note}");
    Ok((device, "cpu".to_owned()))
}

/// What a JSON says of the pictures.
pub fn name_of(recipe: Option<&PathBuf>) -> String {
    recipe.map_or("made-up".to_owned(), |path| path.display().to_string())
}
