//! What people read: aligned columns, and what is going on meanwhile.

use std::io::{IsTerminal, Write};

/// Lines of as many cells, the first column aligned to the left, the others to the right.
pub fn aligned<const COLUMNS: usize>(lines: &[[String; COLUMNS]]) -> String {
    table(lines)
}

/// The same of any number of columns; lines may have fewer than the first.
pub fn table<L: AsRef<[String]>>(lines: &[L]) -> String {
    let columns = lines.first().map_or(0, |line| line.as_ref().len());
    let width =
        |column: usize| lines.iter().filter_map(|line| line.as_ref().get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |cells: &L| {
        let aligned = cells.as_ref().iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("  {cell:>width$}"),
        });
        aligned.collect::<String>() + "\n"
    };
    lines.iter().map(line).collect()
}

/// What is going on, on a terminal, in place of what was before.
pub fn say(text: &str) {
    let mut stderr = std::io::stderr().lock();
    if stderr.is_terminal() {
        // A terminal that went away is no failure.
        let _ = write!(stderr, "\r{text:<60}\r").and_then(|()| stderr.flush());
    }
}

/// `1 thread`, `2 threads`, `2 boxes`.
pub fn counted(count: usize, what: &str) -> String {
    let ending = match count {
        1 => "",
        _ if what.ends_with(['s', 'x']) => "es",
        _ => "s",
    };
    format!("{count} {what}{ending}")
}
