//! The losses from outside: against other implementations, against their own derivatives, and against themselves.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod behaviour;
mod boxes;
mod derivatives;
mod exact;
mod fixture;
mod golden;
mod shards;
mod state;
