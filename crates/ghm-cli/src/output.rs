//! Stdout and free folder names.

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
