//! Synthetic scenes: small detection pictures with textured backgrounds, six kinds of objects and look-alike clutter.
//!
//! A scene is a function of the seed, its split and its index alone. No thread count, no other scene and no platform's
//! mathematics library has a part in it: the drawing uses exact floating-point operations and square roots only, so
//! the same configuration gives the same bytes everywhere.
//!
//! | module | what it holds |
//! |---|---|
//! | `background`, `clutter`, `layout` | what a scene is made of |
//! | `kind`, `outline` | the object classes and their geometry |
//! | `canvas`, `material`, `finish` | painting: coverage, fills and shadows, light, blur and grain |
//! | `dice`, `texture` | random draws and lattice noise |
//! | `writing` | the COCO data set on disk |

mod background;
mod canvas;
mod clutter;
mod dice;
mod finish;
mod kind;
mod layout;
mod material;
mod outline;
mod texture;
mod writing;

use crate::dataset::Object;
use canvas::{Canvas, Figure};
use dice::Dice;
use finish::Light;
use material::Material;

pub use kind::ObjectKind;
pub use writing::{ScenesError, ScenesWritten, SplitWritten, write_scenes};

/// How many scenes of what size to draw, and how crowded they are.
///
/// The defaults are made for a detector trained from nothing in a few minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SceneConfig {
    /// Width of every picture in pixels, 32 to 4096.
    pub width: u32,
    /// Height of every picture in pixels, 32 to 4096.
    pub height: u32,
    /// Pictures of the training split, at least 1.
    pub train: usize,
    /// Pictures of the validation split, at least 1.
    pub validation: usize,
    /// Seed of everything drawn. Scene `i` of a split stays the same when only the number of scenes changes.
    pub seed: u64,
    /// The most objects a scene has, 1 to 64; the least is two (one where this is one), or fewer where no room is left.
    pub max_objects: usize,
    /// The most unlabelled look-alikes (half discs, open outlines, bent bars, soft blobs, lines) a scene has, up to 64.
    pub clutter: usize,
}

impl Default for SceneConfig {
    fn default() -> Self {
        Self { width: 96, height: 96, train: 1000, validation: 200, seed: 1, max_objects: 4, clutter: 3 }
    }
}

/// Which of the two splits a scene belongs to; the splits share no scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SceneSplit {
    /// Scenes to learn from.
    Train,
    /// Scenes to measure on.
    Validation,
}

impl SceneSplit {
    /// The name of the split's annotation file (without `.json`) and picture folder: `train` or `val`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "val",
        }
    }
}

/// One drawn picture with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height` RGB triples, row by row.
    pub pixels: Vec<u8>,
    /// The labelled objects, rearmost first; `class_index` is [`ObjectKind::class_index`], `annotation_id` counts from
    /// 1 within the scene, and `bbox_in_image` is the tight extent of the whole shape inside the picture, hidden parts
    /// included.
    pub objects: Vec<Object>,
}

/// Draws scene `index` of a split.
///
/// A configuration outside the stated ranges is not refused here (see [`write_scenes`]); it gives a dull picture.
///
/// ```
/// use ghm_data::scenes::{SceneConfig, SceneSplit, render_scene};
///
/// let scene = render_scene(&SceneConfig::default(), SceneSplit::Train, 0);
/// assert_eq!(scene.pixels.len(), 96 * 96 * 3);
/// ```
pub fn render_scene(config: &SceneConfig, split: SceneSplit, index: usize) -> Scene {
    let mut dice = Dice::for_scene(config.seed, split, index);
    let light = Light::roll(&mut dice);
    let mut canvas = Canvas::new(config.width as usize, config.height as usize);
    background::paint(&mut canvas, &mut dice);
    clutter::paint(&mut canvas, config.clutter, light, &mut dice);
    let placed = layout::place(config, &mut dice);
    for object in &placed {
        let material = Material::against(canvas.mean_within(object.bbox_in_image), light, &mut dice);
        let distance = |x, y| object.outline.distance(x, y);
        canvas.paint(&Figure { bounds: object.outline.extent(), distance: &distance }, &material);
    }
    finish::develop(&mut canvas, light, &mut dice);
    let objects = placed.iter().enumerate().map(|(k, object)| object.to_label(k as u64 + 1)).collect();
    Scene { width: config.width, height: config.height, pixels: canvas.into_bytes(), objects }
}
