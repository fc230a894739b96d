//! What a call refuses, with the density as it was.

use burn::tensor::{Device, Int, Tensor};
use ghm_gpu::{DeviceDensity, GpuError};
use ghm_loss::{Between, DensityConfig, LossError};

use crate::device::on_each_device;
use crate::fixture::{RELEASED, densities};

#[test]
fn a_density_on_the_cpu_or_with_settings_out_of_range_is_refused() {
    let error = DeviceDensity::new(RELEASED, &Device::flex()).unwrap_err();
    assert!(matches!(error, GpuError::Device { name: "the density", .. }), "{error}");
    let error = DeviceDensity::new(DensityConfig { bins: 0, ..RELEASED }, &Device::flex()).unwrap_err();
    assert!(matches!(error, GpuError::Loss(LossError::Setting { .. })), "{error}");
}

#[test]
fn a_density_that_no_kernel_knows_is_refused() {
    on_each_device(|device| {
        for config in
            [DensityConfig { between: Between::Blend, ..RELEASED }, DensityConfig { classes: Some(3), ..RELEASED }]
        {
            assert_eq!(DeviceDensity::new(config, device).unwrap_err(), GpuError::Setting { config });
        }
    });
}

#[test]
fn shapes_devices_and_mu_that_do_not_fit_are_refused_and_nothing_is_counted() {
    on_each_device(|device| {
        let (_, mut density) = densities(RELEASED, device);
        let logits = || Tensor::<2>::ones([3, 4], device);
        let rows = |count: usize, device: &Device| Tensor::<1, Int>::zeros([count], device);

        let error = ghm_gpu::ghm_c(logits(), rows(4, device), &mut density, 1.0).unwrap_err();
        assert_eq!(error, LossError::Rows { rows: 4, classes: 4, logits: 12 }.into());
        let error = ghm_gpu::ghm_c(logits(), rows(3, &Device::flex()), &mut density, 1.0).unwrap_err();
        assert!(matches!(error, GpuError::Device { name: "rows", .. }), "{error}");
        let far = Tensor::<2>::ones([3, 4], &Device::flex());
        let error = ghm_gpu::ghm_c(far, rows(3, device), &mut density, 1.0).unwrap_err();
        assert!(matches!(error, GpuError::Device { name: "the values", .. }), "{error}");
        let targets = Tensor::<2>::ones([4, 3], device);
        let error = ghm_gpu::ghm_c_dense(logits(), targets, None, &mut density, 1.0).unwrap_err();
        assert_eq!(error.to_string(), "targets has shape [4, 3], but the values [3, 4]");
        let gates = Some(Tensor::<2>::ones([3, 1], device));
        let error = ghm_gpu::ghm_r(logits(), logits(), gates, 0.02, &mut density, 1.0).unwrap_err();
        assert_eq!(error.to_string(), "gates has shape [3, 1], but the values [3, 4]");
        let error = ghm_gpu::ghm_r(logits(), logits(), None, 0.0, &mut density, 1.0).unwrap_err();
        assert!(matches!(error, GpuError::Loss(LossError::Setting { name: "mu", .. })), "{error}");

        assert_eq!(density.steps(), 0);
        assert!(density.to_plain().unwrap().counts().iter().all(|count| *count == 0.0));
    });
}
