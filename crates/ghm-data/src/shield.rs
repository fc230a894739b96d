//! Work whose panics are results: decoders fed with damaged files, loader threads that somebody waits for.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Runs `work`; a panic becomes an error with what it said.
pub(crate) fn shielded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    DEPTH.set(DEPTH.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    outcome.map_err(|panic| said(panic.as_ref()).to_owned())
}

/// Whether this thread is in work whose panic becomes an ordinary error; a panic hook need not speak of it.
pub fn is_shielded() -> bool {
    DEPTH.get() > 0
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_the_thread_knows_that_it_was_shielded() {
        assert_eq!(shielded(is_shielded), Ok(true));
        assert_eq!(shielded(|| -> u8 { panic!("{} bytes", 3) }), Err("3 bytes".to_owned()));
        assert!(!is_shielded());
    }
}
