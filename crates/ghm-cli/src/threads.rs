//! The threads that compute.

use std::process::ExitCode;

use anyhow::{Context, Result};
use rayon::ThreadPoolBuilder;

/// Bytes of a thread's stack: as many as the main thread has on Linux.
const STACK: usize = 8 << 20;

/// Runs a verb on one of the threads that compute, as many as there are cores unless `RAYON_NUM_THREADS` says otherwise. On the main thread
/// each of the thousand loops of an update would have to be handed to another thread, and its end waited for.
pub fn among(verb: impl FnOnce() -> Result<ExitCode> + Send) -> Result<ExitCode> {
    let threads = ThreadPoolBuilder::new().stack_size(STACK).build();
    threads
        .context("the threads that compute cannot be started; RAYON_NUM_THREADS says how many there are to be")?
        .install(verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_runs_on_a_thread_that_computes() {
        assert_eq!(rayon::current_thread_index(), None);
        let mut within = None;
        among(|| {
            within = rayon::current_thread_index();
            Ok(ExitCode::SUCCESS)
        })
        .unwrap();
        assert!(within.is_some());
    }
}
