//! Boxes in wrong places.

use ghm_boxes::Bbox;
use rand::{Rng, SeedableRng};

use crate::dataset::ImageRecord;

/// How far a centre moves, in sides of the box, and how much a side grows or shrinks, as a natural logarithm; at most.
const MOVE: f32 = 0.4;
const SCALE: f32 = 0.5;

/// IoU of a displaced box with the right one: clearly wrong, and clearly still the object's.
const LEAST: f32 = 0.3;
const MOST: f32 = 0.7;

/// The most a box about nothing may overlap another.
const OVERLAP: f32 = 0.1;

/// Fewest pixels of a side.
const SIDE: f32 = 2.0;

/// Places tried before it is given up.
const TRIES: usize = 100;

/// A box moved and scaled, inside its picture; `None` where none is found, as for a box of a few pixels.
pub(super) fn displaced(bbox: Bbox, image: &ImageRecord, dice: &mut impl Rng) -> Option<Bbox> {
    // Its own numbers, so that tries do not move those of the next object.
    let mut own = rand_chacha::ChaCha8Rng::from_rng(dice);
    let mut try_one = || {
        let mut around = |most: f32| own.random_range(-most..=most);
        let (cx, cy) = bbox.center();
        let (cx, cy) = (cx + around(MOVE) * bbox.width(), cy + around(MOVE) * bbox.height());
        let (width, height) = (bbox.width() * around(SCALE).exp(), bbox.height() * around(SCALE).exp());
        inside(Bbox::from_center(cx, cy, width, height), image)
    };
    (0..TRIES).filter_map(|_| try_one()).find(|moved| (LEAST..=MOST).contains(&moved.iou(bbox)))
}

/// A box of the size of `model` away from those that are there.
pub(super) fn free_place(model: Bbox, taken: &[Bbox], image: &ImageRecord, dice: &mut impl Rng) -> Option<Bbox> {
    let (width, height) = (model.width().min(image.width as f32), model.height().min(image.height as f32));
    let mut try_one = || {
        let x = dice.random_range(0.0..=image.width as f32 - width);
        let y = dice.random_range(0.0..=image.height as f32 - height);
        inside(Bbox::new(x, y, x + width, y + height), image)
    };
    (0..TRIES).filter_map(|_| try_one()).find(|bbox| taken.iter().all(|other| bbox.iou(*other) <= OVERLAP))
}

/// The part inside the picture, to hundredths of a pixel, where it is large enough.
fn inside(bbox: Bbox, image: &ImageRecord) -> Option<Bbox> {
    let clipped = bbox.clip(image.width as f32, image.height as f32);
    let rounded = |edge: f32| (edge * 100.0).round() / 100.0;
    let bbox = Bbox::new(rounded(clipped.x1), rounded(clipped.y1), rounded(clipped.x2), rounded(clipped.y2));
    (bbox.width() >= SIDE && bbox.height() >= SIDE).then_some(bbox)
}
