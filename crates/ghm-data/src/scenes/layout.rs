//! Where the objects of a scene lie: their kinds, sizes and places, overlapping a little but never hidden.

use ghm_boxes::Bbox;

use super::SceneConfig;
use super::dice::Dice;
use super::kind::ObjectKind;
use super::outline::Outline;
use crate::dataset::Object;

/// Tries at a free place before an object is left out.
const TRIES: usize = 40;
/// Two boxes overlap by no more than this IoU.
const MOST_IOU: f32 = 0.2;
/// The part of an object's pixels that stays visible, at least; what lies outside the picture counts as hidden.
const LEAST_VISIBLE: f32 = 0.55;
/// The height for which the sizes below are stated; smaller pictures get smaller objects, larger ones larger.
const REFERENCE_HEIGHT: f32 = 120.0;

/// An object that has its place.
pub(super) struct Placed {
    pub(super) kind: ObjectKind,
    pub(super) outline: Outline,
    /// Tight extent of the part inside the picture.
    pub(super) bbox_in_image: Bbox,
    /// Pixels that the shape would cover if nothing hid it and the picture had no end.
    area: usize,
}

impl Placed {
    /// The object as the data set has it.
    pub(super) fn to_label(&self, annotation_id: u64) -> Object {
        Object {
            annotation_id,
            record: annotation_id,
            class_index: self.kind.class_index(),
            bbox_in_image: self.bbox_in_image,
            ignored: false,
            area: f64::from(self.bbox_in_image.area()),
        }
    }
}

/// Which object shows at each pixel of the picture.
struct Owners {
    width: usize,
    height: usize,
    topmost: Vec<Option<usize>>,
}

/// Places the objects of a scene, rearmost first.
pub(super) fn place(config: &SceneConfig, dice: &mut Dice) -> Vec<Placed> {
    let (width, height) = (config.width as usize, config.height as usize);
    let mut owners = Owners { width, height, topmost: vec![None; width * height] };
    let mut placed: Vec<Placed> = Vec::new();
    for _ in 0..dice.count(config.max_objects.min(2), config.max_objects) {
        let kind = ObjectKind::roll(dice);
        let (shape, size) = (kind.shape(dice), roll_size(config, dice));
        for _ in 0..TRIES {
            let turns = dice.unit();
            // The centre keeps away from the border, so that at least four fifths of the width and height show.
            let center = [config.width as f32, config.height as f32]
                .map(|length| dice.between(0.3 * size, (length - 0.3 * size).max(0.3 * size)));
            let outline = shape.clone().placed(turns, size, center);
            let Some(bbox_in_image) = visible_box(&outline, config) else { continue };
            if placed.iter().any(|other| other.bbox_in_image.iou(bbox_in_image) > MOST_IOU) {
                continue;
            }
            if let Some(area) = owners.try_cover(&outline, &placed) {
                placed.push(Placed { kind, outline, bbox_in_image, area });
                break;
            }
        }
    }
    placed
}

/// The tight box of the part inside the picture, to 1/64 of a pixel: exact as a float and in the written decimals.
fn visible_box(outline: &Outline, config: &SceneConfig) -> Option<Bbox> {
    let (width, height) = (config.width as f32, config.height as f32);
    let tight = outline.extent_within(width, height)?.clip(width, height);
    let bbox = Bbox::from_corners(tight.corners().map(|edge| (edge * 64.0).round() / 64.0));
    bbox.is_proper().then_some(bbox)
}

/// A long side in pixels: for pictures 120 high mostly 26 to 72, seldom 14 to 26 or 72 to 90.
fn roll_size(config: &SceneConfig, dice: &mut Dice) -> f32 {
    let scale = config.width.min(config.height) as f32 / REFERENCE_HEIGHT;
    let size = match dice.unit() {
        pick if pick < 0.10 => dice.between(14.0, 26.0),
        pick if pick < 0.92 => dice.between(26.0, 72.0),
        _ => dice.between(72.0, 90.0),
    };
    size * scale
}

/// Whole-numbered coordinates of the pixels whose centres lie in the shape, inside the picture or not.
fn pixels_of(outline: &Outline) -> impl Iterator<Item = (i32, i32)> + '_ {
    let extent = outline.extent();
    let columns = extent.x1.floor() as i32..extent.x2.ceil() as i32;
    let rows = extent.y1.floor() as i32..extent.y2.ceil() as i32;
    rows.flat_map(move |y| columns.clone().map(move |x| (x, y)))
        .filter(|&(x, y)| outline.contains(x as f32 + 0.5, y as f32 + 0.5))
}

impl Owners {
    /// Lays a shape over the placed ones and returns its whole area in pixels, unless it would be cut off too much
    /// itself or hide too much of one of them.
    fn try_cover(&mut self, outline: &Outline, placed: &[Placed]) -> Option<usize> {
        let pixels: Vec<(i32, i32)> = pixels_of(outline).collect();
        let inside: Vec<usize> = pixels.iter().filter_map(|&(x, y)| self.index(x, y)).collect();
        if (inside.len() as f32) < LEAST_VISIBLE * pixels.len() as f32 {
            return None;
        }
        let mut visible = vec![0usize; placed.len()];
        let mut hidden = vec![0usize; placed.len()];
        self.topmost.iter().flatten().for_each(|&owner| visible[owner] += 1);
        inside.iter().filter_map(|&index| self.topmost[index]).for_each(|owner| hidden[owner] += 1);
        let shows = |k: usize| (visible[k] - hidden[k]) as f32 >= LEAST_VISIBLE * placed[k].area as f32;
        if !(0..placed.len()).all(shows) {
            return None;
        }
        inside.into_iter().for_each(|index| self.topmost[index] = Some(placed.len()));
        Some(pixels.len())
    }

    fn index(&self, x: i32, y: i32) -> Option<usize> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        (x < self.width && y < self.height).then(|| y * self.width + x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::canvas::{Canvas, Figure};
    use crate::scenes::finish::Light;
    use crate::scenes::material::Material;
    use crate::scenes::{SceneSplit, dice::Dice};

    fn painted_extent(object: &Placed, config: &SceneConfig) -> Bbox {
        let mut dice = Dice::for_scene(0, SceneSplit::Train, 0);
        let mut canvas = Canvas::new(config.width as usize, config.height as usize);
        let material = Material::plain([1.0; 3], Light::roll(&mut dice));
        let distance = |x: f32, y: f32| object.outline.distance(x, y);
        canvas.paint(&Figure { bounds: object.outline.extent(), distance: &distance }, &material);
        let bytes = canvas.into_bytes();
        let lit = (0..bytes.len() / 3)
            .filter(|k| bytes[3 * k] > 90)
            .map(|k| (k as u32 % config.width, k as u32 / config.width));
        lit.fold(Bbox::new(1e9, 1e9, -1e9, -1e9), |extent, (x, y)| {
            let (x, y) = (x as f32, y as f32);
            Bbox::new(extent.x1.min(x), extent.y1.min(y), extent.x2.max(x + 1.0), extent.y2.max(y + 1.0))
        })
    }

    #[test]
    fn boxes_agree_with_the_painted_pixels_to_one_pixel_at_the_border_too() {
        let config = SceneConfig::default();
        let (mut checked, mut cut) = (0, 0);
        for index in 0..60 {
            for object in place(&config, &mut Dice::for_scene(11, SceneSplit::Train, index)) {
                let (painted, label) = (painted_extent(&object, &config), object.bbox_in_image);
                let pairs =
                    [(painted.x1, label.x1), (painted.y1, label.y1), (painted.x2, label.x2), (painted.y2, label.y2)];
                assert!(pairs.iter().all(|(a, b)| (a - b).abs() <= 1.0), "{:?}: {painted:?} {label:?}", object.kind);
                checked += 1;
                cut += usize::from((label.area() - object.outline.extent().area()).abs() > 20.0);
            }
        }
        assert!(checked > 150 && cut > 10, "{checked} objects, {cut} of them cut off by the border");
    }

    #[test]
    fn every_object_stays_mostly_visible() {
        let config = SceneConfig { max_objects: 12, ..SceneConfig::default() };
        for index in 0..20 {
            let placed = place(&config, &mut Dice::for_scene(4, SceneSplit::Validation, index));
            for (k, object) in placed.iter().enumerate() {
                let seen = pixels_of(&object.outline).filter(|&(x, y)| {
                    let inside = x >= 0 && y >= 0 && x < config.width as i32 && y < config.height as i32;
                    let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
                    inside && !placed[k + 1..].iter().any(|later| later.outline.contains(x, y))
                });
                assert!(seen.count() as f32 >= LEAST_VISIBLE * object.area as f32);
            }
        }
    }
}
