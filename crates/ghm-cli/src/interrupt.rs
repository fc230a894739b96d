//! Ctrl-C: the first asks for an orderly end, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// The exit code of a run that was stopped.
pub const STOPPED: u8 = 130;

/// A flag that the first Ctrl-C (or termination signal) raises.
pub fn flag() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(STOPPED));
        }
        eprintln!("stopping after this update; its state will be saved (again to stop at once)");
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(flag)
}
