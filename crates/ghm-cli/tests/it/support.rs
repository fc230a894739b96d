//! A small data set, a small recipe, and the binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ghm_data::{SceneConfig, write_scenes};

/// A network and a schedule of seconds.
pub const RECIPE: &str = r#"
seed = 5
[data]
root = "data"
threads = 2
[input]
width = 64
height = 64
[augment]
flip_horizontal = 0.5
[model]
backbone = "resnet18"
base_channels = 8
norm = "batch"
frozen_stages = 0
channels = 8
head_depth = 1
[model.anchors]
base_size = 16.0
[optimiser]
kind = "adamw"
learning_rate = 1e-3
[schedule]
epochs = 2
batch = 2
warmup_steps = 2
decay = "cosine"
[checkpoint]
every_steps = 4
"#;

/// A folder with `data/` (scenes) and `recipe.toml`.
pub struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = SceneConfig { width: 64, height: 64, train: 12, validation: 2, seed: 1, ..SceneConfig::default() };
        write_scenes(&config, &folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("recipe.toml"), RECIPE).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ghm"));
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    pub fn ghm(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs and expects a refusal that says every part, and no panic.
    pub fn refused(&self, arguments: &[&str], parts: &[&str]) {
        let output = self.ghm(arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(!message.contains("internal failure") && !message.contains("panicked"), "{message}");
        for part in parts {
            assert!(message.contains(part), "{arguments:?}: no `{part}` in: {message}");
        }
    }

    /// Runs and expects success.
    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.ghm(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file below a folder with its content.
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return all };
    for path in entries.map(|e| e.unwrap().path()) {
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}
