//! The `data.yaml` of a YOLO data set.

use std::path::{Path, PathBuf};

use serde_yaml_ng::{Mapping, Value};

use crate::dataset::Category;
use crate::error::DataError;
use crate::source::{entries, has_ending, text};

/// The keys that name splits.
pub(super) const SPLITS: [&str; 3] = ["train", "val", "test"];

/// A checked `data.yaml`.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub file: PathBuf,
    /// The folder that `path` names, relative to the file.
    pub base: PathBuf,
    /// Ids are YOLO's class numbers, sorted.
    pub categories: Vec<Category>,
    /// The folders and lists of each split, as written.
    splits: Vec<(String, Vec<String>)>,
}

/// The `data.yaml` of a folder: a file of this name, or another YAML file with `names` and a split.
///
/// # Errors
///
/// [`DataError::AmbiguousFiles`] when there are two.
pub(crate) fn find(root: &Path) -> Result<Option<PathBuf>, DataError> {
    let is_manifest = |path: &PathBuf| {
        has_ending(path, &["yaml", "yml"])
            && path.is_file()
            && (path.file_stem().is_some_and(|stem| stem == "data") || looks_like_manifest(path))
    };
    let mut found = entries(root)?.into_iter().filter(is_manifest);
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => {
            let what = "a YOLO data set".to_owned();
            Err(DataError::AmbiguousFiles { root: root.to_path_buf(), first, second, what })
        }
        (first, _) => Ok(first),
    }
}

fn looks_like_manifest(path: &Path) -> bool {
    let mapping = text::read(path).ok().and_then(|content| serde_yaml_ng::from_str::<Mapping>(&content).ok());
    mapping
        .is_some_and(|mapping| mapping.contains_key("names") && SPLITS.iter().any(|split| mapping.contains_key(*split)))
}

impl Manifest {
    /// Reads and checks the file.
    ///
    /// # Errors
    ///
    /// [`DataError::Malformed`] naming the key, [`DataError::Io`] when it cannot be read.
    pub fn read(file: &Path) -> Result<Self, DataError> {
        let content = text::read(file)?;
        let value: Value = serde_yaml_ng::from_str(&content).map_err(|error| {
            let place = error.location().map_or_else(
                || "file".to_owned(),
                |location| format!("line {} column {}", location.line(), location.column()),
            );
            DataError::malformed(file, &place, format!("not YAML: {error}"), "mend the file")
        })?;
        let Value::Mapping(keys) = value else {
            let remedy = "give a data.yaml with the keys train, val and names";
            return Err(DataError::malformed(
                file,
                "file",
                format!("expected keys, found {}", describe(&value)),
                remedy,
            ));
        };
        let reader = Reader { file, keys: &keys };
        let categories = reader.categories()?;
        let splits = reader.splits()?;
        Ok(Self { file: file.to_path_buf(), base: reader.base()?, categories, splits })
    }

    /// The names of the splits.
    pub fn splits(&self) -> Vec<String> {
        self.splits.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The folders and lists of a split, each with its key for messages.
    pub fn entries_of(&self, split: &str) -> Vec<(String, &str)> {
        let entries = self.splits.iter().find(|(name, _)| name == split).map(|(_, entries)| entries.as_slice());
        match entries {
            Some([only]) => vec![(split.to_owned(), only)],
            entries => {
                let entries = entries.unwrap_or_default().iter().enumerate();
                entries.map(|(index, entry)| (format!("{split}[{index}]"), entry.as_str())).collect()
            }
        }
    }

    /// Where a folder or list lies. `../train/images` is also looked up without its `../`: exports of labelling
    /// services are written for one folder further down.
    pub fn locate(&self, key: &str, entry: &str) -> Result<PathBuf, DataError> {
        let mut candidates: Vec<PathBuf> = vec![self.base.join(entry).components().collect()];
        candidates.extend(entry.strip_prefix("../").map(|rest| self.base.join(rest).components().collect()));
        if let Some(path) = candidates.iter().find(|path| path.exists()) {
            return Ok(path.clone());
        }
        let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        let reason = format!("`{entry}` is not there; looked at {}", looked.join(" and "));
        let remedy = "correct it, or `path`, which is relative to this file";
        Err(DataError::malformed(&self.file, key, reason, remedy))
    }
}

struct Reader<'a> {
    file: &'a Path,
    keys: &'a Mapping,
}

impl Reader<'_> {
    fn error(&self, key: &str, reason: impl Into<String>, remedy: &str) -> DataError {
        DataError::malformed(self.file, key, reason, remedy)
    }

    fn base(&self) -> Result<PathBuf, DataError> {
        let beside = self.file.parent().unwrap_or(Path::new(""));
        let base = match self.keys.get("path") {
            None | Some(Value::Null) => beside.to_path_buf(),
            Some(Value::String(path)) => beside.join(path),
            Some(other) => {
                let reason = format!("expected a folder, found {}", describe(other));
                return Err(self.error("path", reason, "write the folder, relative to this file"));
            }
        };
        let base: PathBuf = base.components().collect();
        if base.as_os_str().is_empty() || base.is_dir() {
            return Ok(base);
        }
        let reason = format!("folder {} is not there", base.display());
        Err(self.error("path", reason, "correct it; `path: .` is the folder of this file"))
    }

    fn splits(&self) -> Result<Vec<(String, Vec<String>)>, DataError> {
        let mut splits = Vec::new();
        for split in SPLITS {
            let entries = match self.keys.get(split) {
                None | Some(Value::Null) => continue,
                Some(Value::String(entry)) => vec![entry.clone()],
                Some(Value::Sequence(items)) if !items.is_empty() => self.entries(split, items)?,
                Some(other) => {
                    let reason = format!("expected a folder, a .txt list or several, found {}", describe(other));
                    return Err(self.error(split, reason, "write a path relative to `path`"));
                }
            };
            splits.push((split.to_owned(), entries));
        }
        if splits.is_empty() {
            return Err(self.error("train", "none of train, val and test is there", "name the pictures of a split"));
        }
        Ok(splits)
    }

    fn entries(&self, split: &str, items: &[Value]) -> Result<Vec<String>, DataError> {
        let entry = |(index, item): (usize, &Value)| {
            item.as_str().map(str::to_owned).ok_or_else(|| {
                let reason = format!("expected a path, found {}", describe(item));
                self.error(&format!("{split}[{index}]"), reason, "write a path relative to `path`")
            })
        };
        items.iter().enumerate().map(entry).collect()
    }

    fn categories(&self) -> Result<Vec<Category>, DataError> {
        let remedy = "list the classes: `names: [cat, dog]` or `0: cat`";
        let mut categories = Vec::new();
        match self.keys.get("names") {
            Some(Value::Sequence(names)) => {
                for (id, name) in (0..).zip(names) {
                    categories.push(Category { id, name: self.class_name(&format!("names[{id}]"), name)? });
                }
            }
            Some(Value::Mapping(names)) => {
                for (key, name) in names {
                    let id = key.as_u64().or_else(|| key.as_str()?.parse().ok());
                    let id = id.ok_or_else(|| {
                        self.error("names", format!("the key {} is not a class number from 0", describe(key)), remedy)
                    })?;
                    categories.push(Category { id, name: self.class_name(&format!("names.{id}"), name)? });
                }
                categories.sort_by_key(|category| category.id);
            }
            None => return Err(self.error("names", "this key is missing", remedy)),
            Some(other) => {
                return Err(self.error("names", format!("expected the classes, found {}", describe(other)), remedy));
            }
        }
        if let Some(pair) = categories.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(self.error("names", format!("class {} is named twice", pair[0].id), remedy));
        }
        if categories.is_empty() {
            return Err(self.error("names", "no class is listed", remedy));
        }
        self.check_count(categories.len())?;
        Ok(categories)
    }

    fn class_name(&self, record: &str, value: &Value) -> Result<String, DataError> {
        match value {
            Value::String(name) if !name.trim().is_empty() => Ok(name.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(word) => Ok(word.to_string()),
            other => {
                let reason = format!("expected a class name, found {}", describe(other));
                Err(self.error(record, reason, "write the name in quotes"))
            }
        }
    }

    /// `nc`, where given, is the number of classes.
    fn check_count(&self, named: usize) -> Result<(), DataError> {
        match self.keys.get("nc") {
            None | Some(Value::Null) => Ok(()),
            Some(value) if value.as_u64() == Some(named as u64) => Ok(()),
            Some(value) => {
                let reason = format!("{} but names lists {named} classes", describe(value));
                Err(self.error("nc", reason, "correct one of the two, or delete nc"))
            }
        }
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(word) => word.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("`{}`", text.chars().take(40).collect::<String>()),
        Value::Sequence(items) => format!("a list of {}", items.len()),
        Value::Mapping(_) => "a table of keys".into(),
        Value::Tagged(_) => "a tagged value".into(),
    }
}
