//! `ghm report`: a run or a sweep as one page for the browser.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use ghm_data::Dataset;
use ghm_report::{Block, Figure, page};
use ghm_train::{Recipe, RunDirectory, replace_file};

use crate::arguments::ReportArguments;
use crate::failure::in_a_line;
use crate::output::{expect_free, name_of};
use crate::sweep;

mod classes;
mod curves;
mod density;
mod facts;
mod found;
mod gallery;
mod suspects;

/// Runs the verb.
pub fn run(arguments: &ReportArguments) -> Result<ExitCode> {
    let folder = &arguments.folder;
    if let Some(out) = &arguments.out {
        expect_free(out)?;
    }
    let (title, blocks) = if sweep::is_one(folder) { sweep::blocks(folder)? } else { of_run(folder)? };
    let out = arguments.out.clone().unwrap_or_else(|| folder.join("report.html"));
    replace_file(&out, page(&title, &blocks).as_bytes())?;
    eprintln!("report: {}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a run that has just ended; the run is good without it.
pub fn write(directory: &RunDirectory) {
    let arguments = ReportArguments { folder: directory.root().to_owned(), out: None };
    if let Err(error) = run(&arguments) {
        eprintln!("warning: there is no report: {}", in_a_line(&error));
    }
}

/// A run of which something is to be shown.
struct Subject {
    directory: RunDirectory,
    recipe: Recipe,
    /// The data as they are now; `None` where they cannot be read any more.
    train: Option<Arc<Dataset>>,
    validation: Option<Arc<Dataset>>,
}

impl Subject {
    fn open(root: &Path) -> Result<Self> {
        let directory = RunDirectory::open(root)?;
        let recipe = directory.read_recipe()?;
        let load = |split: &Option<String>| {
            let source = ghm_data::open(&recipe.data.root).ok()?;
            Some(Arc::new(source.load(split.as_ref()?).ok()?.dataset))
        };
        let (train, validation) = (load(&recipe.data.train), load(&recipe.data.validation));
        Ok(Self { directory, recipe, train, validation })
    }
}

fn of_run(root: &Path) -> Result<(String, Vec<Block>)> {
    let subject = Subject::open(root)?;
    let mut blocks = facts::blocks(&subject)?;
    blocks.extend(curves::blocks(&subject)?);
    blocks.extend(classes::blocks(&subject)?);
    blocks.extend(found::blocks(&subject)?);
    blocks.extend(density::blocks(&subject)?);
    blocks.extend(suspects::blocks(&subject)?);
    Ok((format!("Run {}", name_of(root)), blocks))
}

fn heading(text: &str) -> Block {
    Block::Text(format!("## {text}"))
}

/// Charts of which those without a point are left out.
fn figures(charts: impl IntoIterator<Item = ghm_report::Chart>) -> Result<Block> {
    let drawn = charts.into_iter().filter(ghm_report::Chart::is_drawable);
    let figure = |chart: ghm_report::Chart| Ok(Figure { svg: chart.svg()?, title: chart.title });
    Ok(Block::Figures(drawn.map(figure).collect::<Result<_>>()?))
}

/// A number from 0 to 1; a dash where it is not defined.
fn share(number: Option<f64>) -> String {
    number.map_or("–".to_owned(), |number| format!("{number:.3}"))
}
