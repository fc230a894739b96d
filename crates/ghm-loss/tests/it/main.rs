//! The losses from outside: against other implementations, against their own derivatives, and against themselves.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod behaviour;
mod bits;
mod blend;
mod boxes;
mod calls;
mod derivatives;
mod exact;
mod extremes;
mod family;
mod fixture;
mod golden;
mod half;
mod levels;
mod loss_of_file;
mod random;
mod regions;
mod shards;
mod softmax;
mod state;
mod weights;
