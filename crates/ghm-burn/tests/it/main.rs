//! The losses as burn modules, from outside.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod accumulation;
mod module;
mod readme;
mod record;
