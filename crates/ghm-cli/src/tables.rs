//! `ghm tables`: the tables and charts of sweeps in a document, written anew from what came out of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use ghm_sweep::{Axis, Part, Results, joined, markdown};
use ghm_train::replace_file;

use crate::arguments::TablesArguments;
use crate::output::print;
use crate::sweep::Kept;

use places::{Asked, BEGIN, Place, Source, places};

mod places;

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
    let at = |line: usize| format!("{}, line {line}", document.display());
    let places = places(&text).map_err(|(line, reason)| anyhow!("{}: {reason}", at(line)))?;
    if places.is_empty() {
        bail!("{}: has no line `{BEGIN}SWEEP.toml sweep.json -->`, so there is nothing to write", document.display());
    }
    let ends = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut page = Page { beside: document.parent().unwrap_or(Path::new("")), charts: Vec::new() };
    let (mut written, mut done) = (String::new(), 0);
    for Place { asked, line, range } in places {
        let block = page.block(&asked).with_context(|| at(line))?;
        written += &text[done..range.start];
        written += &block.replace('\n', ends);
        done = range.end;
    }
    written += &text[done..];
    let mut files = page.charts;
    files.push((document.to_owned(), written));
    Ok(files)
}

/// A document, while it is written.
struct Page<'a> {
    /// Its folder, from which on its paths are.
    beside: &'a Path,
    /// The charts so far, and where they go.
    charts: Vec<(PathBuf, String)>,
}

impl Page<'_> {
    /// What is to stand at a place, and whatever charts it has.
    fn block(&mut self, asked: &Asked) -> Result<String> {
        match asked {
            Asked::Whole(source) => self.whole(source),
            Asked::Joined { axis, parts } => self.joined(axis, parts),
        }
    }

    fn kept(&self, source: &Source) -> Result<Kept> {
        Kept::read(&self.beside.join(&source.sweep), &self.beside.join(&source.outcomes), source.metric.as_deref())
    }

    fn whole(&mut self, source: &Source) -> Result<String> {
        let kept = self.kept(source)?;
        let mut block = format!("\n{}\n", markdown::tables(&kept.results()).trim_end());
        let stem = source.outcomes.strip_suffix(".json").unwrap_or(&source.outcomes);
        let metric = source.metric.iter().map(|metric| format!("-{metric}")).collect::<String>();
        let metric = metric.replace(|letter: char| !letter.is_alphanumeric(), "-");
        for (number, figure) in (1..).zip(kept.figures()?) {
            let name = format!("{stem}{metric}-{number}.svg");
            block += &format!(
                "\n![{}]({name})\n",
                figure.title.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
            );
            self.chart(self.beside.join(&name), figure.svg)?;
        }
        block.push('\n');
        Ok(block)
    }

    fn chart(&mut self, path: PathBuf, svg: String) -> Result<()> {
        // There are file systems that do not tell large letters from small ones.
        let same = |other: &Path| other.to_string_lossy().to_lowercase() == path.to_string_lossy().to_lowercase();
        match self.charts.iter().find(|(other, _)| same(other)) {
            Some((_, other)) if *other != svg => bail!(
                "{} would be another chart's too: keep each sweep.json in a folder of its own, and name of two classes whose letters \
                 and digits are the same but one",
                path.display()
            ),
            Some(_) => {}
            None => self.charts.push((path, svg)),
        }
        Ok(())
    }

    fn joined(&self, axis: &str, parts: &[(String, Source)]) -> Result<String> {
        let kept = parts.iter().map(|(_, source)| self.kept(source)).collect::<Result<Vec<_>>>()?;
        let results: Vec<Results> = kept.iter().map(Kept::results).collect();
        let mut joining = Vec::new();
        for ((name, source), results) in parts.iter().zip(&results) {
            let axis =
                Axis::shown(&results.sweep.axes, axis).map_err(|reason| anyhow!("{}: {reason}", source.sweep))?;
            joining.push(Part { name, results, axis });
        }
        Ok(format!("\n{}\n", joined(&joining)))
    }
}
