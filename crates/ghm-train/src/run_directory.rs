//! What a run leaves on disk.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use ghm_eval::Evidence;

use crate::error::io;
use crate::step_record::{DensityRecord, EpochRecord, StepRecord};
use crate::{Recipe, TrainError};

/// The version of burn that this is built on.
const BURN: &str = "0.22.1";

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDirectory {
    root: PathBuf,
    /// Whether there was no folder before.
    created: bool,
}

impl RunDirectory {
    /// A new folder; one that holds anything is refused.
    pub fn create(root: &Path) -> Result<Self, TrainError> {
        Self::expect_free(root)?;
        let created = !root.exists();
        fs::create_dir_all(root.join("checkpoints")).map_err(io(root, "cannot create the run directory"))?;
        Ok(Self { root: root.to_owned(), created })
    }

    /// Refuses a path at which there is anything but an empty folder, or one that a run was killed in before it began.
    pub fn expect_free(root: &Path) -> Result<(), TrainError> {
        let begun = |path: &Path| {
            (path.ends_with("checkpoints") && is_empty(path))
                || path.ends_with("recipe.toml.partial")
                || path.ends_with("findings.txt")
        };
        let occupied = fs::read_dir(root).is_ok_and(|entries| entries.flatten().any(|entry| !begun(&entry.path())));
        if occupied || root.is_file() { Err(TrainError::Exists(root.to_owned())) } else { Ok(()) }
    }

    /// Removes what [`RunDirectory::create`] made, as long as nothing else is in it.
    pub fn withdraw(self) {
        let _ = fs::remove_dir(self.root.join("checkpoints"));
        let _ = fs::remove_file(self.findings_path());
        if self.created {
            let _ = fs::remove_dir(&self.root);
        }
    }

    /// The folder of an earlier run.
    pub fn open(root: &Path) -> Result<Self, TrainError> {
        let directory = Self { root: root.to_owned(), created: false };
        if directory.recipe_path().is_file() {
            return Ok(directory);
        }
        let reason = match (root.is_dir(), Self::below(root)) {
            (false, _) => "no such run directory".into(),
            (true, None) => "is not a run directory: it holds no recipe.toml".into(),
            (true, Some(run)) => format!("is not a run directory, but {} is one", run.display()),
        };
        Err(TrainError::Damaged { path: root.to_owned(), reason })
    }

    /// The first run, by name, that lies in this folder, as in that of a demonstration.
    fn below(folder: &Path) -> Option<PathBuf> {
        let runs = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        runs.filter(|path| path.join("recipe.toml").is_file()).min()
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The recipe as it was resolved.
    pub fn recipe_path(&self) -> PathBuf {
        self.root.join("recipe.toml")
    }

    /// One JSON object an update.
    pub fn metrics_path(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// One line an epoch.
    pub fn epochs_path(&self) -> PathBuf {
        self.root.join("epochs.csv")
    }

    /// What the network said of every label, a picture and epoch a line.
    pub fn evidence_path(&self) -> PathBuf {
        self.root.join("evidence.jsonl")
    }

    /// The densities of the losses at the end of every epoch, one a line.
    pub fn densities_path(&self) -> PathBuf {
        self.root.join("densities.jsonl")
    }

    /// The checkpoint of this name, `last` or `best`.
    pub fn checkpoint_path(&self, name: &str) -> PathBuf {
        self.root.join("checkpoints").join(name)
    }

    /// The newest evaluation's boxes as COCO results.
    pub fn detections_path(&self) -> PathBuf {
        self.root.join("detections.json")
    }

    /// The newest evaluation's numbers.
    pub fn evaluation_path(&self) -> PathBuf {
        self.root.join("evaluation.json")
    }

    /// The defects of the labels, one a line.
    pub fn findings_path(&self) -> PathBuf {
        self.root.join("findings.txt")
    }

    /// Pictures with boxes.
    pub fn samples_path(&self) -> PathBuf {
        self.root.join("samples")
    }

    /// Writes the recipe, headed by versions and the data's fingerprint.
    pub fn write_recipe(&self, recipe: &Recipe, fingerprint: &str) -> Result<(), TrainError> {
        let text = format!(
            "# Resolved by ghm {} (burn {BURN}).\n# Data fingerprint: {fingerprint}\n\n{}",
            env!("CARGO_PKG_VERSION"),
            recipe.to_toml()?
        );
        replace_file(&self.recipe_path(), text.as_bytes())
    }

    /// Reads the recipe.
    pub fn read_recipe(&self) -> Result<Recipe, TrainError> {
        Recipe::read(&self.recipe_path(), &[])
    }

    /// Reads what each update so far has left; the last line may be half of one, while the run goes on, and is left out.
    pub fn read_metrics(&self) -> Result<impl Iterator<Item = StepRecord>, TrainError> {
        let path = self.metrics_path();
        let file = File::open(&path).map_err(io(&path, "cannot be read"))?;
        Ok(BufReader::new(file).lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()))
    }

    /// Opens all logs for a run that has made `step` updates: later lines, of a session that was killed, are dropped.
    ///
    /// Until the logs are closed no other process can open them.
    pub fn open_logs(&self, step: usize) -> Result<RunLogs, TrainError> {
        let lock = self.lock()?;
        let (metrics, epochs) = (self.metrics_path(), self.epochs_path());
        keep_lines(&metrics, |line| serde_json::from_str::<StepRecord>(line).is_ok_and(|record| record.step <= step))?;
        keep_lines(&epochs, |line| {
            let made = line.split(',').nth(1).and_then(|column| column.parse::<usize>().ok());
            line == EpochRecord::HEADER || made.is_some_and(|made| made <= step)
        })?;
        let (evidence, densities) = (self.evidence_path(), self.densities_path());
        for dated in [&evidence, &densities] {
            keep_lines(dated, |line| serde_json::from_str::<Dated>(line).is_ok_and(|said| said.step <= step))?;
        }
        let mut logs = RunLogs {
            metrics: append(&metrics)?,
            epochs: append(&epochs)?,
            evidence: None,
            paths: Paths { metrics, epochs, evidence, densities },
            _lock: lock,
        };
        if logs.epochs.metadata().is_ok_and(|m| m.len() == 0) {
            logs.epoch_line(EpochRecord::HEADER)?;
        }
        Ok(logs)
    }

    /// Locks the recipe, the one file that no session replaces; where the file system has no locks, nothing is locked.
    fn lock(&self) -> Result<Option<File>, TrainError> {
        let path = self.recipe_path();
        let Ok(file) = File::open(&path) else { return Ok(None) };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let reason = "another process is training in this run directory; wait for its end, or stop it first";
                Err(TrainError::Damaged { path: self.root.clone(), reason: reason.into() })
            }
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(file)),
        }
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// Of a line of evidence or of densities, when it was written.
#[derive(serde::Deserialize)]
struct Dated {
    step: usize,
}

/// The logs of a run, open for appending.
#[derive(Debug)]
pub struct RunLogs {
    metrics: File,
    epochs: File,
    /// Opened with its first line.
    evidence: Option<File>,
    paths: Paths,
    /// Held as long as the logs are open.
    _lock: Option<File>,
}

#[derive(Debug)]
struct Paths {
    metrics: PathBuf,
    epochs: PathBuf,
    evidence: PathBuf,
    densities: PathBuf,
}

impl RunLogs {
    /// Adds an update.
    pub fn step(&mut self, record: &StepRecord) -> Result<(), TrainError> {
        let mut line =
            serde_json::to_string(record).map_err(|e| io(&self.paths.metrics, "cannot be written")(e.into()))?;
        line.push('\n');
        self.metrics.write_all(line.as_bytes()).map_err(io(&self.paths.metrics, "cannot be written"))
    }

    /// Adds what was said of the labels of an update.
    pub fn evidence(&mut self, said: &[Evidence]) -> Result<(), TrainError> {
        if said.is_empty() {
            return Ok(());
        }
        let path = &self.paths.evidence;
        let mut lines = Vec::new();
        for said in said {
            serde_json::to_writer(&mut lines, said).map_err(|e| io(path, "cannot be written")(e.into()))?;
            lines.push(b'\n');
        }
        let file = match &mut self.evidence {
            Some(file) => file,
            none => none.insert(append(path)?),
        };
        file.write_all(&lines).map_err(io(path, "cannot be written"))
    }

    /// Adds an epoch.
    pub fn epoch(&mut self, record: &EpochRecord) -> Result<(), TrainError> {
        self.epoch_line(&record.csv())
    }

    fn epoch_line(&mut self, line: &str) -> Result<(), TrainError> {
        writeln!(self.epochs, "{line}").map_err(io(&self.paths.epochs, "cannot be written"))
    }

    /// Adds the densities of an epoch, where there are any.
    pub fn densities(&mut self, record: &DensityRecord) -> Result<(), TrainError> {
        let path = &self.paths.densities;
        if record.densities.classification.is_none() && record.densities.regression.is_none() {
            return Ok(());
        }
        let mut line = serde_json::to_string(record).map_err(|e| io(path, "cannot be written")(e.into()))?;
        line.push('\n');
        let mut file = append(path)?;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(io(path, "cannot be written"))
    }

    /// Makes sure that everything is on the disk, before a checkpoint says that it is.
    pub fn sync(&self) -> Result<(), TrainError> {
        self.metrics.sync_data().map_err(io(&self.paths.metrics, "cannot be written"))?;
        self.epochs.sync_data().map_err(io(&self.paths.epochs, "cannot be written"))?;
        self.evidence
            .as_ref()
            .map_or(Ok(()), |file| file.sync_data().map_err(io(&self.paths.evidence, "cannot be written")))
    }
}

fn append(path: &Path) -> Result<File, TrainError> {
    OpenOptions::new().create(true).append(true).open(path).map_err(io(path, "cannot be opened for writing"))
}

/// Rewrites a log with those lines that `keep` wants; a torn last line is never wanted.
fn keep_lines(path: &Path, keep: impl Fn(&str) -> bool) -> Result<(), TrainError> {
    let Ok(file) = File::open(path) else { return Ok(()) };
    replace_by(path, |beside| {
        let mut kept = BufWriter::new(beside);
        for line in BufReader::new(file).lines().map_while(Result::ok).filter(|line| keep(line)) {
            writeln!(kept, "{line}")?;
        }
        kept.flush()
    })
}

/// Puts a file in place at once: written beside, synced, renamed.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    replace_by(path, |file| file.write_all(bytes))
}

fn replace_by(path: &Path, content: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<(), TrainError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let beside = path.with_file_name(name);
    let write = || {
        let mut file = File::create(&beside)?;
        content(&mut file)?;
        if let Ok(before) = fs::metadata(path) {
            // Not every file system has them; what is written counts more.
            let _ = file.set_permissions(before.permissions());
        }
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| {
        // What could not be completed only takes up room.
        let _ = fs::remove_file(&beside);
        TrainError::Io { path: path.to_owned(), doing: "cannot be written", source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step_record::StepTime;

    fn record(step: usize) -> StepRecord {
        StepRecord {
            step,
            epoch: 1,
            learning_rate: 0.1,
            loss: 1.0 / 3.0,
            classification: 0.1,
            regression: 0.2,
            gradient_norm: 1.0,
            positives: 3,
            pictures: 2,
            time: StepTime::default(),
        }
    }

    #[test]
    fn a_folder_that_holds_anything_is_never_taken() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mine.txt"), "x").unwrap();
        let message = RunDirectory::create(folder.path()).unwrap_err().to_string();
        assert!(message.contains("never overwritten"), "{message}");
        assert_eq!(fs::read_to_string(folder.path().join("mine.txt")).unwrap(), "x");
    }

    #[test]
    fn an_empty_folder_and_one_that_was_only_begun_are_free() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(folder.path()).unwrap();
        let again = RunDirectory::create(folder.path()).unwrap();
        assert_eq!(directory, again);
    }

    #[test]
    fn what_was_made_is_taken_back_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        RunDirectory::create(folder.path()).unwrap().withdraw();
        assert!(folder.path().is_dir() && is_empty(folder.path()), "the folder was there before");
        RunDirectory::create(&folder.path().join("run")).unwrap().withdraw();
        assert!(!folder.path().join("run").exists());
    }

    #[test]
    fn logs_are_open_to_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(&folder.path().join("run")).unwrap();
        fs::write(directory.recipe_path(), "").unwrap();
        let logs = directory.open_logs(0).unwrap();
        let message = directory.open_logs(0).unwrap_err().to_string();
        assert!(message.contains("another process") && message.contains("run"), "{message}");
        drop(logs);
        assert!(directory.open_logs(0).is_ok());
    }

    #[test]
    fn the_named_version_of_burn_is_the_locked_one() {
        let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
        assert!(lock.contains(&format!("name = \"burn\"\nversion = \"{BURN}\"")), "{BURN}");
    }

    #[test]
    fn a_folder_without_recipe_is_not_a_run() {
        let folder = tempfile::tempdir().unwrap();
        assert!(RunDirectory::open(folder.path()).unwrap_err().to_string().contains("no recipe.toml"));
    }

    #[test]
    fn going_on_drops_later_and_torn_lines() {
        let folder = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(&folder.path().join("run")).unwrap();
        let mut logs = directory.open_logs(0).unwrap();
        (1..=4).for_each(|step| logs.step(&record(step)).unwrap());
        let mut file = append(&directory.metrics_path()).unwrap();
        file.write_all(b"{\"step\": 5, \"ep").unwrap();
        directory.open_logs(2).unwrap();
        let text = fs::read_to_string(directory.metrics_path()).unwrap();
        let back: Vec<StepRecord> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(back, [record(1), record(2)]);
    }
}
