//! What people read: aligned columns, and what is going on meanwhile.

use std::io::{IsTerminal, Write};

/// Lines of as many cells, the first column aligned to the left, the others to the right.
pub fn aligned<const COLUMNS: usize>(lines: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let line = |cells: &[String; COLUMNS]| {
        let mut text = format!("{:<1$}", cells[0], widths[0]);
        for (cell, width) in cells.iter().zip(&widths).skip(1) {
            text += &format!("  {cell:>width$}");
        }
        text + "\n"
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
