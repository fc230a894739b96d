//! `ghm weights`: what a file of weights is.

use std::process::ExitCode;

use anyhow::Result;
use ghm_detector::{MappedTensor, WeightsSummary, inspect_weights};
use serde_json::json;

use crate::arguments::WeightsArguments;
use crate::output::print;
use crate::table::{aligned, counted};

/// Names shown of tensors that are missing or of no use.
const SHOWN: usize = 10;

/// Runs the verb.
pub fn run(arguments: &WeightsArguments) -> Result<ExitCode> {
    let summary = inspect_weights(&arguments.file)?;
    print(&if arguments.json {
        serde_json::to_string_pretty(&document(&summary))?
    } else {
        table(arguments, &summary)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn document(summary: &WeightsSummary) -> serde_json::Value {
    let parts = summary.parts.iter().map(|part| {
        json!({"part": part.part.to_string(), "tensors": part.tensors, "numbers": part.numbers, "rms": part.rms, "is_finite": part.is_finite})
    });
    let mapped = summary.mapped.iter().map(|one| json!({"theirs": one.theirs, "ours": one.ours, "shape": one.shape}));
    json!({
        "layout": summary.layout.name(),
        "tensors": summary.tensors,
        "backbone": summary.backbone,
        "classes": summary.classes,
        "settings": summary.settings,
        "parts": parts.collect::<Vec<_>>(),
        "mapped": mapped.collect::<Vec<_>>(),
        "missing": summary.missing,
        "unused": summary.unused,
    })
}

fn table(arguments: &WeightsArguments, summary: &WeightsSummary) -> String {
    let classes = summary.classes.map_or(String::new(), |classes| format!(", {}", counted(classes, "class")));
    let mut text = format!("{}, {}{classes}\n\n", summary.layout.name(), counted(summary.tensors, "tensor"));
    let head = ["part", "tensors", "numbers", "rms of weights"].map(str::to_owned);
    let line = |part: &ghm_detector::WeightsPart| {
        let rms = if part.is_finite { format!("{:.4}", part.rms) } else { "not finite".to_owned() };
        [part.part.to_string(), part.tensors.to_string(), part.numbers.to_string(), rms]
    };
    let lines: Vec<[String; 4]> = std::iter::once(head).chain(summary.parts.iter().map(line)).collect();
    text += &aligned(&lines);
    if arguments.tensors {
        let head = ["in the file", "shape", "in the network"].map(str::to_owned);
        let line = |one: &MappedTensor| [one.theirs.clone(), format!("{:?}", one.shape), one.ours.clone()];
        let lines: Vec<[String; 3]> = std::iter::once(head).chain(summary.mapped.iter().map(line)).collect();
        text += &format!("\n{}", aligned(&lines));
    }
    for (what, names) in [("missing", &summary.missing), ("of no use to a detector", &summary.unused)] {
        if names.is_empty() {
            continue;
        }
        text += &format!("\n{what}: {}", names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "));
        if names.len() > SHOWN {
            text += &format!(" and {} more", names.len() - SHOWN);
        }
    }
    text + &format!(
        "\nto start from it: ghm train RECIPE model.weights={} {}",
        arguments.file.display(),
        summary.settings.join(" ")
    )
}
