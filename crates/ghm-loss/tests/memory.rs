//! How much memory a harmonised loss takes beside its input and its gradient.
//!
//! An integration binary of its own: an allocator that counts is one for the whole process, and the tests of the other
//! binary, which run at the same time, would be counted with it. For the same reason there is one test alone.

#![expect(unsafe_code, reason = "an allocator is unsafe to write; each call is handed on to the system's as it came")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ghm_loss::{BACKGROUND, DensityConfig, Examples, GradientDensity, Targets, ghm_c};

/// Bytes allocated now, and at most since the peak was last set back.
static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator with the layout and pointer it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes beside those there were before.
fn peak_of(run: impl FnOnce()) -> usize {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    run();
    PEAK.load(Ordering::Relaxed) - before
}

#[test]
fn ghm_c_of_three_million_logits_takes_less_than_a_megabyte_beside_input_and_gradient() {
    const CLASSES: usize = 80;
    let rows: Vec<i32> = (0..37_500).map(|row| if row % 50 == 0 { row % CLASSES as i32 } else { BACKGROUND }).collect();
    let logits: Vec<f32> = (0..rows.len() * CLASSES).map(|at| (at % 1_013) as f32 / 100.0 - 8.0).collect();
    let hot = |at: usize| f32::from(rows[at / CLASSES] == (at % CLASSES) as i32);
    let dense: Vec<f32> = (0..logits.len()).map(hot).collect();
    let mut gradient = vec![0.0; logits.len()];
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut density = GradientDensity::new(DensityConfig::default()).unwrap();
        for targets in [Targets::ClassIndex { rows: &rows, classes: CLASSES }, Targets::Dense(&dense)] {
            let mut call = || {
                let examples = Examples::new(&logits, targets);
                pool.install(|| ghm_c(&examples, &mut density, &mut gradient)).unwrap();
            };
            // The first call starts the threads.
            call();
            let bytes = peak_of(&mut call);
            // There is something: what is measured is this process.
            assert!((1..1_000_000).contains(&bytes), "{bytes} bytes on {threads} threads");
        }
    }
}
