//! Everything a run needs to go on, written so that no crash loses it.
//!
//! A checkpoint is a folder with `model.safetensors`, `optimiser.bpk` and `state.json`; the last names the SHA-256 of
//! the others and is written last. A new one is completed and synced beside the old one, which is then moved away, and
//! only after the new one is in place removed: at every moment at least one complete checkpoint has a known name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use ghm_burn::CriterionState;
use ghm_data::Category;
use ghm_detector::{RetinaNet, save_model};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::io;
use crate::{Description, TrainError};

const MODEL: &str = "model.safetensors";
const OPTIMISER: &str = "optimiser.bpk";
const STATE: &str = "state.json";

/// The version of the layout.
const FORMAT: u32 = 1;

/// What a run knows beside its weights and the optimiser's history. Random numbers need no state: they belong to the
/// seed, the epoch and a picture's place in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointState {
    /// Updates made.
    pub step: usize,
    /// The epoch that the next update belongs to, counted from 0.
    pub epoch: usize,
    /// Updates already made in that epoch.
    pub step_in_epoch: usize,
    /// Best AP so far.
    pub best_ap: Option<f64>,
    /// The densities of the losses.
    pub criterion: CriterionState,
    /// Sums of the losses of the current epoch: classification, regression.
    pub epoch_sums: [f64; 2],
    /// Updates behind these sums: those of which any picture could be read.
    pub epoch_updates: usize,
    /// Ids of the training pictures that could not be read.
    pub skipped: BTreeSet<u64>,
    /// Ids of the validation pictures that could not be read.
    pub skipped_validation: BTreeSet<u64>,
    /// The classes, in the order of the network's outputs.
    pub categories: Vec<Category>,
    /// The content of the data the run was started on.
    pub fingerprint: String,
    /// Seconds that all sessions took so far.
    #[serde(default)]
    pub seconds: f64,
}

#[derive(Serialize, Deserialize)]
struct StateFile {
    format: u32,
    /// SHA-256 of the other files.
    files: BTreeMap<String, String>,
    #[serde(flatten)]
    state: CheckpointState,
}

/// A checkpoint that was read and found complete.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// What the run knows.
    pub state: CheckpointState,
    /// Where the weights lie.
    pub model: PathBuf,
    folder: PathBuf,
}

impl Checkpoint {
    /// Reads the checkpoint at `path`; where a crash left none there, the one that it left beside.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let candidates = [path.to_owned(), sibling(path, "new"), sibling(path, "old")];
        let mut first_error = None;
        for folder in candidates.into_iter().filter(|folder| folder.is_dir()) {
            match Self::read_folder(&folder) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| TrainError::Damaged {
            path: path.to_owned(),
            reason: "there is no checkpoint here yet".into(),
        }))
    }

    /// Whether a checkpoint was ever completed at `path`: half a first one, left by a crash, does not count.
    pub fn exists(path: &Path) -> bool {
        path.is_dir() || sibling(path, "old").is_dir() || Self::read_folder(&sibling(path, "new")).is_ok()
    }

    fn read_folder(folder: &Path) -> Result<Self, TrainError> {
        let path = folder.join(STATE);
        let damaged = |path: &Path, reason: String| TrainError::Damaged { path: path.to_owned(), reason };
        let text = fs::read_to_string(&path).map_err(io(&path, "cannot be read"))?;
        let file: StateFile = serde_json::from_str(&text).map_err(|e| damaged(&path, format!("is damaged: {e}")))?;
        if file.format != FORMAT {
            return Err(damaged(&path, format!("has layout {}, this program reads {FORMAT}", file.format)));
        }
        for (name, expected) in &file.files {
            let path = folder.join(name);
            let bytes = fs::read(&path).map_err(io(&path, "cannot be read"))?;
            if digest(&bytes) != *expected {
                return Err(damaged(&path, "is damaged: its SHA-256 is not the one in state.json".into()));
            }
        }
        Ok(Self { state: file.state, model: folder.join(MODEL), folder: folder.to_owned() })
    }

    /// The optimiser's history.
    pub fn optimiser(&self) -> Result<Vec<u8>, TrainError> {
        let path = self.folder.join(OPTIMISER);
        fs::read(&path).map_err(io(&path, "cannot be read"))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

/// Writes a checkpoint to `path` in place of the one that is there.
pub fn write_checkpoint(
    path: &Path,
    (network, description): (&RetinaNet, &Description),
    optimiser: &[u8],
    state: &CheckpointState,
) -> Result<(), TrainError> {
    let (new, old) = (sibling(path, "new"), sibling(path, "old"));
    recover(path, &new, &old)?;
    let model = save_model(network, description.to_metadata())?;
    let written = fill(&new, &model, optimiser, state);
    if let Err(error) = written {
        // The old checkpoint is untouched; half a new one only takes up room.
        let _ = fs::remove_dir_all(&new);
        return Err(error);
    }
    if path.exists() {
        fs::rename(path, &old).map_err(io(path, "cannot be moved"))?;
    }
    fs::rename(&new, path).map_err(io(&new, "cannot be moved"))?;
    sync_folder(path.parent())?;
    remove(&old)
}

/// After a crash: puts the newest complete checkpoint at its place and clears the rest.
fn recover(path: &Path, new: &Path, old: &Path) -> Result<(), TrainError> {
    if !path.exists() {
        for left in [new, old] {
            if Checkpoint::read_folder(left).is_ok() {
                fs::rename(left, path).map_err(io(left, "cannot be moved"))?;
                break;
            }
        }
    }
    remove(new)?;
    remove(old)
}

fn fill(new: &Path, model: &[u8], optimiser: &[u8], state: &CheckpointState) -> Result<(), TrainError> {
    fs::create_dir_all(new).map_err(io(new, "cannot be created"))?;
    let mut files = BTreeMap::new();
    for (name, bytes) in [(MODEL, model), (OPTIMISER, optimiser)] {
        write_synced(&new.join(name), bytes)?;
        files.insert(name.to_owned(), digest(bytes));
    }
    let file = StateFile { format: FORMAT, files, state: state.clone() };
    let text = serde_json::to_vec_pretty(&file).map_err(|e| io(new, "cannot be written")(e.into()))?;
    write_synced(&new.join(STATE), &text)?;
    sync_folder(Some(new))
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io(path, "cannot be written; free some space or check the folder's rights"))
}

fn sync_folder(folder: Option<&Path>) -> Result<(), TrainError> {
    let Some(folder) = folder else { return Ok(()) };
    File::open(folder).and_then(|f| f.sync_all()).map_err(io(folder, "cannot be synced"))
}

fn remove(folder: &Path) -> Result<(), TrainError> {
    if folder.exists() { fs::remove_dir_all(folder).map_err(io(folder, "cannot be removed")) } else { Ok(()) }
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use ghm_detector::{Backbone, ModelConfig};

    fn description() -> Description {
        let model = ModelConfig { backbone: Backbone::Resnet18, channels: 8, head_depth: 0, ..ModelConfig::default() };
        let input = crate::Recipe::parse("[data]\nroot = 'x'", &[]).unwrap().input;
        Description { model, input, classes: Vec::new() }
    }

    fn network(seed: u64) -> RetinaNet {
        RetinaNet::new(&description().model, 1, seed, &Device::flex()).unwrap()
    }

    fn state(step: usize) -> CheckpointState {
        CheckpointState {
            step,
            epoch: 0,
            step_in_epoch: step,
            best_ap: Some(1.0 / 3.0),
            criterion: CriterionState { classification: None, regression: None },
            epoch_sums: [0.1, 0.2],
            epoch_updates: 5,
            skipped: BTreeSet::from([7]),
            skipped_validation: BTreeSet::from([9]),
            categories: Vec::new(),
            fingerprint: "f".into(),
            seconds: 0.7,
        }
    }

    fn written(folder: &Path, step: usize) -> PathBuf {
        let path = folder.join("last");
        write_checkpoint(&path, (&network(step as u64), &description()), b"history", &state(step)).unwrap();
        path
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), 3);
        let back = Checkpoint::read(&path).unwrap();
        assert_eq!((back.state.clone(), back.optimiser().unwrap()), (state(3), b"history".to_vec()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_crash_at_any_point_of_the_replacement_leaves_a_readable_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), 1);
        // Killed while the new one was being filled.
        fs::create_dir(sibling(&path, "new")).unwrap();
        fs::write(sibling(&path, "new").join(MODEL), b"half").unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap().state.step, 1);
        // Killed after the old one was moved away.
        fs::rename(&path, sibling(&path, "old")).unwrap();
        assert_eq!(Checkpoint::read(&path).unwrap().state.step, 1);
        // The next save clears up.
        written(folder.path(), 2);
        assert_eq!(Checkpoint::read(&path).unwrap().state.step, 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn half_a_first_checkpoint_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last");
        fs::create_dir(sibling(&path, "new")).unwrap();
        fs::write(sibling(&path, "new").join(MODEL), b"half").unwrap();
        assert!(!Checkpoint::exists(&path));
        written(folder.path(), 1);
        fs::rename(&path, sibling(&path, "new")).unwrap();
        assert!(Checkpoint::exists(&path));
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), 1);
        fs::write(path.join(OPTIMISER), b"histori").unwrap();
        let message = Checkpoint::read(&path).unwrap_err().to_string();
        assert!(message.contains("optimiser.bpk") && message.contains("damaged"), "{message}");
    }

    #[test]
    fn a_missing_checkpoint_is_said_to_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let message = Checkpoint::read(&folder.path().join("last")).unwrap_err().to_string();
        assert!(message.contains("no checkpoint here yet"), "{message}");
    }
}
