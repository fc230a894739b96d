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

/// Begins a place in a document that is written anew; what follows are a sweep, and what came out of it.
const BEGIN: &str = "<!-- ghm tables ";

/// Ends it.
const END: &str = "<!-- end of tables -->";

/// The exit code of `--check` where something is not what it would be written as.
const FINDINGS: u8 = 1;

/// Runs the verb.
pub fn run(arguments: &TablesArguments) -> Result<ExitCode> {
    let document = &arguments.document;
    let mut stale = false;
    for (path, text) in files(document)? {
        if read(&path).is_ok_and(|now| now == text) {
            continue;
        }
        stale = true;
        if arguments.check {
            print(&format!("{}: is not what came out of the sweeps", path.display()))?;
        } else {
            replace_file(&path.canonicalize().unwrap_or(path.clone()), text.as_bytes())?;
            eprintln!("{}: written anew", path.display());
        }
    }
    match (stale, arguments.check) {
        (false, _) => eprintln!("{}: is what came out of the sweeps", document.display()),
        (true, true) => eprintln!("to write them anew: ghm tables {}", document.display()),
        (true, false) => {}
    }
    Ok(if stale && arguments.check { ExitCode::from(FINDINGS) } else { ExitCode::SUCCESS })
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{}: cannot be read", path.display()))
}

/// The charts and then the document, as they ought to be.
fn files(document: &Path) -> Result<Vec<(PathBuf, String)>> {
    let text = read(document)?;
    let beside = document.parent().unwrap_or(Path::new(""));
    let at = |line: usize| format!("{}, line {line}", document.display());
    let places = places(&text).map_err(|(line, reason)| anyhow!("{}: {reason}", at(line)))?;
    if places.is_empty() {
        bail!("{}: has no line `{BEGIN}SWEEP.toml sweep.json -->`, so there is nothing to write", document.display());
    }
    let ends = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    let (mut written, mut done) = (String::new(), 0);
    for Place { sweep, outcomes, line, range } in places {
        let (tables, figures) = sweep::kept(&beside.join(&sweep), &beside.join(&outcomes)).with_context(|| at(line))?;
        let mut block = format!("\n{}\n", tables.trim_end());
        for (number, figure) in (1..).zip(figures) {
            let name = format!("{}-{number}.svg", outcomes.strip_suffix(".json").unwrap_or(&outcomes));
            let chart = beside.join(&name);
            match files.iter().find(|(path, _)| *path == chart) {
                Some((_, svg)) if *svg != figure.svg => {
                    bail!(
                        "{}: {} would be another chart's too; keep each sweep.json in a folder of its own",
                        at(line),
                        chart.display()
                    );
                }
                Some(_) => {}
                None => files.push((chart, figure.svg)),
            }
            block += &format!(
                "\n![{}]({name})\n",
                figure.title.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
            );
        }
        block.push('\n');
        written += &text[done..range.start];
        written += &block.replace('\n', ends);
        done = range.end;
    }
    written += &text[done..];
    files.push((document.to_owned(), written));
    Ok(files)
}

/// A place in a document that is written anew; paths as the document has them.
#[derive(Debug, PartialEq)]
struct Place {
    sweep: String,
    outcomes: String,
    /// The line that begins it, from 1 on.
    line: usize,
    /// From behind the line that begins it to before the line that ends it.
    range: Range<usize>,
}

/// The places of a document; or the line that is wrong, from 1 on, and why. What a fence holds is text, not a place.
fn places(text: &str) -> Result<Vec<Place>, (usize, String)> {
    let mut places = Vec::new();
    let mut open: Option<Place> = None;
    let (mut at, mut fenced) = (0, false);
    for (line, words) in (1..).zip(text.split_inclusive('\n')) {
        let next = at + words.len();
        let words = words.trim_end();
        if ["```", "~~~"].iter().any(|fence| words.trim_start().starts_with(fence)) {
            fenced = !fenced;
        } else if !fenced && words.starts_with(BEGIN) {
            if let Some(Place { line, .. }) = open {
                return Err((line, format!("the next begins before a line `{END}` has ended it")));
            }
            let paths = words.strip_prefix(BEGIN).and_then(|words| words.strip_suffix("-->")).unwrap_or_default();
            let paths: Vec<&str> = paths.split_whitespace().collect();
            let [sweep, outcomes] = paths[..] else {
                return Err((line, format!("write `{BEGIN}SWEEP.toml sweep.json -->`, two paths without spaces")));
            };
            open = Some(Place { sweep: sweep.into(), outcomes: outcomes.into(), line, range: next..next });
        } else if !fenced && words == END {
            let place = open.take().ok_or_else(|| (line, format!("no line `{BEGIN}...` has begun what this ends")))?;
            places.push(Place { range: place.range.start..at, ..place });
        }
        at = next;
    }
    match open {
        Some(Place { line, .. }) => Err((line, format!("no line is `{END}`, from its first letter on, which ends it"))),
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
        let place = Place {
            sweep: "a.toml".into(),
            outcomes: "b/sweep.json".into(),
            line: 2,
            range: begun..begun + "old\n".len(),
        };
        assert_eq!(places(text), Ok(vec![place]));
        assert_eq!(places("# nothing\n"), Ok(Vec::new()));
        assert_eq!(places(&format!("```\n{text}```\n")), Ok(Vec::new()));
    }

    #[test]
    fn lines_that_do_not_pair_are_named() {
        let line = |text: &str| places(text).map_err(|(line, _)| line);
        assert_eq!(line("\n<!-- ghm tables a b -->\n"), Err(2));
        assert_eq!(line("<!-- end of tables -->\n"), Err(1));
        assert_eq!(line("\n\n<!-- ghm tables a b\n<!-- end of tables -->\n"), Err(3));
        assert_eq!(line("<!-- ghm tables a -->\n<!-- end of tables -->\n"), Err(1));
        assert_eq!(line("<!-- ghm tables a b -->\n\n<!-- ghm tables a b -->\n<!-- end of tables -->\n"), Err(1));
    }
}
