//! Stdout, and the names of files and folders that are written.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Prints a result; a reader that went away is no failure.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// `wanted`, or the first of `wanted-2`, `wanted-3`, ... that does not exist.
pub fn free_path(wanted: &Path) -> PathBuf {
    if !wanted.exists() {
        return wanted.to_owned();
    }
    let numbered = |n: usize| {
        let mut name = wanted.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-{n}"));
        if let Some(extension) = wanted.extension() {
            name.push(".");
            name.push(extension);
        }
        wanted.with_file_name(name)
    };
    (2..).map(numbered).find(|path| !path.exists()).unwrap_or_else(|| wanted.to_owned())
}

/// Refuses to write where anything is already.
pub fn expect_free(out: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(!out.exists(), "{}: exists already and is never overwritten; give another --out", out.display());
    Ok(())
}

/// What a folder is called, wherever it is looked at from.
pub fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned()
}
