//! The network and the pictures that are timed: a recipe's, or the published network on made-up ones.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use ghm_boxes::Bbox;
use ghm_data::{Batch, Sample, Transform};
use ghm_train::{Plan, Recipe};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::arguments::BenchWhat;

/// Sides of pictures are multiples of this.
const SIDE_STEP: usize = 32;

/// Objects in each made-up picture.
const OBJECTS: usize = 7;

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
        ensure!(what.repeats > 0, "--repeats 0: give at least 1");
        let (width, height) = (what.size[0], what.size[1]);
        let fits = |side: usize| side > 0 && side.is_multiple_of(SIDE_STEP);
        ensure!(fits(width) && fits(height), "--size {width} {height}: give two multiples of {SIDE_STEP}");
        ensure!(what.classes > 0, "--classes 0: give at least 1");
        let Some(path) = &what.recipe else {
            let recipe = Recipe::parse("[data]\nroot = \"made-up\"", &what.overrides)?;
            recipe.validate()?;
            return Ok(Self { recipe, classes: what.classes, plan: None, size: (width, height) });
        };
        let plan = Plan::new(Recipe::read(path, &what.overrides)?)?;
        Ok(Self {
            recipe: plan.recipe.clone(),
            classes: plan.categories().len(),
            plan: Some(plan),
            size: (width, height),
        })
    }

    /// Pictures of noise with boxes, the same every time.
    pub fn made_up(&self, pictures: usize) -> Batch {
        let (width, height) = self.size;
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let pixels = (0..pictures * 3 * width * height).map(|_| random.random_range(-2.0..2.0)).collect();
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

/// So many threads, or one for each core.
pub fn pool(threads: Option<usize>) -> Result<ThreadPool> {
    ensure!(threads != Some(0), "--threads 0: give at least 1");
    let pool = ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    pool.with_context(|| format!("--threads {}: so many cannot be started", threads.unwrap_or(0)))
}

/// What a JSON says of the pictures.
pub fn name_of(recipe: Option<&PathBuf>) -> String {
    recipe.map_or("made-up".to_owned(), |path| path.display().to_string())
}
