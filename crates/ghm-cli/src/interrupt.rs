//! Ctrl-C: the first asks for an orderly end, the second ends at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// The exit code of a run that was stopped.
pub const STOPPED: u8 = 130;

static RAISED: AtomicBool = AtomicBool::new(false);
static SIGNALLED: AtomicBool = AtomicBool::new(false);
static LISTENING: OnceLock<()> = OnceLock::new();

/// Raises the flag when the standard input ends, so that whoever started this process can stop it, even by being killed.
pub fn at_end_of_input() -> anyhow::Result<()> {
    flag()?;
    std::thread::spawn(|| {
        // An input that cannot be read any more has ended too.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        RAISED.store(true, Ordering::SeqCst);
    });
    Ok(())
}

/// Whether the flag is raised; where nobody has called [`flag`], Ctrl-C ends the process instead.
pub fn is_raised() -> bool {
    RAISED.load(Ordering::SeqCst)
}

/// The flag that the first Ctrl-C (or termination signal) raises, from the first call on.
pub fn flag() -> anyhow::Result<&'static AtomicBool> {
    if LISTENING.set(()).is_ok() {
        ctrlc::set_handler(|| {
            RAISED.store(true, Ordering::SeqCst);
            if SIGNALLED.swap(true, Ordering::SeqCst) {
                std::process::exit(i32::from(STOPPED));
            }
            eprintln!("stopping soon; the state of the training is saved (again to stop at once)");
        })
        .context("cannot listen for Ctrl-C")?;
    }
    Ok(&RAISED)
}
