//! What can go wrong between a file and its numbers.

use std::io;
use std::path::PathBuf;

use crate::finding::{Finding, list_findings};

/// Why an evaluation, or a file on the way to it, was refused.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The file could not be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file could not be written; what stood there before is untouched.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file holds nothing but white space.
    #[error("{origin} is empty; was the program that writes it stopped? Write it again")]
    Empty {
        /// The file.
        origin: String,
    },
    /// The file is not text.
    #[error("{origin} is not text: byte {offset} is not UTF-8; unpack it if it is compressed, save it as UTF-8 JSON")]
    Binary {
        /// The file.
        origin: String,
        /// Offset of the first byte that is not text, from 0.
        offset: usize,
    },
    /// The JSON stops in the middle.
    #[error("{origin} ends in the middle, at line {line}, column {column}: it is truncated; copy or write it again")]
    Truncated {
        /// The file.
        origin: String,
        /// Line of the end, from 1.
        line: usize,
        /// Column of the end, from 1.
        column: usize,
    },
    /// The text is not JSON.
    #[error("{origin} is not JSON: {source}")]
    NotJson {
        /// The file.
        origin: String,
        /// What the reader said, with line and column.
        source: serde_json::Error,
    },
    /// JSON of the wrong kind.
    #[error("{origin} holds {found}, expected {expected}; {remedy}")]
    WrongKind {
        /// The file.
        origin: String,
        /// What the outermost JSON value is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
        /// The way out.
        remedy: &'static str,
    },
    /// Records that cannot be evaluated: all of them, not the first.
    #[error("{}", list_findings(origin, findings))]
    Findings {
        /// The file, or what the records were.
        origin: String,
        /// Every defect, in the order of the records.
        findings: Vec<Finding>,
    },
    /// The evaluator refused input that passed the checks: a defect of this crate.
    #[error("the evaluator refused checked input: {source}")]
    Engine {
        /// What it said.
        #[from]
        source: hotcoco::Error,
    },
}
