//! The folder of a sweep: what was to be run, what came out, the tables.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ghm_sweep::file::NoiseFile;
use ghm_sweep::results::Outcomes;
use ghm_sweep::{Outcome, Results, Run, Sweep, table};
use ghm_train::replace_file;
use serde::{Deserialize, Serialize};

/// The recipe that every run started from, as it was then.
const RECIPE: &str = "recipe.toml";

/// A sweep's folder, which no other process has meanwhile.
pub struct Folder {
    root: PathBuf,
    /// Where the file system has no locks, nothing is locked.
    _lock: Option<File>,
}

/// What came out of a run, and of what.
#[derive(Deserialize, Serialize)]
struct Saved {
    overrides: Vec<String>,
    noise: Option<NoiseFile>,
    outcome: Outcome,
}

impl Folder {
    /// A new folder, or that of the same sweep.
    pub fn open(root: &Path, sweep: &Sweep, recipe: &str) -> Result<Self> {
        let kept = root.join(RECIPE);
        if root.is_dir() && !kept.is_file() && fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some()) {
            bail!("{}: exists already and is no sweep's; give another --out", root.display());
        }
        fs::create_dir_all(root).with_context(|| format!("{}: cannot be made", root.display()))?;
        match fs::read_to_string(&kept) {
            Ok(before) if before != recipe => bail!(
                "{}: is of another recipe than {} is now; give another --out, or remove it",
                root.display(),
                sweep.recipe.display()
            ),
            Ok(_) => {}
            Err(_) => replace_file(&kept, recipe.as_bytes())?,
        }
        let lock = match File::open(&kept).map(|file| file.try_lock().map(|()| file)) {
            Ok(Err(TryLockError::WouldBlock)) => {
                bail!("{}: another process is at this sweep; wait for its end, or stop it first", root.display())
            }
            Ok(Ok(file)) => Some(file),
            _ => None,
        };
        Ok(Self { root: root.to_owned(), _lock: lock })
    }

    /// The recipe that every run starts from.
    pub fn recipe(&self) -> PathBuf {
        self.root.join(RECIPE)
    }

    /// A data set that was made for the sweep.
    pub fn data(&self, name: &str) -> PathBuf {
        self.root.join("data").join(name)
    }

    /// A run's directory.
    pub fn run(&self, run: &Run) -> PathBuf {
        self.root.join("runs").join(&run.slug)
    }

    /// What a run says while it trains.
    pub fn log(&self, run: &Run) -> PathBuf {
        self.root.join("logs").join(format!("{}.log", run.slug))
    }

    fn outcome(&self, run: &Run) -> PathBuf {
        self.root.join("outcomes").join(format!("{}.json", run.slug))
    }

    /// What came out of those runs that have ended; of failed ones nothing, if they are to be run again or are others now.
    pub fn outcomes(&self, sweep: &Sweep, again: bool) -> Result<Outcomes> {
        let mut outcomes = Outcomes::new();
        for run in sweep.runs() {
            let path = self.outcome(&run);
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let saved: Saved =
                serde_json::from_str(&text).with_context(|| format!("{}: is damaged; remove it", path.display()))?;
            let same = saved.overrides == run.overrides && saved.noise == run.noise;
            match saved.outcome {
                Outcome::Failed { .. } if again || !same => {}
                Outcome::Finished { .. } if !same => bail!(
                    "{}: was run with other settings than the sweep has now; remove it and {}, or give another --out",
                    self.run(&run).display(),
                    path.display()
                ),
                outcome => {
                    outcomes.insert((run.cell, run.seed), outcome);
                }
            }
        }
        Ok(outcomes)
    }

    /// Keeps what came out of a run.
    pub fn save(&self, run: &Run, outcome: &Outcome) -> Result<()> {
        let saved = Saved { overrides: run.overrides.clone(), noise: run.noise, outcome: outcome.clone() };
        let path = self.outcome(run);
        make_parent(&path)?;
        Ok(replace_file(&path, serde_json::to_string_pretty(&saved)?.as_bytes())?)
    }

    /// Writes what has come out so far.
    pub fn write_tables(&self, results: &Results) -> Result<()> {
        replace_file(&self.root.join("sweep.csv"), &table::csv(results)?)?;
        replace_file(&self.root.join("sweep.json"), serde_json::to_string_pretty(&table::json(results))?.as_bytes())?;
        Ok(replace_file(&self.root.join("sweep.md"), table::markdown(results).as_bytes())?)
    }

    /// Where the tables are.
    pub fn tables(&self) -> String {
        let of = |name: &str| self.root.join(name).display().to_string();
        [of("sweep.md"), of("sweep.csv"), of("sweep.json")].join(", ")
    }
}

/// Makes the folder that a file is to lie in.
pub fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("{}: cannot be made", parent.display()))
}
