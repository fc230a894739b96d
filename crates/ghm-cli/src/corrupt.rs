//! `ghm corrupt`: known label noise.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use ghm_data::{Change, Format, NoiseConfig, Pictures, Source, corrupt, is_union_split, write_data_set};
use serde_json::json;

use crate::arguments::CorruptArguments;
use crate::convert::{load, parts, written};
use crate::output::print;
use crate::table::counted;

/// The file of what was right.
const TRUTH: &str = "truth.json";

/// Runs the verb.
pub fn run(arguments: &CorruptArguments) -> Result<ExitCode> {
    let config = noise(arguments)?;
    let pictures = if arguments.link { Pictures::Linked } else { Pictures::Copied };
    let (split, changes) = write(&arguments.data, arguments.split.as_deref(), &config, &arguments.out, pictures)?;
    print(&format!(
        "{}: {} in `{split}`{}",
        arguments.out.display(),
        counted(changes.len(), "change"),
        kinds(&changes)
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a data set with noise in one split, by default the one for training, and its truth beside it. Which split that is, and what
/// was changed.
pub fn write(
    data: &Path,
    split: Option<&str>,
    config: &NoiseConfig,
    out: &Path,
    pictures: Pictures,
) -> Result<(String, Vec<Change>)> {
    let source = ghm_data::open(data)?;
    let split = chosen(&source, split)?;
    if is_union_split(&split, source.splits()) {
        bail!("--split {split}: it is others together; make the labels of one of those wrong");
    }
    let mut splits = load(&source, &parts(&source))?;
    let mut changes = Vec::new();
    for (name, dataset) in &mut splits {
        if *name == split {
            (*dataset, changes) = corrupt(dataset, config)?;
        }
    }
    let truth =
        json!({"data": std::path::absolute(source.root())?, "split": split, "noise": config, "changes": changes});
    let truth = (TRUTH, serde_json::to_string_pretty(&truth)? + "\n");
    write_data_set(&written(&splits), Format::Coco, out, pictures, &[truth])?;
    Ok((split, changes))
}

fn noise(arguments: &CorruptArguments) -> Result<NoiseConfig> {
    let CorruptArguments { drop, flip, shift, spawn, mix, seed, .. } = *arguments;
    let mut config = match mix {
        Some(rate) => NoiseConfig::mixed(rate, seed),
        None => NoiseConfig { drop, flip, shift, spawn, confusion: None, seed },
    };
    config.validate()?;
    if [config.drop, config.flip, config.shift, config.spawn].iter().all(|rate| *rate == 0.0) {
        bail!("no label would be changed; give --drop, --flip, --shift or --spawn a rate, or --mix all of them");
    }
    config.confusion = arguments.confusion.as_deref().map(confusion).transpose()?;
    Ok(config)
}

fn confusion(path: &Path) -> Result<BTreeMap<String, BTreeMap<String, f64>>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{}: no confusions; write {{\"class\": {{\"taken for\": weight}}}}", path.display()))
}

/// The split whose labels are made wrong: the one that is named, or the only one for training.
fn chosen(source: &Source, named: Option<&str>) -> Result<String> {
    let known = source.splits();
    match named {
        Some(name) if known.iter().any(|split| split == name) => Ok(name.to_owned()),
        Some(name) => bail!("--split {name}: there are: {}", known.join(", ")),
        None => {
            let mut training = known.iter().filter(|split| split.starts_with("train"));
            let exact = known.iter().find(|split| *split == "train");
            match (exact, training.next(), training.next()) {
                (Some(split), ..) | (None, Some(split), None) => Ok(split.clone()),
                _ if known.len() == 1 => Ok(known[0].clone()),
                _ => bail!("which split? give --split, one of: {}", known.join(", ")),
            }
        }
    }
}

fn kinds(changes: &[Change]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for change in changes {
        let kind = match change {
            Change::Drop { .. } => "drop",
            Change::Flip { .. } => "flip",
            Change::Shift { .. } => "shift",
            Change::Spawn { .. } => "spawn",
        };
        *counts.entry(kind).or_default() += 1;
    }
    let counts: Vec<String> = counts.into_iter().map(|(kind, count)| counted(count, kind)).collect();
    if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) }
}
