//! The list of an audit as CSV and as a table.

use std::path::Path;

use anyhow::Result;
use ghm_audit::{Kind, PictureTally, Summary, Suspect};

use crate::table::{aligned, counted};

/// Lines printed of the list.
const SHOWN: usize = 20;

/// Pictures printed.
const PICTURES: usize = 5;

/// Columns of `audit.csv`.
const HEAD: [&str; 19] = [
    "rank",
    "kind",
    "suspicion",
    "image_id",
    "file_name",
    "annotation_id",
    "class",
    "x1",
    "y1",
    "x2",
    "y2",
    "suggested_class",
    "class_certainty",
    "suggested_x1",
    "suggested_y1",
    "suggested_x2",
    "suggested_y2",
    "duplicate_of",
    "reason",
];

/// A line a suspect, as RFC 4180 has it.
pub fn csv(suspects: &[Suspect]) -> Result<Vec<u8>> {
    let corners =
        |bbox: Option<[f32; 4]>| bbox.map_or([const { String::new() }; 4], |b| b.map(|edge| format!("{edge:.1}")));
    let number = |id: Option<u64>| id.map_or(String::new(), |id| id.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEAD)?;
    for suspect in suspects {
        let mut cells = vec![
            suspect.rank.to_string(),
            name(suspect.kind).replace(' ', "-"),
            format!("{:.4}", suspect.suspicion),
            suspect.image_id.to_string(),
            suspect.file_name.clone(),
            number(suspect.annotation_id),
            suspect.class.clone(),
        ];
        cells.extend(corners(Some(suspect.bbox)));
        cells.push(suspect.suggested_class.clone().unwrap_or_default());
        cells.push(suspect.class_certainty.map_or(String::new(), |certainty| format!("{certainty:.4}")));
        cells.extend(corners(suspect.suggested_bbox));
        cells.extend([number(suspect.duplicate_of), suspect.reason.clone()]);
        writer.write_record(cells)?;
    }
    Ok(writer.into_inner()?)
}

/// A line a picture, as RFC 4180 has it.
pub fn pictures_csv(pictures: &[PictureTally]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    pictures.iter().try_for_each(|picture| writer.serialize(picture))?;
    Ok(writer.into_inner()?)
}

/// The pictures with most to be mended.
fn worst(pictures: &[PictureTally]) -> String {
    let head = ["picture", "mistakes expected", "class", "loose", "missing", "spurious", "second"].map(str::to_owned);
    let line = |picture: &PictureTally| {
        let kinds =
            [picture.wrong_class, picture.loose_box, picture.missing_box, picture.spurious_box, picture.duplicate];
        let [class, loose, missing, spurious, second] = kinds.map(|expected| format!("{expected:.1}"));
        [picture.file_name.clone(), format!("{:.1}", picture.all), class, loose, missing, spurious, second]
    };
    let lines: Vec<[String; 7]> = std::iter::once(head).chain(pictures.iter().take(PICTURES).map(line)).collect();
    aligned(&lines)
}

/// A kind in words.
pub fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::WrongClass => "wrong class",
        Kind::LooseBox => "loose box",
        Kind::MissingBox => "missing box",
        Kind::SpuriousBox => "spurious box",
        Kind::Duplicate => "duplicate",
    }
}

/// Counts and the head of the list.
pub fn text(
    summary: &Summary,
    (suspects, pictures): (&[Suspect], &[PictureTally]),
    on_page: usize,
    out: &Path,
) -> String {
    let kinds = [Kind::WrongClass, Kind::LooseBox, Kind::MissingBox, Kind::SpuriousBox, Kind::Duplicate];
    let counts =
        kinds.iter().map(|kind| (name(*kind), suspects.iter().filter(|suspect| suspect.kind == *kind).count()));
    let counts: Vec<String> = counts.map(|(name, count)| format!("{name} {count}")).collect();
    let head = ["rank", "suspicion", "kind", "picture", "class", "why"].map(str::to_owned);
    let line = |suspect: &Suspect| {
        let why = suspect.reason.clone();
        let suspicion = format!("{:.2}", suspect.suspicion);
        [
            suspect.rank.to_string(),
            suspicion,
            name(suspect.kind).to_owned(),
            suspect.file_name.clone(),
            suspect.class.clone(),
            why,
        ]
    };
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(suspects.iter().take(SHOWN).map(line)).collect();
    let looked = summary.labels.iter().filter(|label| !label.looks.is_empty()).count();
    format!(
        "{}: {} ({}); {looked} of {} judged ({}; audit.csv and audit.json)\n\n{}{}\n{}",
        out.display(),
        counted(suspects.len(), "suspect"),
        counts.join(", "),
        counted(summary.labels.len(), "label"),
        match on_page < suspects.len() {
            true => format!("audit.html to look through the first {on_page}"),
            false => "audit.html to look through them".to_owned(),
        },
        aligned(&lines),
        if suspects.len() > SHOWN { format!("and {} more\n", suspects.len() - SHOWN) } else { String::new() },
        if pictures.is_empty() { String::new() } else { worst(pictures) },
    )
    .trim_end()
    .to_owned()
}
