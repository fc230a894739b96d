//! Asking for memory before it is needed.

#![expect(unsafe_code, reason = "a prefetch takes a pointer; it reads and writes nothing, whatever the pointer is")]

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// How far ahead: a block of f32, which takes longer to compute than memory to come.
const BYTES: usize = 4 * crate::block::BLOCK;

/// Has the memory a block behind `chunk` brought into the cache while other work is done, also where it will only be
/// written: a store waits for its line, and many that wait hold up what comes after them. A chunk is a line, so that each
/// call of a loop asks for one: many at once would have to wait for each other.
#[inline(always)]
pub(crate) fn prefetch_behind(chunk: &[f32; 16]) {
    // SAFETY: the address is only a hint; it may lie beyond the end.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(chunk.as_ptr().cast::<i8>().wrapping_add(BYTES)) };
}
