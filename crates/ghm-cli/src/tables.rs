//! `ghm tables`: the tables and charts of sweeps in a document, written anew from what came out of them.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use ghm_train::replace_file;

use crate::arguments::TablesArguments;
use crate::output::print;
use crate::sweep;

/// Begins a place in a document that is written anew. The rest of the line: a sweep, and what came out of it.
const BEGIN: &str = "<!-- ghm tables ";

/// Ends it.
const END: &str = "<!-- end of tables -->";

/// The exit code of `--check` where something is not what it would be written as.
const FINDINGS: u8 = 1;

/// Runs the verb.
pub fn run(arguments: &TablesArguments) -> Result<ExitCode> {
    let files = files(&arguments.document)?;
    let stale: Vec<&(PathBuf, String)> =
        files.iter().filter(|(path, text)| fs::read_to_string(path).ok().as_ref() != Some(text)).collect();
    for (path, text) in &stale {
        if arguments.check {
            print(&format!("{}: is not what came out of the sweeps", path.display()))?;
        } else {
            replace_file(path, text.as_bytes())?;
            eprintln!("{}: written anew", path.display());
        }
    }
    if stale.is_empty() {
        eprintln!("{}: is what came out of the sweeps", arguments.document.display());
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.check {
        eprintln!("to write them anew: ghm tables {}", arguments.document.display());
    }
    Ok(if arguments.check { ExitCode::from(FINDINGS) } else { ExitCode::SUCCESS })
}

/// The document and its charts as they ought to be.
fn files(document: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut text = fs::read_to_string(document).with_context(|| format!("{}: cannot be read", document.display()))?;
    let beside = document.parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    let places = places(&text).map_err(|(line, reason)| anyhow!("{}, line {line}: {reason}", document.display()))?;
    if places.is_empty() {
        bail!("{}: has no line `{BEGIN}SWEEP.toml sweep.json -->`, so there is nothing to write", document.display());
    }
    // From the last to the first, so that the places before stay where they are.
    for place in places.into_iter().rev() {
        let (tables, figures) = sweep::kept(&beside.join(&place.sweep), &beside.join(&place.outcomes))?;
        let folder = place.outcomes.parent().unwrap_or(Path::new("")).to_owned();
        let mut block = format!("\n{}\n", tables.trim_end());
        for (number, figure) in (1..).zip(figures) {
            let chart = folder.join(format!("{number}.svg"));
            block += &format!("\n![{}]({})\n", figure.title, chart.display());
            files.push((beside.join(chart), figure.svg));
        }
        text.replace_range(place.range, &(block + "\n"));
    }
    files.push((document.to_owned(), text));
    Ok(files)
}

/// A place in a document that is written anew.
#[derive(Debug, PartialEq)]
struct Place {
    sweep: PathBuf,
    outcomes: PathBuf,
    /// From behind the line that begins it to before the line that ends it.
    range: Range<usize>,
}

/// The places of a document; or the line that is wrong, from 1 on, and why.
fn places(text: &str) -> Result<Vec<Place>, (usize, String)> {
    let mut places = Vec::new();
    let mut open: Option<(usize, Place)> = None;
    let mut at = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let next = at + line.len();
        if let Some(words) = line.trim_end().strip_prefix(BEGIN) {
            if let Some((begun, _)) = open {
                return Err((begun, format!("there is no `{END}` before the next begins")));
            }
            let paths: Vec<&str> = words.trim_end_matches("-->").split_whitespace().collect();
            let [sweep, outcomes] = paths[..] else {
                return Err((number, "give two paths, of a sweep's file and of the sweep.json it led to".into()));
            };
            open = Some((number, Place { sweep: sweep.into(), outcomes: outcomes.into(), range: next..next }));
        } else if line.trim_end() == END {
            let Some((_, place)) = open.take() else {
                return Err((number, format!("nothing has begun with `{BEGIN}` that this could end")));
            };
            places.push(Place { range: place.range.start..at, ..place });
        }
        at = next;
    }
    match open {
        Some((begun, _)) => Err((begun, format!("there is no line `{END}` that ends it"))),
        None => Ok(places),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lie_between_their_lines() {
        let text = "# A\n<!-- ghm tables a.toml b/sweep.json -->\nold\n<!-- end of tables -->\nrest\n";
        let begun = text.find("old").expect("it is there");
        let place =
            Place { sweep: "a.toml".into(), outcomes: "b/sweep.json".into(), range: begun..begun + "old\n".len() };
        assert_eq!(places(text), Ok(vec![place]));
        assert_eq!(places("# nothing\n"), Ok(Vec::new()));
    }

    #[test]
    fn lines_that_do_not_pair_are_named() {
        let line = |text: &str| places(text).map_err(|(line, _)| line);
        assert_eq!(line("\n<!-- ghm tables a b -->\n"), Err(2));
        assert_eq!(line("<!-- end of tables -->\n"), Err(1));
        assert_eq!(line("<!-- ghm tables a -->\n<!-- end of tables -->\n"), Err(1));
        assert_eq!(line("<!-- ghm tables a b -->\n\n<!-- ghm tables a b -->\n<!-- end of tables -->\n"), Err(1));
    }
}
