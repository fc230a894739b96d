//! From what was said of labels to a list of mistakes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod afterwards;
mod apply;
mod list;
mod made_up;
mod rivals;
