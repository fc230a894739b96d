//! The pictures of a list, those first that have most to be mended.

use std::collections::HashMap;

use serde::Serialize;

use crate::ranking::Suspect;
use crate::suspicion::Kind;

/// How many mistakes of each kind a picture is expected to have: the sum of its suspicions in the list, each being how probable a
/// mistake is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PictureTally {
    /// The picture.
    pub image_id: u64,
    /// Its name.
    pub file_name: String,
    /// Of all kinds together.
    pub all: f32,
    /// Labels of another class.
    pub wrong_class: f32,
    /// Loose boxes.
    pub loose_box: f32,
    /// Objects without a label.
    pub missing_box: f32,
    /// Labels about nothing.
    pub spurious_box: f32,
    /// Second labels.
    pub duplicate: f32,
}

/// The pictures that have suspects, those with most to be expected first; of equals the one whose first suspect is surer.
pub fn by_picture(suspects: &[Suspect]) -> Vec<PictureTally> {
    let mut places: HashMap<u64, usize> = HashMap::new();
    let mut pictures: Vec<PictureTally> = Vec::new();
    for suspect in suspects {
        let place = *places.entry(suspect.image_id).or_insert_with(|| {
            pictures.push(PictureTally::new(suspect));
            pictures.len() - 1
        });
        let picture = &mut pictures[place];
        picture.all += suspect.suspicion;
        *picture.of(suspect.kind) += suspect.suspicion;
    }
    pictures.sort_by(|a, b| b.all.total_cmp(&a.all));
    pictures
}

impl PictureTally {
    fn new(suspect: &Suspect) -> Self {
        Self {
            image_id: suspect.image_id,
            file_name: suspect.file_name.clone(),
            all: 0.0,
            wrong_class: 0.0,
            loose_box: 0.0,
            missing_box: 0.0,
            spurious_box: 0.0,
            duplicate: 0.0,
        }
    }

    fn of(&mut self, kind: Kind) -> &mut f32 {
        match kind {
            Kind::WrongClass => &mut self.wrong_class,
            Kind::LooseBox => &mut self.loose_box,
            Kind::MissingBox => &mut self.missing_box,
            Kind::SpuriousBox => &mut self.spurious_box,
            Kind::Duplicate => &mut self.duplicate,
        }
    }
}
