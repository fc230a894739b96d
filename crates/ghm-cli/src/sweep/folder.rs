//! The folder of a sweep: what is run, what came out, the tables.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use ghm_report::{Block, Figure, page};
use ghm_sweep::results::Outcomes;
use ghm_sweep::{Outcome, Results, Run, Sweep, markdown, table};
use ghm_train::{Recipe, RunDirectory, replace_file};
use serde::{Deserialize, Serialize};

use super::places::Places;
use super::{outcome, recipe};
use crate::output::name_of;

/// The file by which the folder of a sweep is known, and which is locked while a process is at it.
const MARK: &str = "sweep.lock";

/// The tables, as people read them.
const TABLES: &str = "sweep.md";

/// A sweep's folder, which no other process has meanwhile.
pub struct Folder {
    places: Places,
    /// Where the file system has no locks, nothing is locked.
    _lock: Option<File>,
}

/// What is run, and what came out of it, if it has ended.
#[derive(Deserialize, Serialize)]
struct Entry {
    /// The recipe as resolved, data and seed included; `None` where it could not be.
    recipe: Option<String>,
    outcome: Option<Outcome>,
}

impl Folder {
    /// A new folder, or that of a sweep.
    pub fn open(root: &Path) -> Result<Self> {
        let mark = root.join(MARK);
        if !mark.exists() && fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{}: exists already and is no sweep's; give another --out", root.display());
        }
        fs::create_dir_all(root).with_context(|| format!("{}: cannot be made", root.display()))?;
        let file = OpenOptions::new().create(true).append(true).open(&mark);
        let file = file.with_context(|| format!("{}: cannot be opened for writing", mark.display()))?;
        let lock = match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                bail!("{}: another process is at this sweep; wait for its end, or stop it first", root.display())
            }
            Ok(()) => Some(file),
            Err(TryLockError::Error(_)) => None,
        };
        let root = root.canonicalize().with_context(|| format!("{}: cannot be found", root.display()))?;
        Ok(Self { places: Places::new(root), _lock: lock })
    }

    /// Where things lie in it.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// What came out of those runs that have ended; of failed ones nothing, if they are to be run again or could not begin.
    ///
    /// # Errors
    /// For a run that has begun by another recipe than it has now.
    pub fn outcomes(
        &self,
        sweep: &Sweep,
        again: bool,
        resolve: impl Fn(&Run) -> Result<(Recipe, Recipe)>,
    ) -> Result<Outcomes> {
        let mut outcomes = Outcomes::new();
        for run in sweep.runs() {
            let path = self.places.outcome(&run);
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let kept: Entry =
                serde_json::from_str(&text).with_context(|| format!("{}: is damaged; remove it", path.display()))?;
            let Some(before) = kept.recipe else { continue };
            // Both are read by the same program, which may know more keys than the one that wrote it.
            let resolved = resolve(&run).ok();
            if resolved.as_ref().map(|(own, _)| own) != Recipe::parse(&before, &[]).ok().as_ref() {
                if RunDirectory::expect_free(&self.places.run(&run)).is_err() {
                    return Err(self.other_settings(&run));
                }
                if let Some(Outcome::Finished { .. }) = kept.outcome {
                    return Err(of_other_settings(&path));
                }
                continue;
            }
            match kept.outcome {
                Some(Outcome::Failed { .. }) if again => {}
                Some(mut outcome) => {
                    // The run's directory may still have what an earlier version did not keep.
                    if outcome.lacks(&sweep.metric)
                        && let Ok(read) = outcome::of_run(&self.places.run(&run), String::new())
                    {
                        self.keep(&run, resolved.as_ref().map(|(own, _)| own), Some(&read))?;
                        outcome = read;
                    }
                    // An earlier version may have had another way to tell them.
                    if let (Outcome::Finished { settings, .. }, Some((_, clean))) = (&mut outcome, &resolved) {
                        *settings = recipe::settings(&run, clean, &self.places)?;
                    }
                    outcomes.insert((run.cell, run.seed), outcome);
                }
                None => {}
            }
        }
        Ok(outcomes)
    }

    /// Why a run cannot be gone on with that was begun by another recipe than it has now.
    pub fn other_settings(&self, run: &Run) -> anyhow::Error {
        of_other_settings(&self.places.run(run))
    }

    /// Removes the directory of a run that has finished, if it is there.
    pub fn discard(&self, run: &Run) -> Result<()> {
        let root = self.places.run(run);
        match fs::remove_dir_all(&root) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{}: cannot be removed; it is not needed any more", root.display()))
            }
            _ => Ok(()),
        }
    }

    /// Keeps by which recipe a run is going to be run, or could not be, and what came out of it.
    pub fn keep(&self, run: &Run, recipe: Option<&Recipe>, outcome: Option<&Outcome>) -> Result<()> {
        let recipe = recipe.map(Recipe::to_toml).transpose()?;
        if let Some(text) = &recipe {
            let path = self.places.recipe(run);
            make_parent(&path)?;
            replace_file(&path, text.as_bytes())?;
        }
        let path = self.places.outcome(run);
        make_parent(&path)?;
        let kept = Entry { recipe, outcome: outcome.cloned() };
        Ok(replace_file(&path, serde_json::to_string_pretty(&kept)?.as_bytes())?)
    }

    /// Writes what has come out so far.
    pub fn write_tables(&self, results: &Results) -> Result<()> {
        replace_file(&self.places.root().join("sweep.csv"), &table::csv(results)?)?;
        replace_file(
            &self.places.root().join("sweep.json"),
            serde_json::to_string_pretty(&table::json(results))?.as_bytes(),
        )?;
        Ok(replace_file(&self.places.root().join(TABLES), markdown::tables(results).as_bytes())?)
    }

    /// Writes the report, and its charts by themselves.
    pub fn write_report(&self, name: &str, results: &Results, figures: &[Figure]) -> Result<()> {
        let blocks = [Block::Figures(figures.to_vec()), Block::Text(markdown::tables(results))];
        let page = page(&format!("Sweep {name}"), &blocks);
        replace_file(&self.report(), page.as_bytes())?;
        for (number, figure) in (1..).zip(figures) {
            let path = self.places.root().join("figures").join(format!("{number}.svg"));
            make_parent(&path)?;
            replace_file(&path, figure.svg.as_bytes())?;
        }
        Ok(())
    }

    /// Where the report is.
    pub fn report(&self) -> PathBuf {
        self.places.root().join("report.html")
    }

    /// Where the tables are.
    pub fn tables(&self) -> String {
        let of = |name: &str| self.places.root().join(name).display().to_string();
        [of(TABLES), of("sweep.csv"), of("sweep.json")].join(", ")
    }
}

fn of_other_settings(path: &Path) -> anyhow::Error {
    anyhow!(
        "{}: is of other settings than the sweep has now; put those back, or remove it, or give another --out",
        path.display()
    )
}

/// Whether a folder is a sweep's.
pub fn is_one(root: &Path) -> bool {
    root.join(MARK).is_file()
}

/// A sweep's page, from the tables and charts as they were last written: its title and its blocks.
pub fn blocks(root: &Path) -> Result<(String, Vec<Block>)> {
    let path = root.join(TABLES);
    let tables = fs::read_to_string(&path)
        .with_context(|| format!("{}: cannot be read; has any run of the sweep ended?", path.display()))?;
    let charts = (1..).map_while(|number| {
        let svg = fs::read_to_string(root.join("figures").join(format!("{number}.svg"))).ok()?;
        Some(Figure { title: format!("chart {number}"), svg })
    });
    let blocks = vec![Block::Figures(charts.collect()), Block::Text(tables)];
    Ok((format!("Sweep {}", name_of(root)), blocks))
}

/// Makes the folder that a file is to lie in.
pub fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("{}: cannot be made", parent.display()))
}
