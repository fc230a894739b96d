//! Labels made wrong on purpose, each change written down: what an audit should find, and what training has to bear.
//!
//! Four kinds, each at its own rate per object and from its own random numbers, so that a higher rate changes what a lower one
//! changed and more, and one kind's rate does not move another's choice. An object may be given a wrong class and a wrong box.

use std::collections::BTreeMap;

use ghm_boxes::Bbox;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::coco::xywh;
use crate::dataset::{Dataset, ImageRecord, Object};
use confusion::Confusion;
use place::{displaced, free_place};

mod confusion;
mod place;

/// Rates per object, each 0 to 1, and the seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseConfig {
    /// Objects that lose their label.
    #[serde(default)]
    pub drop: f64,
    /// Objects that get the label of another class.
    #[serde(default)]
    pub flip: f64,
    /// Objects whose box is moved and scaled to an IoU of 0.3 to 0.7 with the right one.
    #[serde(default)]
    pub shift: f64,
    /// Boxes about nothing, for each object: of another object's size and class, where no object is.
    #[serde(default)]
    pub spawn: f64,
    /// Weights of the class that a class is taken for, by name: `{"cat": {"dog": 3, "fox": 1}}`; classes that are not in it, and
    /// all of them without it, are taken for any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<BTreeMap<String, BTreeMap<String, f64>>>,
    /// The seed.
    #[serde(default)]
    pub seed: u64,
}

/// One wrong label, and what was right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Change {
    /// The label is gone.
    Drop {
        /// The picture.
        image_id: u64,
        /// The label's number, which no label has now.
        annotation_id: u64,
        /// The class that was right, by name.
        class: String,
        /// `[x, y, width, height]` of the box that was right, in pixels.
        bbox: [f64; 4],
    },
    /// The class is another.
    Flip {
        /// The picture.
        image_id: u64,
        /// The label.
        annotation_id: u64,
        /// The class that it has now.
        class: String,
        /// The class that was right.
        was: String,
    },
    /// The box is another.
    Shift {
        /// The picture.
        image_id: u64,
        /// The label.
        annotation_id: u64,
        /// The box that it has now.
        bbox: [f64; 4],
        /// The box that was right.
        was: [f64; 4],
    },
    /// The label is of nothing.
    Spawn {
        /// The picture.
        image_id: u64,
        /// The label.
        annotation_id: u64,
        /// Its class.
        class: String,
        /// Its box.
        bbox: [f64; 4],
    },
}

/// Why labels cannot be made wrong that way.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoiseError {
    /// A rate out of its range.
    #[error("{key} = {value}: a rate lies between 0 and 1")]
    Rate {
        /// Which.
        key: &'static str,
        /// Its value.
        value: f64,
    },
    /// Classes cannot be flipped where there is one.
    #[error("flip = {flip}: there is one class alone, `{class}`")]
    OneClass {
        /// The rate.
        flip: f64,
        /// The class.
        class: String,
    },
    /// No numbers are left for new labels.
    #[error("annotation {last}: no numbers are left above it for new labels; number the annotations anew")]
    Ids {
        /// The largest.
        last: u64,
    },
    /// A name of the confusions that is no class, or a weight that is no weight.
    #[error("confusion: {reason}")]
    Confusion {
        /// What is wrong.
        reason: String,
    },
}

impl NoiseConfig {
    /// The mixed protocol: all four kinds at one rate.
    pub fn mixed(rate: f64, seed: u64) -> Self {
        Self { drop: rate, flip: rate, shift: rate, spawn: rate, confusion: None, seed }
    }

    /// Refuses rates out of range.
    ///
    /// # Errors
    /// [`NoiseError::Rate`].
    pub fn validate(&self) -> Result<(), NoiseError> {
        let rates = [("drop", self.drop), ("flip", self.flip), ("shift", self.shift), ("spawn", self.spawn)];
        let wrong = rates.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value));
        wrong.map_or(Ok(()), |(key, value)| Err(NoiseError::Rate { key, value }))
    }
}

/// Random numbers of one kind of noise.
fn dice(seed: u64, kind: u64) -> ChaCha8Rng {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    dice.set_stream(kind);
    dice
}

/// The data set with wrong labels, and every change, picture by picture. Crowds and difficult objects stay as they are.
///
/// # Errors
/// [`NoiseError`] for settings that cannot be.
pub fn corrupt(dataset: &Dataset, config: &NoiseConfig) -> Result<(Dataset, Vec<Change>), NoiseError> {
    config.validate()?;
    let confusion = Confusion::new(config, dataset)?;
    let mut noise = Noise {
        config,
        dataset,
        confusion,
        dice: [1, 2, 3, 4].map(|kind| dice(config.seed, kind)),
        next_id: free_id(dataset)?,
        models: dataset.images.iter().flat_map(|image| &image.objects).filter(|object| !object.ignored).collect(),
        changes: Vec::new(),
    };
    let images = dataset.images.iter().map(|image| noise.image(image)).collect();
    Ok((Dataset { categories: dataset.categories.clone(), images }, noise.changes))
}

/// A number above all labels', with as many more to follow.
fn free_id(dataset: &Dataset) -> Result<u64, NoiseError> {
    let ids = dataset.images.iter().flat_map(|image| &image.objects).map(|object| object.annotation_id);
    let (last, objects) = (ids.clone().max().unwrap_or(0), ids.count() as u64);
    last.checked_add(objects + 1).map(|_| last + 1).ok_or(NoiseError::Ids { last })
}

struct Noise<'a> {
    config: &'a NoiseConfig,
    dataset: &'a Dataset,
    confusion: Confusion,
    /// Of drops, flips, shifts, spawns.
    dice: [ChaCha8Rng; 4],
    next_id: u64,
    /// Objects whose size and class a box about nothing may have.
    models: Vec<&'a Object>,
    changes: Vec<Change>,
}

impl Noise<'_> {
    fn image(&mut self, image: &ImageRecord) -> ImageRecord {
        let mut objects: Vec<Object> = image.objects.iter().filter_map(|object| self.object(image, object)).collect();
        for _ in image.objects.iter().filter(|object| !object.ignored) {
            // Kept apart from the objects that are there in truth: one that lost its label is no place of nothing.
            let spawned = self.spawn(image, &objects);
            objects.extend(spawned);
        }
        ImageRecord { objects, ..image.clone() }
    }

    /// What becomes of an object. Every die is thrown for every object, whatever the rates.
    fn object(&mut self, image: &ImageRecord, object: &Object) -> Option<Object> {
        if object.ignored {
            return Some(object.clone());
        }
        let [drop, flip, shift, _] = &mut self.dice;
        let dropped = drop.random::<f64>() < self.config.drop;
        let (flipped, other) = (flip.random::<f64>() < self.config.flip, self.confusion.draw(object.class_index, flip));
        let (shifted, moved) =
            (shift.random::<f64>() < self.config.shift, displaced(object.bbox_in_image, image, shift));
        let name = |class: usize| self.dataset.categories[class].name.clone();
        let (image_id, annotation_id) = (image.id, object.annotation_id);
        if dropped {
            let (class, bbox) = (name(object.class_index), xywh(object.bbox_in_image));
            self.changes.push(Change::Drop { image_id, annotation_id, class, bbox });
            return None;
        }
        let mut wrong = object.clone();
        if let (true, Some(other)) = (flipped, other) {
            wrong.class_index = other;
            let (class, was) = (name(other), name(object.class_index));
            self.changes.push(Change::Flip { image_id, annotation_id, class, was });
        }
        if let (true, Some(moved)) = (shifted, moved) {
            (wrong.bbox_in_image, wrong.area) = (moved, f64::from(moved.area()));
            let (bbox, was) = (xywh(moved), xywh(object.bbox_in_image));
            self.changes.push(Change::Shift { image_id, annotation_id, bbox, was });
        }
        Some(wrong)
    }

    fn spawn(&mut self, image: &ImageRecord, there: &[Object]) -> Option<Object> {
        let spawn = &mut self.dice[3];
        let spawned = spawn.random::<f64>() < self.config.spawn;
        // The same number of throws whatever comes of them.
        let (model, mut own) = (spawn.random_range(0..self.models.len()), ChaCha8Rng::seed_from_u64(spawn.random()));
        if !spawned {
            return None;
        }
        let model = self.models[model];
        let taken: Vec<Bbox> = image.objects.iter().chain(there).map(|object| object.bbox_in_image).collect();
        let bbox = free_place(model.bbox_in_image, &taken, image, &mut own)?;
        let annotation_id = self.next_id;
        self.next_id += 1;
        let class = self.dataset.categories[model.class_index].name.clone();
        self.changes.push(Change::Spawn { image_id: image.id, annotation_id, class, bbox: xywh(bbox) });
        Some(Object {
            annotation_id,
            record: annotation_id,
            class_index: model.class_index,
            bbox_in_image: bbox,
            ignored: false,
            area: f64::from(bbox.area()),
        })
    }
}
