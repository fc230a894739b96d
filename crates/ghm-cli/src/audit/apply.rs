//! `ghm audit apply`: a corrected data set beside the old one.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use ghm_audit::{Suspect, apply};
use ghm_data::{Format, Pictures, write_data_set};
use serde::Deserialize;

use crate::arguments::AuditApplyArguments;
use crate::audit::list;
use crate::convert::{load, parts, written};
use crate::output::print;

/// What the page gives, and what the audit wrote.
#[derive(Deserialize)]
struct Decisions {
    data: PathBuf,
    split: String,
    suspects: Vec<Decided>,
}

#[derive(Deserialize)]
struct Decided {
    #[serde(flatten)]
    suspect: Suspect,
    #[serde(default)]
    decision: Option<Decision>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Accept,
    Reject,
}

/// Runs the verb.
pub fn run(arguments: &AuditApplyArguments) -> Result<ExitCode> {
    let path = &arguments.decisions;
    let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let decisions: Decisions = serde_json::from_str(&text)
        .with_context(|| format!("{}: no decisions; give what the page downloads, or audit.json", path.display()))?;
    if let Some(above) = arguments.above.filter(|above| !(0.0..=1.0).contains(above)) {
        bail!("--above {above}: a suspicion is 0 to 1");
    }
    let mut ranks = HashSet::new();
    if let Some(twice) = decisions.suspects.iter().find(|one| !ranks.insert(one.suspect.rank)) {
        bail!("{}: suspect {} is in it twice; keep one of them", path.display(), twice.suspect.rank);
    }
    let accepted: Vec<Suspect> =
        decisions.suspects.into_iter().filter(|one| is_accepted(one, arguments.above)).map(|one| one.suspect).collect();
    if accepted.is_empty() {
        bail!("{}: nothing is accepted; accept some on the page, or give --above a lower suspicion", path.display());
    }
    let source = ghm_data::open(&decisions.data)?;
    let mut splits = load(&source, &parts(&source))?;
    let Some((_, dataset)) = splits.iter_mut().find(|(name, _)| *name == decisions.split) else {
        bail!("{}: it has no split `{}`", source.root().display(), decisions.split)
    };
    let (mended, changes) = apply(dataset, &accepted)?;
    *dataset = mended;
    let pictures = if arguments.link { Pictures::Linked } else { Pictures::Copied };
    write_data_set(&written(&splits), Format::Coco, &arguments.out, pictures, &[])?;
    let counts: Vec<String> = changes.iter().map(|(kind, count)| format!("{} {count}", list::name(*kind))).collect();
    print(&format!("{}: mended in `{}`: {}", arguments.out.display(), decisions.split, counts.join(", ")))?;
    Ok(ExitCode::SUCCESS)
}

/// What is decided counts; of the rest what is suspected enough.
fn is_accepted(one: &Decided, above: Option<f32>) -> bool {
    match one.decision {
        Some(decision) => decision == Decision::Accept,
        None => above.is_some_and(|above| one.suspect.suspicion >= above),
    }
}
