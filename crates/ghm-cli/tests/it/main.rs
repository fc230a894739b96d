//! The binary as a user meets it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arrows;
mod audit;
mod bad_input;
mod bench;
mod check;
mod convert;
mod dry_run;
mod export;
mod formats;
mod predict;
mod report;
mod resume;
mod support;
mod sweep;
mod tables;
mod verbs;
