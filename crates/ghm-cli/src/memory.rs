//! The allocator: a training step allocates and frees gigabytes in the same pattern as the step before.

use std::ffi::{c_int, c_long};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc's C interface, which its Rust crate does not name.
const PURGE_DELAY: c_int = 15;

/// Milliseconds after which freed pages go back to the system; never.
const NEVER: c_long = -1;

/// Keeps freed pages for the next step, which otherwise spends a twentieth of its time on having them cleared anew.
pub fn keep_freed_pages() {
    // SAFETY: sets one number of the options, which is not thread-safe: the first thing `main` does, before any thread.
    #[expect(unsafe_code, reason = "the option has no safe door")]
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, NEVER);
    }
}
