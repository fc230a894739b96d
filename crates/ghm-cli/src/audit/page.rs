//! The page of an audit.

use std::collections::HashMap;

use anyhow::Result;
use ghm_audit::{Kind, Suspect};
use ghm_boxes::Bbox;
use ghm_data::{Dataset, ImageRecord, decode};
use ghm_report::{Crop, PageFinding, findings_page};
use image::RgbImage;
use rayon::prelude::*;
use serde_json::Value;

/// The page with these suspects; `head` is what the decisions are headed by.
pub fn page(of: &str, head: &Value, suspects: &[Suspect], dataset: &Dataset) -> Result<String> {
    let mut of_image: HashMap<u64, Vec<usize>> = HashMap::new();
    for (index, suspect) in suspects.iter().enumerate() {
        of_image.entry(suspect.image_id).or_default().push(index);
    }
    // Each picture is decoded once.
    let images: Vec<(&ImageRecord, &Vec<usize>)> =
        dataset.images.iter().filter_map(|image| Some((image, of_image.get(&image.id)?))).collect();
    let crops = images.par_iter().flat_map_iter(|(image, indices)| {
        let picture = decode(&image.path)
            .ok()
            .and_then(|picture| RgbImage::from_raw(picture.width as u32, picture.height as u32, picture.pixels));
        let crop = move |index: &usize| Some((*index, crop(picture.as_ref()?, &suspects[*index])?));
        indices.iter().filter_map(crop).collect::<Vec<_>>()
    });
    let mut crops: HashMap<usize, Crop> = crops.collect();
    let finding = |(index, suspect): (usize, &Suspect)| {
        Ok(PageFinding {
            record: record(suspect)?,
            reason: suspect.reason.clone(),
            picture: suspect.file_name.clone(),
            crop: crops.remove(&index),
        })
    };
    let findings: Vec<PageFinding> = suspects.iter().enumerate().map(finding).collect::<Result<_>>()?;
    Ok(findings_page(&format!("Audit of {of}"), head, &findings))
}

/// A suspect with its ids as text, since a browser's numbers end at 2^53.
fn record(suspect: &Suspect) -> Result<Value> {
    let mut record = serde_json::to_value(suspect)?;
    for key in ["image_id", "annotation_id", "duplicate_of"] {
        if let Some(id) = record[key].as_u64() {
            record[key] = id.to_string().into();
        }
    }
    Ok(record)
}

fn crop(picture: &RgbImage, suspect: &Suspect) -> Option<Crop> {
    match suspect.kind {
        Kind::MissingBox => Crop::new(picture, None, Some(Bbox::from_corners(suspect.bbox))),
        _ => Crop::new(picture, Some(Bbox::from_corners(suspect.bbox)), suspect.suggested_bbox.map(Bbox::from_corners)),
    }
}
