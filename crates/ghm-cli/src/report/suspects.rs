//! The first suspects of the newest audit.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ghm_audit::{Kind, Suspect};
use ghm_boxes::Bbox;
use ghm_report::Block;
use serde::Deserialize;

use super::gallery::{Wanted, gallery};
use super::{Subject, heading};
use crate::audit::list::name;
use crate::table::counted;

/// How many are shown.
const SHOWN: usize = 12;

/// Of `audit.json` what is shown.
#[derive(Deserialize)]
struct Audit {
    labels: usize,
    suspects: Vec<Suspect>,
}

pub fn blocks(subject: &Subject) -> Result<Vec<Block>> {
    let (Some(dataset), Some(folder)) = (&subject.train, newest(subject.directory.root())) else {
        return Ok(Vec::new());
    };
    let path = folder.join("audit.json");
    let text = fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let audit: Audit = serde_json::from_str(&text).with_context(|| format!("{}: is no audit", path.display()))?;
    let probable = audit.suspects.iter().filter(|suspect| suspect.suspicion >= 0.5).count();
    let page = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let words = format!(
        "{} of 0.5 or more about {} of the training split, missing ones among them. To be decided upon: `{page}/audit.html`.",
        counted(probable, "suspicion"),
        counted(audit.labels, "label"),
    );
    let wanted = audit.suspects.into_iter().take(SHOWN).map(wanted).collect();
    Ok(vec![heading("Labels that are probably wrong"), Block::Text(words), gallery(dataset, wanted)])
}

/// The audit with the highest number.
fn newest(root: &Path) -> Option<PathBuf> {
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.strip_prefix("audit")?.to_owned();
        let number = if name.is_empty() { 1 } else { name.strip_prefix('-')?.parse::<usize>().ok()? };
        path.join("audit.json").is_file().then_some(number)
    };
    let folders = fs::read_dir(root).ok()?.flatten().map(|entry| entry.path());
    folders.filter_map(|path| Some((number(&path)?, path))).max().map(|(_, path)| path)
}

fn wanted(suspect: Suspect) -> Wanted {
    let bbox = Some(Bbox::from_corners(suspect.bbox));
    let suggested = suspect.suggested_bbox.map(Bbox::from_corners);
    let (label, seen) = if suspect.kind == Kind::MissingBox { (None, bbox) } else { (bbox, suggested) };
    let class = match &suspect.suggested_class {
        Some(class) => format!("{}, rather {class}", suspect.class),
        None => suspect.class.clone(),
    };
    let caption = format!("{}. {}: {class} ({:.2})", suspect.rank, name(suspect.kind), suspect.suspicion);
    Wanted { image_id: suspect.image_id, label, seen, caption }
}
