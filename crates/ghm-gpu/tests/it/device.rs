//! The devices the tests run on.

use std::io::Write;
use std::sync::Mutex;

use burn::tensor::{Device, DeviceType};

/// One call at a time on one device: software Vulkan has no more to give.
static IN_TURN: Mutex<()> = Mutex::new(());

/// Runs `test` on the first device of each runtime that has one. Without any it says so, past the test harness, which
/// shows nothing of a test that passes; with `GHM_GPU_REQUIRED` in the environment it fails.
pub fn on_each_device(test: impl Fn(&Device)) {
    let turn = IN_TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtimes = [
        #[cfg(feature = "wgpu")]
        DeviceType::Wgpu,
        #[cfg(feature = "cuda")]
        DeviceType::Cuda,
    ];
    let mut found = 0;
    for runtime in runtimes {
        if let Some(device) = Device::enumerate(runtime).iter().next() {
            found += 1;
            test(device);
        }
    }
    drop(turn);
    if found == 0 {
        let line = "SKIPPED: no GPU or software Vulkan device; a test of ghm-gpu has tested nothing";
        assert!(std::env::var_os("GHM_GPU_REQUIRED").is_none(), "{line}");
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}
