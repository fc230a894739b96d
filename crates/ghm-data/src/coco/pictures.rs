//! Where the pictures of a COCO file lie.

use std::path::{Path, PathBuf};

/// The folders in which pictures are looked up, in order.
#[derive(Debug)]
pub(super) struct PictureFolders {
    existing: Vec<PathBuf>,
    all: Vec<PathBuf>,
}

impl PictureFolders {
    /// The folders for a split of the data set under `root` (a folder, or the JSON file itself).
    pub fn new(json: &Path, root: &Path, split: &str) -> Self {
        let beside = json.parent().unwrap_or(Path::new(""));
        // A JSON file that was passed itself stands in its own root.
        let root = if root.is_file() { beside } else { root };
        let candidates = [
            beside.to_path_buf(),
            root.to_path_buf(),
            root.join("images"),
            root.join(split),
            root.join("images").join(split),
            beside.join("../images"),
            beside.join("..").join(split),
            beside.join("../images").join(split),
        ];
        let mut all: Vec<PathBuf> = Vec::new();
        for folder in candidates {
            if !all.contains(&folder) {
                all.push(folder);
            }
        }
        let existing = all.iter().filter(|folder| folder.as_os_str().is_empty() || folder.is_dir()).cloned().collect();
        Self { existing, all }
    }

    /// The path of the picture; names written with backslashes are understood too.
    pub fn find(&self, file_name: &str) -> Option<PathBuf> {
        let lies_in = |name: &str| self.existing.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        lies_in(file_name)
            .or_else(|| file_name.contains('\\').then(|| lies_in(&file_name.replace('\\', "/"))).flatten())
    }

    /// The folders for a message.
    pub fn describe(&self) -> String {
        self.all.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}
