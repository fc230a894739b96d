//! Data sets in folders that go away with the test.

use std::fs;
use std::path::{Path, PathBuf};

use ghm_data::{Loaded, open};

/// A data set in a folder that goes away with it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(&path, content).expect("file");
        path
    }

    /// As much of a PNG as its size takes.
    pub fn picture(&self, name: &str, width: u32, height: u32) {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 2, 0, 0, 0]);
        self.write(name, bytes);
    }

    pub fn load(&self, split: &str) -> Loaded {
        open(self.root()).and_then(|source| source.load(split)).expect("loaded")
    }

    /// What opening and loading refuses with.
    pub fn refusal(&self, name: &str, split: &str) -> String {
        let outcome = open(&self.path(name)).and_then(|source| source.load(split));
        outcome.expect_err("refused").to_string()
    }
}
