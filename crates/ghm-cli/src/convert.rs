//! `ghm convert`: a data set in another format.

use std::process::ExitCode;

use anyhow::{Result, bail};
use ghm_data::{Dataset, Format, Pictures, Source, WrittenSplit, is_union_split, write_data_set};

use crate::arguments::{ConvertArguments, DataFormat};
use crate::output::print;
use crate::table::counted;

/// Defects printed one by one.
const SHOWN: usize = 20;

/// Runs the verb.
pub fn run(arguments: &ConvertArguments) -> Result<ExitCode> {
    let source = ghm_data::open(&arguments.data)?;
    let splits = load(&source, &chosen(&source, &arguments.split)?)?;
    let format = match arguments.to {
        DataFormat::Coco => Format::Coco,
        DataFormat::Voc => Format::Voc,
        DataFormat::Yolo => Format::Yolo,
    };
    let pictures = if arguments.link { Pictures::Linked } else { Pictures::Copied };
    let losses = write_data_set(&written(&splits), format, &arguments.out, pictures, &[])?;
    for (loss, times) in losses {
        eprintln!("warning: {format} does not hold {loss}: {times}");
    }
    print(&format!("{}: {format}, {}", arguments.out.display(), sums(&splits)))?;
    Ok(ExitCode::SUCCESS)
}

/// Splits by the names that they will have, and their content.
pub type Splits = Vec<(String, Dataset)>;

/// The splits that are asked for, each with its new name; all of them where none is.
fn chosen(source: &Source, asked: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((old, new)) => (old.to_owned(), new.to_owned()),
        None => (text.clone(), text.clone()),
    };
    let asked: Vec<(String, String)> =
        if asked.is_empty() { source.splits().iter().map(pair).collect() } else { asked.iter().map(pair).collect() };
    for (index, (_, new)) in asked.iter().enumerate() {
        if new.is_empty() || new.starts_with('.') || new.contains(['/', '\\']) || new.contains(char::is_control) {
            bail!("--split {new:?}: a split's name is a file's name, and no hidden one");
        }
        if asked[..index].iter().any(|(_, other)| other == new) {
            bail!("--split: two splits would be called `{new}`");
        }
    }
    Ok(asked)
}

/// The splits that are not others together, as VOC's `trainval`, each under its own name: labels that are changed in one would be as they
/// were in the other.
pub fn parts(source: &Source) -> Vec<(String, String)> {
    let (unions, parts): (Vec<&String>, Vec<&String>) =
        source.splits().iter().partition(|split| is_union_split(split, source.splits()));
    for union in unions {
        eprintln!("left out: split `{union}`, which is others together");
    }
    parts.into_iter().map(|split| (split.clone(), split.clone())).collect()
}

/// Reads splits under their new names; what is left out of them is said.
pub fn load(source: &Source, names: &[(String, String)]) -> Result<Splits> {
    let (mut splits, mut findings) = (Vec::new(), Vec::new());
    for (old, new) in names {
        let loaded = source.load(old)?;
        findings.extend(loaded.findings);
        splits.push((new.clone(), loaded.dataset));
    }
    for finding in findings.iter().take(SHOWN) {
        eprintln!("warning: {finding}");
    }
    if let Some(more) = findings.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        eprintln!("warning: and {more} more; ghm check {} shows them", source.root().display());
    }
    Ok(splits)
}

/// The splits as they are written.
pub fn written(splits: &Splits) -> Vec<WrittenSplit<'_>> {
    splits.iter().map(|(name, dataset)| WrittenSplit { name: name.clone(), dataset }).collect()
}

/// Splits, pictures and objects in words.
pub fn sums(splits: &Splits) -> String {
    let pictures = splits.iter().map(|(_, dataset)| dataset.images.len()).sum();
    let objects = splits.iter().flat_map(|(_, dataset)| &dataset.images).map(|image| image.objects.len()).sum();
    [counted(splits.len(), "split"), counted(pictures, "picture"), counted(objects, "object")].join(", ")
}
