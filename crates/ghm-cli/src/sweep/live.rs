//! What a terminal shows of a sweep: how many runs are done, what each job is at, and the table so far; a log gets plain lines.

use std::fs::File;
use std::io::{IsTerminal, Read, Seek, SeekFrom};
use std::path::Path;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Lines of the table that are shown, at most.
const LINES: usize = 12;

/// Bytes at the end of a log within which its last line lies.
const TAIL: u64 = 1024;

/// A sweep on a terminal, or nothing of it elsewhere.
pub struct Live {
    shown: Option<Shown>,
}

struct Shown {
    all: MultiProgress,
    table: ProgressBar,
    runs: ProgressBar,
    jobs: Vec<ProgressBar>,
}

impl Live {
    /// Of so many jobs, and so many runs that are left.
    pub fn new(jobs: usize, left: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { shown: None };
        }
        let all = MultiProgress::new();
        let text = || ProgressBar::new(0).with_style(style("{msg}"));
        let runs = all.add(ProgressBar::new(left as u64).with_style(style("{bar:24} {pos}/{len} runs, eta {eta}")));
        let jobs = (0..jobs).map(|_| all.add(text())).collect();
        // Where there is no room for all, it is what is left out.
        let table = all.add(text());
        runs.tick();
        Self { shown: Some(Shown { all, table, runs, jobs }) }
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        match &self.shown {
            // A terminal that went away is no failure.
            Some(shown) => {
                let _ = shown.all.println(text);
            }
            None => eprintln!("{text}"),
        }
    }

    /// What a job is at: a run, and the last line of its log.
    pub fn at(&self, job: usize, run: &str, log: &Path) {
        let Some(bar) = self.shown.as_ref().and_then(|shown| shown.jobs.get(job)) else { return };
        let message = format!("{run}: {}", last_line(log).unwrap_or_default());
        if bar.message() != message {
            bar.set_message(message);
        }
    }

    /// A run has ended, and the table is this.
    pub fn ended(&self, job: usize, table: &str) {
        let Some(shown) = &self.shown else { return };
        let mut lines: Vec<&str> = table.lines().take(LINES + 1).collect();
        if lines.len() > LINES {
            lines[LINES] = "...";
        }
        shown.table.set_message(lines.join("\n"));
        shown.runs.inc(1);
        if let Some(bar) = shown.jobs.get(job) {
            bar.set_message("");
        }
    }

    /// Takes everything off the terminal but the lines that stay.
    pub fn clear(&self) {
        let Some(shown) = &self.shown else { return };
        shown.jobs.iter().chain([&shown.table, &shown.runs]).for_each(ProgressBar::finish_and_clear);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The last line of a file, whole or not.
fn last_line(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().last().map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_a_long_log_is_found() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines: String = (0..1000).map(|line| format!("update {line} é\n")).collect();
        std::fs::write(file.path(), lines).unwrap();
        assert_eq!(last_line(file.path()).unwrap(), "update 999 é");
        assert_eq!(last_line(Path::new("nowhere")), None);
    }
}
