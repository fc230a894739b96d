//! `ghm audit apply`: a corrected data set beside the old one.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use ghm_audit::{Changes, Remedy, Suspect, apply};
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
    if !(0.0..=1.0).contains(&arguments.class_certainty) {
        bail!("--class-certainty {}: a certainty is 0 to 1", arguments.class_certainty);
    }
    let mut ranks = HashSet::new();
    if let Some(twice) = decisions.suspects.iter().find(|one| !ranks.insert(one.suspect.rank)) {
        bail!("{}: suspect {} is in it twice; keep one of them", path.display(), twice.suspect.rank);
    }
    let remedy = |one: Decided| remedy(&one, arguments).map(|remedy| (one.suspect, remedy));
    let accepted: Vec<(Suspect, Remedy)> = decisions.suspects.into_iter().filter_map(remedy).collect();
    if accepted.is_empty() {
        let kinds = if arguments.kinds.is_empty() { "" } else { ", or name more --kinds" };
        bail!(
            "{}: nothing is accepted; accept some on the page, or give --above a lower suspicion{kinds}",
            path.display()
        );
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
    print(&format!("{}: split `{}`{}", arguments.out.display(), decisions.split, in_words(&changes)))?;
    Ok(ExitCode::SUCCESS)
}

/// Counts of each remedy.
fn in_words(changes: &Changes) -> String {
    let of = |wanted: Remedy, name: &str| {
        let counts = changes.iter().filter(|((_, remedy), _)| *remedy == wanted);
        let counts: Vec<String> = counts.map(|((kind, _), count)| format!("{} {count}", list::name(*kind))).collect();
        if counts.is_empty() { String::new() } else { format!("; {name}: {}", counts.join(", ")) }
    };
    of(Remedy::Mend, "mended") + &of(Remedy::Ignore, "ignored for want of a certain class")
}

/// What is decided counts, as it is suggested; of the rest what is suspected enough and of an accepted kind, where the class is certain
/// enough.
fn remedy(one: &Decided, arguments: &AuditApplyArguments) -> Option<Remedy> {
    match one.decision {
        Some(Decision::Accept) => Some(Remedy::Mend),
        Some(Decision::Reject) => None,
        None if arguments.above.is_none_or(|above| one.suspect.suspicion < above) => None,
        None if !arguments.kinds.is_empty() && !arguments.kinds.contains(&one.suspect.kind) => None,
        None => {
            let certain = one.suspect.class_certainty.is_none_or(|certainty| certainty >= arguments.class_certainty);
            Some(if certain { Remedy::Mend } else { Remedy::Ignore })
        }
    }
}
