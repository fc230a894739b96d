//! Accepted suspicions brought into the labels: mended, or ignored where it is not known what would be right.

use std::collections::{BTreeMap, HashMap};

use ghm_boxes::Bbox;
use ghm_data::{Category, Dataset, ImageRecord, Object};

use crate::error::AuditError;
use crate::ranking::Suspect;
use crate::suspicion::Kind;

/// How many labels were changed, by kind of mistake and remedy.
pub type Changes = BTreeMap<(Kind, Remedy), usize>;

/// What is done about a suspicion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Remedy {
    /// Classes and boxes become as suggested, missing labels are added, labels of nothing and second labels taken away.
    Mend,
    /// The label, or a new one where one is missing, is marked as ignored: neither object nor background.
    Ignore,
}

/// The data set with the accepted suspicions dealt with. New labels get numbers that follow the others.
///
/// # Errors
/// [`AuditError::Unfit`] for the first suspicion that does not fit the data set: of a picture, label or class that it has not, or without
/// what it should suggest.
pub fn apply(dataset: &Dataset, accepted: &[(Suspect, Remedy)]) -> Result<(Dataset, Changes), AuditError> {
    let mut mended = dataset.clone();
    let index_of_image: HashMap<u64, usize> =
        dataset.images.iter().enumerate().map(|(index, image)| (image.id, index)).collect();
    let ids = dataset.images.iter().flat_map(|image| &image.objects).map(|object| object.annotation_id);
    let mut last_id = ids.max().unwrap_or(0);
    let mut changes = Changes::new();
    for (suspect, remedy) in accepted {
        let unfit = |reason: String| AuditError::Unfit { rank: suspect.rank, reason };
        let Some(&index) = index_of_image.get(&suspect.image_id) else {
            return Err(unfit(format!("the data set has no picture {}", suspect.image_id)));
        };
        let image = &mut mended.images[index];
        let outcome = match suspect.kind {
            Kind::MissingBox => add(image, suspect, *remedy, &dataset.categories, &mut last_id),
            _ => change(image, suspect, *remedy, &dataset.categories),
        };
        outcome.map_err(unfit)?;
        *changes.entry((suspect.kind, *remedy)).or_default() += 1;
    }
    Ok((mended, changes))
}

/// Gives an object its missing label, or has its place ignored.
fn add(
    image: &mut ImageRecord,
    suspect: &Suspect,
    remedy: Remedy,
    categories: &[Category],
    last_id: &mut u64,
) -> Result<(), String> {
    let bbox_in_image = inside(suspect.bbox, (image.width, image.height))?;
    let class_index = class_of(&suspect.class, categories)?;
    *last_id = last_id.checked_add(1).ok_or("no number is left for a new label")?;
    image.objects.push(Object {
        annotation_id: *last_id,
        record: *last_id,
        class_index,
        bbox_in_image,
        ignored: remedy == Remedy::Ignore,
        area: f64::from(bbox_in_image.area()),
    });
    Ok(())
}

/// Mends a label, takes it away or has it ignored.
fn change(image: &mut ImageRecord, suspect: &Suspect, remedy: Remedy, categories: &[Category]) -> Result<(), String> {
    let place = place_of(image, suspect, categories)?;
    let size = (image.width, image.height);
    let object = &mut image.objects[place];
    match suspect.kind {
        _ if remedy == Remedy::Ignore => object.ignored = true,
        Kind::WrongClass => {
            let class = suspect.suggested_class.as_ref().ok_or("it suggests no class")?;
            object.class_index = class_of(class, categories)?;
        }
        Kind::LooseBox => {
            let bbox = inside(suspect.suggested_bbox.ok_or("it suggests no box")?, size)?;
            (object.bbox_in_image, object.area) = (bbox, f64::from(bbox.area()));
        }
        Kind::SpuriousBox | Kind::Duplicate => {
            image.objects.remove(place);
        }
        Kind::MissingBox => return Err("a missing label cannot be changed".into()),
    }
    Ok(())
}

/// Where the label is that a suspicion is about.
fn place_of(image: &ImageRecord, suspect: &Suspect, categories: &[Category]) -> Result<usize, String> {
    let id = suspect.annotation_id.ok_or("it names no label")?;
    let place = image.objects.iter().position(|object| object.annotation_id == id);
    let place = place.ok_or_else(|| format!("picture {} has no label {id}", suspect.image_id))?;
    let object = &image.objects[place];
    let class = &categories[object.class_index].name;
    // Numbers of labels move up where the format has none and one before was deleted.
    if *class != suspect.class || !is_same(object.bbox_in_image, suspect.bbox) {
        return Err(format!("label {id} is another one now, a `{class}` at {:?}", object.bbox_in_image.corners()));
    }
    Ok(place)
}

fn class_of(name: &str, categories: &[Category]) -> Result<usize, String> {
    let found = categories.iter().position(|category| category.name == name);
    found.ok_or_else(|| format!("the data set has no class `{name}`"))
}

/// To a twentieth of a pixel.
fn is_same(bbox: Bbox, [x1, y1, x2, y2]: [f32; 4]) -> bool {
    [bbox.x1 - x1, bbox.y1 - y1, bbox.x2 - x2, bbox.y2 - y2].iter().all(|edge| edge.abs() < 0.05)
}

fn inside(corners: [f32; 4], (width, height): (u32, u32)) -> Result<Bbox, String> {
    let bbox = Bbox::from_corners(corners).clip(width as f32, height as f32);
    if bbox.is_proper() { Ok(bbox) } else { Err("its box is none".into()) }
}
