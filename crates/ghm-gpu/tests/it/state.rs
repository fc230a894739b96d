//! A density that is saved, restored and moved goes on as if never stopped.

use ghm_gpu::DeviceDensity;
use ghm_loss::{DensityConfig, Ema, GradientDensity};

use crate::device::on_each_device;
use crate::fixture::{Call, RELEASED, densities};

#[test]
fn a_density_saved_and_restored_gives_the_same_bits_as_one_never_stopped() {
    on_each_device(|device| {
        for ema in [Ema::Released, Ema::Paper, Ema::Corrected] {
            let config = DensityConfig { ema, ..RELEASED };
            let calls: Vec<Call> = (0..4).map(|seed| Call::random(seed, 100, 4, 4.0, 30)).collect();
            let mut straight = DeviceDensity::new(config, device).unwrap();
            for call in &calls[..2] {
                call.on(device, &mut straight, 1.0);
            }
            let text = serde_json::to_string(&straight.to_plain().unwrap()).unwrap();
            let saved: GradientDensity = serde_json::from_str(&text).unwrap();
            let mut resumed = DeviceDensity::from_plain(&saved, device).unwrap();
            assert_eq!(resumed.steps(), 2);
            for call in &calls[2..] {
                let (a, b) = (call.on(device, &mut straight, 1.0), call.on(device, &mut resumed, 1.0));
                assert!(a.bits() == b.bits());
            }
        }
    });
}

#[test]
fn a_density_begun_on_the_host_goes_on_on_the_device() {
    on_each_device(|device| {
        let config = DensityConfig { ema: Ema::Corrected, ..RELEASED };
        let calls: Vec<Call> = (0..4).map(|seed| Call::random(seed, 100, 4, 4.0, 30)).collect();
        let (mut plain, _) = densities(config, device);
        for call in &calls[..2] {
            call.on_host(&mut plain, 1.0);
        }
        let mut ours = DeviceDensity::from_plain(&plain, device).unwrap();
        for call in &calls[2..] {
            let expected = call.on_host(&mut plain, 1.0);
            call.on(device, &mut ours, 1.0).assert_close(&expected, "after the move");
        }
    });
}
