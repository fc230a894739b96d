//! Pictures that are there twice, exactly or almost, in a split or in two.
//!
//! Two files of the same bytes are identical. Two pictures are almost the same when the signs of the differences between
//! neighbours in a small grey version differ in at most [`MOST_SIGNS`] places of 64 (a "difference hash") and its grey levels by at most
//! [`MOST_LEVELS`] on average: a copy that was compressed again, scaled, or had a few pixels changed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::Part;
use super::objects::picture_record;
use super::pictures::{Look, SIDE};
use crate::dataset::ImageRecord;
use crate::finding::{Defect, Finding, FindingKind};

/// Signs of 64 that may differ. With four bands of 16, two pictures that differ in three have one band in common.
const MOST_SIGNS: u32 = 3;
const BANDS: u32 = 4;

/// Grey levels of 256 that may differ, on average.
const MOST_LEVELS: f64 = 3.0;

/// A picture among all.
#[derive(Clone, Copy)]
struct Place<'a> {
    part: &'a Part,
    image: &'a ImageRecord,
    look: &'a Look,
}

/// A finding for every picture that has been seen before.
pub(super) fn check(parts: &[&Part], looks: &[Vec<Look>]) -> Vec<Finding> {
    let places: Vec<Place> = parts
        .iter()
        .zip(looks)
        .flat_map(|(part, looks)| {
            let part: &Part = part;
            part.dataset.images.iter().zip(looks).map(move |(image, look)| Place { part, image, look })
        })
        .collect();
    let (firsts, mut findings) = identical(&places);
    findings.extend(similar(&firsts));
    findings
}

/// The first of every file's bytes, and a finding for the others.
fn identical<'a>(places: &[Place<'a>]) -> (Vec<Place<'a>>, Vec<Finding>) {
    let mut seen: HashMap<[u8; 32], Place> = HashMap::new();
    let (mut firsts, mut findings) = (Vec::new(), Vec::new());
    for place in places {
        match seen.entry(place.look.digest) {
            Entry::Vacant(entry) => {
                entry.insert(*place);
                firsts.push(*place);
            }
            // One file that two splits list is a leak as well.
            Entry::Occupied(first) => findings.extend(repeated(first.get(), place)),
        }
    }
    (firsts, findings)
}

fn repeated(first: &Place, place: &Place) -> Vec<Finding> {
    let (kind, reason, remedy) = if first.part.name == place.part.name {
        let reason = format!("its bytes are those of `{}`", first.image.file_name);
        (FindingKind::IdenticalPicture, reason, "it counts twice in training; take one off")
    } else {
        (FindingKind::Leak, leak(first, place, "the same as"), LEAK_REMEDY)
    };
    let mut found = vec![told(place, kind, reason, remedy)];
    if labels(first.image) != labels(place.image) {
        let reason = format!("its labels are not those of `{}`, the same picture", first.image.file_name);
        found.push(told(place, FindingKind::ConflictingCopy, reason, "label both alike, or take one off"));
    }
    found
}

const LEAK_REMEDY: &str = "numbers on such pictures say nothing about new ones; take it off one of the splits";

fn leak(first: &Place, place: &Place, how: &str) -> String {
    format!("in `{}`, and {how} `{}` in `{}`", place.part.name, first.image.file_name, first.part.name)
}

fn told(place: &Place, kind: FindingKind, reason: String, remedy: &str) -> Finding {
    Defect::new(kind, reason, remedy).at(&place.image.path, picture_record(place.image))
}

/// Classes and boxes in an order of their own.
fn labels(image: &ImageRecord) -> Vec<(usize, [u32; 4])> {
    let one = |object: &crate::dataset::Object| {
        let bbox = object.bbox_in_image;
        (object.class_index, bbox.corners().map(f32::to_bits))
    };
    let mut all: Vec<_> = image.objects.iter().map(one).collect();
    all.sort_unstable();
    all
}

/// A finding for every picture that is almost one before it.
fn similar(places: &[Place]) -> Vec<Finding> {
    let mut seen: HashMap<(u32, u16), Vec<(usize, u64)>> = HashMap::new();
    let mut findings = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let Some(small) = &place.look.small else { continue };
        let signs = signs(small);
        let bands = (0..BANDS).map(|band| (band, (signs >> (16 * band)) as u16));
        let candidates = bands.clone().filter_map(|band| seen.get(&band)).flatten();
        let alike = candidates.filter(|(_, other)| (signs ^ other).count_ones() <= MOST_SIGNS);
        let first = alike.map(|(other, _)| *other).filter(|other| are_close(places[*other].look, small)).min();
        if let Some(first) = first.map(|first| &places[first]) {
            findings.push(almost(first, place));
        } else {
            for band in bands {
                seen.entry(band).or_default().push((index, signs));
            }
        }
    }
    findings
}

fn almost(first: &Place, place: &Place) -> Finding {
    if first.part.name == place.part.name {
        let reason = format!("it is almost `{}`", first.image.file_name);
        told(place, FindingKind::SimilarPicture, reason, "a copy? it counts twice in training; take one off")
    } else {
        told(place, FindingKind::SimilarLeak, leak(first, place, "almost"), LEAK_REMEDY)
    }
}

/// For each of 8 by 8 places of a picture whether it is brighter than the next to its right.
fn signs(small: &[u8; SIDE * SIDE]) -> u64 {
    let block = |row: usize, column: usize| -> u32 {
        let (row, column) = (2 * row, column * (SIDE - 2) / 8);
        (0..2)
            .flat_map(|y| (0..2).map(move |x| (y, x)))
            .map(|(y, x)| u32::from(small[(row + y) * SIDE + column + x]))
            .sum()
    };
    let bits = (0..8).flat_map(|row| (0..8).map(move |column| block(row, column) > block(row, column + 1)));
    bits.fold(0, |all, bit| all << 1 | u64::from(bit))
}

fn are_close(look: &Look, small: &[u8; SIDE * SIDE]) -> bool {
    let Some(other) = &look.small else { return false };
    let sum: u32 = other.iter().zip(small).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    f64::from(sum) <= MOST_LEVELS * (SIDE * SIDE) as f64
}
