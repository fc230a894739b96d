//! Ctrl-C: the first asks for an orderly end, the second ends at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// The exit code of a run that was stopped.
pub const STOPPED: u8 = 130;

static RAISED: AtomicBool = AtomicBool::new(false);
static LISTENING: OnceLock<()> = OnceLock::new();

/// The flag that the first Ctrl-C (or termination signal) raises, from the first call on.
pub fn flag() -> anyhow::Result<&'static AtomicBool> {
    if LISTENING.set(()).is_ok() {
        ctrlc::set_handler(|| {
            if RAISED.swap(true, Ordering::SeqCst) {
                std::process::exit(i32::from(STOPPED));
            }
            eprintln!("stopping soon; the state of the training is saved (again to stop at once)");
        })
        .context("cannot listen for Ctrl-C")?;
    }
    Ok(&RAISED)
}
