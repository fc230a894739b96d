//! `ghm check`: every defect of a data set, and its numbers.

use std::process::ExitCode;

use anyhow::{Result, bail};
use ghm_data::{AnchorReach, Finding, SplitTally, Spread, Survey, SurveyConfig, survey};
use ghm_train::Recipe;
use serde_json::json;

use crate::arguments::CheckArguments;
use crate::output::print;
use crate::table::{aligned, counted, say, table};
use crate::train::DEFAULT_RECIPE;

/// Findings shown of a kind.
const SHOWN: usize = 10;

/// Exit code where there is a finding.
const FINDINGS: u8 = 1;

/// Runs the verb.
pub fn run(arguments: &CheckArguments) -> Result<ExitCode> {
    if !(0.0..=1.0).contains(&arguments.duplicate_iou) {
        bail!("--duplicate-iou {}: an IoU lies between 0 and 1", arguments.duplicate_iou);
    }
    let recipe = match &arguments.recipe {
        Some(path) => Recipe::read(path, &arguments.overrides)?,
        None => Recipe::for_data(DEFAULT_RECIPE, &arguments.data, &arguments.overrides)?,
    };
    recipe.model.anchors.validate()?;
    recipe.input.check()?;
    let config = SurveyConfig {
        duplicate_iou: arguments.duplicate_iou,
        pixels: !arguments.headers,
        reach: Some(AnchorReach { anchors: recipe.model.anchors.clone(), resize: recipe.input }),
        ..SurveyConfig::default()
    };
    let source = ghm_data::open(&arguments.data)?;
    let mut survey = survey(&source, &config, &|done, total| {
        if done.is_multiple_of(50) || done == total {
            say(&format!("looking at picture {done} of {total}"));
        }
    });
    say("");
    survey.findings.retain(|finding| !arguments.allow.contains(&finding.kind));
    print(&if arguments.json { document(&survey)? } else { text(arguments, &survey) })?;
    Ok(if survey.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

fn document(survey: &Survey) -> Result<String> {
    let Survey { format, splits, findings } = survey;
    Ok(serde_json::to_string_pretty(&json!({"format": format, "splits": splits, "findings": findings}))?)
}

fn text(arguments: &CheckArguments, survey: &Survey) -> String {
    let (pictures, objects) = survey
        .splits
        .iter()
        .fold((0, 0), |(pictures, objects), split| (pictures + split.pictures, objects + split.objects));
    let counts = [counted(survey.splits.len(), "split"), counted(pictures, "picture"), counted(objects, "object")];
    let mut text = format!("{}: {}, {}\n", arguments.data.display(), survey.format, counts.join(", "));
    if !survey.splits.is_empty() {
        text += &format!("\n{}\n{}", splits(&survey.splits), classes(&survey.splits));
    }
    text += "\n";
    if survey.findings.is_empty() {
        return text + "nothing found";
    }
    let kinds: Vec<&[Finding]> = survey.findings.chunk_by(|a, b| a.kind == b.kind).collect();
    text += &format!("{} of {}\n", counted(survey.findings.len(), "finding"), counted(kinds.len(), "kind"));
    for findings in kinds {
        text += &of_kind(findings, if arguments.all { usize::MAX } else { SHOWN });
    }
    text.trim_end().to_owned()
}

/// A kind with its findings; what they all say is said once.
fn of_kind(findings: &[Finding], shown: usize) -> String {
    let remedy = &findings[0].remedy;
    let common = findings.iter().all(|finding| finding.remedy == *remedy);
    let mut text = format!("\n{}: {}", findings[0].kind, findings.len());
    text += &if common { format!(" ({remedy})\n") } else { "\n".to_owned() };
    for Finding { file, record, reason, remedy, .. } in findings.iter().take(shown) {
        let remedy = if common { String::new() } else { format!(" ({remedy})") };
        text += &format!("  {}: {record}: {reason}{remedy}\n", file.display());
    }
    match findings.len().saturating_sub(shown) {
        0 => text,
        more => text + &format!("  and {more} more; --all shows them\n"),
    }
}

fn splits(splits: &[SplitTally]) -> String {
    let head = [
        "split",
        "pictures",
        "without objects",
        "objects",
        "ignored",
        "a picture",
        "size (pixels)",
        "width / height",
        "unreached",
    ];
    let line = |split: &SplitTally| {
        [
            split.split.clone(),
            split.pictures.to_string(),
            split.without_objects.to_string(),
            split.objects.to_string(),
            split.ignored.to_string(),
            spread(split.objects_per_picture, 0),
            spread(split.sizes, 0),
            spread(split.shapes, 2),
            split.unreached.map_or("-".to_owned(), |share| format!("{:.1}%", 100.0 * share)),
        ]
    };
    let lines: Vec<[String; 9]> = std::iter::once(head.map(str::to_owned)).chain(splits.iter().map(line)).collect();
    let note = "(a picture, size, width / height: a tenth is below the first, half below the second, nine tenths below the third;\n \
                size: square root of the area; unreached: boxes without an anchor of IoU 0.5)\n";
    aligned(&lines) + note
}

fn spread(spread: Spread, digits: usize) -> String {
    let Spread { tenth, median, ninetieth, .. } = spread;
    format!("{tenth:.digits$} {median:.digits$} {ninetieth:.digits$}")
}

/// Objects of each class in each split.
fn classes(splits: &[SplitTally]) -> String {
    let head = std::iter::once("class".to_owned()).chain(splits.iter().map(|split| split.split.clone())).collect();
    let mut names: Vec<&str> = Vec::new();
    for class in splits.iter().flat_map(|split| &split.classes) {
        if !names.contains(&class.name.as_str()) {
            names.push(&class.name);
        }
    }
    let line = |name: &&str| {
        let cell = |split: &SplitTally| {
            let mut of_name = split.classes.iter().filter(|class| class.name == **name).peekable();
            if of_name.peek().is_none() {
                "-".to_owned()
            } else {
                of_name.map(|class| class.objects).sum::<usize>().to_string()
            }
        };
        std::iter::once((*name).to_owned()).chain(splits.iter().map(cell)).collect()
    };
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(names.iter().map(line)).collect();
    table(&lines)
}
