//! Where things lie in the folder of a sweep, whether it is there or not.

use std::path::{Path, PathBuf};

use ghm_sweep::Run;

/// A sweep's folder, as paths alone.
pub struct Places {
    /// Absolute.
    root: PathBuf,
}

impl Places {
    /// Of the folder at this absolute path.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path from the folder on, or of what lies elsewhere its name.
    pub fn portable(&self, path: &Path) -> PathBuf {
        let inside = path.strip_prefix(&self.root).ok().map(Path::to_owned);
        inside.unwrap_or_else(|| path.file_name().map_or_else(|| path.to_owned(), PathBuf::from))
    }

    /// A data set that is made for the sweep.
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

    /// A run's recipe as resolved.
    pub fn recipe(&self, run: &Run) -> PathBuf {
        self.root.join("recipes").join(format!("{}.toml", run.slug))
    }

    /// By which recipe a run was begun, and what came out.
    pub fn outcome(&self, run: &Run) -> PathBuf {
        self.root.join("outcomes").join(format!("{}.json", run.slug))
    }
}
