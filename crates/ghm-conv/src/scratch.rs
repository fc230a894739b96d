//! Buffers of a thread that are used again.

use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` with buffers of this thread, of these lengths and any content.
pub(crate) fn with_scratch<const BUFFERS: usize, R>(
    lengths: [usize; BUFFERS],
    work: impl FnOnce([&mut [f32]; BUFFERS]) -> R,
) -> R {
    let mut buffers = SCRATCH.with(RefCell::take);
    if buffers.len() < BUFFERS {
        buffers.resize_with(BUFFERS, Vec::new);
    }
    for (buffer, length) in buffers.iter_mut().zip(lengths) {
        if buffer.len() < length {
            buffer.resize(length, 0.0);
        }
    }
    let mut given = buffers.iter_mut().zip(lengths);
    let result = work(std::array::from_fn(|_| match given.next() {
        Some((buffer, length)) => &mut buffer[..length],
        None => &mut [],
    }));
    SCRATCH.set(buffers);
    result
}
