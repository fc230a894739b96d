//! The binary as a user meets it.

mod arrows;
mod bad_input;
mod resume;
mod support;
mod verbs;
