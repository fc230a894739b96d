//! Accepted suspicions brought into the labels: mended, or ignored where it is not known what would be right.

use std::collections::{BTreeMap, HashMap};

use ghm_boxes::Bbox;
use ghm_data::{Dataset, Object};

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
        let Some(&image) = index_of_image.get(&suspect.image_id) else {
            return Err(unfit(format!("the data set has no picture {}", suspect.image_id)));
        };
        let class_of = |name: &str| {
            let found = dataset.categories.iter().position(|category| category.name == name);
            found.ok_or_else(|| unfit(format!("the data set has no class `{name}`")))
        };
        let image = &mut mended.images[image];
        let label = || {
            let id = suspect.annotation_id.ok_or_else(|| unfit("it names no label".to_owned()))?;
            let place = image.objects.iter().position(|object| object.annotation_id == id);
            let place = place.ok_or_else(|| unfit(format!("picture {} has no label {id}", suspect.image_id)))?;
            let object = &image.objects[place];
            let class = &dataset.categories[object.class_index].name;
            // Numbers of labels move up where the format has none and one before was deleted.
            if *class != suspect.class || !is_same(object.bbox_in_image, suspect.bbox) {
                return Err(unfit(format!(
                    "label {id} is another one now, a `{class}` at {:?}",
                    object.bbox_in_image.corners()
                )));
            }
            Ok(place)
        };
        match suspect.kind {
            kind if kind != Kind::MissingBox && *remedy == Remedy::Ignore => {
                let place = label()?;
                image.objects[place].ignored = true;
            }
            Kind::WrongClass => {
                let Some(class) = &suspect.suggested_class else {
                    return Err(unfit("it suggests no class".to_owned()));
                };
                let place = label()?;
                image.objects[place].class_index = class_of(class)?;
            }
            Kind::LooseBox => {
                let Some(bbox) = suspect.suggested_bbox else { return Err(unfit("it suggests no box".to_owned())) };
                let place = label()?;
                let bbox =
                    inside(bbox, (image.width, image.height)).ok_or_else(|| unfit("its box is none".to_owned()))?;
                (image.objects[place].bbox_in_image, image.objects[place].area) = (bbox, f64::from(bbox.area()));
            }
            Kind::SpuriousBox | Kind::Duplicate => {
                let place = label()?;
                image.objects.remove(place);
            }
            Kind::MissingBox => {
                let bbox = inside(suspect.bbox, (image.width, image.height))
                    .ok_or_else(|| unfit("its box is none".to_owned()))?;
                last_id =
                    last_id.checked_add(1).ok_or_else(|| unfit("no number is left for a new label".to_owned()))?;
                image.objects.push(Object {
                    annotation_id: last_id,
                    record: last_id,
                    class_index: class_of(&suspect.class)?,
                    bbox_in_image: bbox,
                    ignored: *remedy == Remedy::Ignore,
                    area: f64::from(bbox.area()),
                });
            }
        }
        *changes.entry((suspect.kind, *remedy)).or_default() += 1;
    }
    Ok((mended, changes))
}

/// To a twentieth of a pixel.
fn is_same(bbox: Bbox, [x1, y1, x2, y2]: [f32; 4]) -> bool {
    [bbox.x1 - x1, bbox.y1 - y1, bbox.x2 - x2, bbox.y2 - y2].iter().all(|edge| edge.abs() < 0.05)
}

fn inside(corners: [f32; 4], (width, height): (u32, u32)) -> Option<Bbox> {
    let bbox = Bbox::from_corners(corners).clip(width as f32, height as f32);
    bbox.is_proper().then_some(bbox)
}
