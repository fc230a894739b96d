//! What `fixtures/retinanet/generate.py` wrote.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A file of it.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/retinanet").join(name)
}

/// Name and shape of every tensor of torchvision's models.
pub fn torchvision() -> HashMap<String, HashMap<String, Vec<usize>>> {
    serde_json::from_str(&std::fs::read_to_string(fixture("names.json")).unwrap()).unwrap()
}
