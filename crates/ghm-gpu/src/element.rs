//! One example on the device: its loss, its slope, its bin. The arithmetic is that of `ghm-loss`.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// Which loss an example has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, CubeType)]
pub enum ElementLoss {
    /// Binary cross entropy of a logit: GHM-C.
    CrossEntropy,
    /// The authentic smooth L1 of a prediction: GHM-R.
    Asl1,
}

/// What an example is in the density and in the sum.
#[derive(CubeType, Clone, Copy)]
pub(crate) struct Example {
    /// Derivative of the loss in the prediction; its size is the gradient norm.
    pub slope: f32,
    /// The loss, at least 0.
    pub loss: f32,
    /// Whether it falls into a bin.
    pub counted: bool,
    /// Whether it takes part and makes the value NaN.
    pub strange: bool,
}

/// The bits of a NaN.
pub(crate) const NAN_BITS: u32 = 0x7fc0_0000;

/// `[0, 1]`, and nothing else. By bits, as shader compilers may take it that no NaN is there to be compared.
#[cube]
fn is_unit(t: f32) -> bool {
    let bits = u32::reinterpret(t);
    bits <= 0x3f80_0000u32 || bits == 0x8000_0000u32
}

/// Neither NaN nor infinite.
#[cube]
pub(crate) fn is_finite(x: f32) -> bool {
    u32::reinterpret(x) & 0x7fff_ffffu32 < 0x7f80_0000u32
}

#[cube]
pub(crate) fn is_nan(x: f32) -> bool {
    u32::reinterpret(x) & 0x7fff_ffffu32 > 0x7f80_0000u32
}

/// Above 0; a NaN is not.
#[cube]
pub(crate) fn is_positive(x: f32) -> bool {
    let bits = u32::reinterpret(x);
    bits > 0u32 && bits <= 0x7f80_0000u32
}

/// `exp(a)` for `a <= 0`; below -87 it stays at 1.6e-38. As `ghm-loss` has it, so that bins are the same: a device's own
/// `exp` may be off by `3 + 2 |a|` units in the last place (Vulkan).
///
/// Rounding is an instruction here, for a compiler may shorten `(a + c) - c`.
#[cube]
fn exp_of_negative(a: f32) -> f32 {
    let a = select(a < -87.0f32, -87.0f32, a);
    let n = (a * comptime!(std::f32::consts::LOG2_E).runtime()).round();
    // ln 2 in two parts, the first of which (355/512) is exact.
    let r = (a - n * 0.693_359_4f32) + n * 0.000_212_194_44f32;
    let series = 0.001_388_888_9f32 + r * 0.000_198_412_7f32;
    let series = 0.041_666_668f32 + r * (0.008_333_334f32 + r * series);
    let series = 1.0f32 + r * (1.0f32 + r * (0.5f32 + r * (0.166_666_67f32 + r * series)));
    let exponent = u32::cast_from(i32::cast_from(n) + 127i32);
    series * f32::reinterpret(exponent << 23u32)
}

/// `ln(1 + e)` for `e` in `[0, 1]`, as `2 artanh(e / (2 + e))`.
#[cube]
fn ln_1p(e: f32) -> f32 {
    let s = e / (2.0f32 + e);
    let square = s * s;
    let series = 0.111_111_11f32 + square * (0.090_909_09f32 + square * 0.076_923_08f32);
    let series = 0.2f32 + square * (0.142_857_15f32 + square * series);
    2.0f32 * s * (1.0f32 + square * (0.333_333_34f32 + square * series))
}

/// Cross entropy of logit `x` against `t` in `[0, 1]`, finite for every finite logit.
#[cube]
pub(crate) fn cross_entropy(x: f32, t: f32, part: bool) -> Example {
    let size = x.abs();
    let e = exp_of_negative(-size);
    let large = 1.0f32 / (1.0f32 + e);
    let small = e * large;
    let positive = x >= 0.0f32;
    let p = select(positive, large, small);
    let q = select(positive, small, large);
    // How much of |x| counts: max(x, 0) - x t without the difference of two large numbers.
    let wrong_side = select(positive, 1.0f32 - t, t);
    let sound = is_unit(t);
    Example {
        // Not p - t, which loses its digits as p nears t.
        slope: (1.0f32 - t) * p - t * q,
        loss: size * wrong_side + ln_1p(e),
        counted: part && sound && !is_nan(x),
        strange: part && !(sound && is_finite(x)),
    }
}

/// ASL1 of a prediction `x` against `t`.
#[cube]
pub(crate) fn asl1(x: f32, t: f32, mu: f32, part: bool) -> Example {
    let d = x - t;
    let square = d * d;
    let root = (square + mu * mu).sqrt();
    // A square that is no f32 any more has slope 0 in the plain loss, too, and a value that is not finite.
    let sound = is_finite(square);
    Example {
        slope: select(sound, d / root, 0.0f32),
        // sqrt(d^2 + mu^2) - mu without the difference of two near numbers.
        loss: square / (root + mu),
        counted: part && !is_nan(d),
        strange: part && !sound,
    }
}

/// The bin of gradient norm `g` in `[0, 1]` by comparison with the edges `[M + 1]`; a bin holds its lower edge, and 1
/// belongs to the last.
///
/// The product may be rounded over an edge, so its floor is one off at most. The edges are the host's quotients: a
/// device's division need not be the nearest number.
#[cube]
pub(crate) fn bin_of(g: f32, edges: &[f32], #[comptime] bins: usize) -> usize {
    let last = comptime!(bins - 1).runtime();
    let near = usize::cast_from(g * f32::cast_from(bins));
    let near = select(near < last, near, last);
    let below = select(g < edges[near], 1usize, 0usize);
    let above = select(g >= edges[near + 1], 1usize, 0usize);
    let bin = near + above - below;
    select(bin < last, bin, last)
}

#[cfg(test)]
mod tests {
    use burn::backend::DispatchDevice;
    use burn::tensor::{DType, Device};
    use burn_cubecl::tensor::CubeTensor;
    use ghm_loss::{DensityConfig, GradientDensity};

    use super::*;
    use crate::device::on_each_device;

    #[cube(launch)]
    fn bins_kernel(norms: &[f32], edges: &[f32], found: &mut [f32], count: usize, #[comptime] bins: usize) {
        if ABSOLUTE_POS < count {
            found[ABSOLUTE_POS] = f32::cast_from(bin_of(norms[ABSOLUTE_POS], edges, bins));
        }
    }

    /// Slope and loss in turns.
    #[cube(launch)]
    fn terms_kernel(values: &[f32], targets: &[f32], found: &mut [f32], count: usize, #[comptime] loss: ElementLoss) {
        if ABSOLUTE_POS < count {
            let (x, t) = (values[ABSOLUTE_POS], targets[ABSOLUTE_POS]);
            let terms = match comptime!(loss) {
                ElementLoss::CrossEntropy => cross_entropy(x, t, true),
                ElementLoss::Asl1 => asl1(x, t, 0.02f32, true),
            };
            found[2 * ABSOLUTE_POS] = terms.slope;
            found[2 * ABSOLUTE_POS + 1] = terms.loss;
        }
    }

    /// Runs `launch` with two inputs, one unit an entry of the first, and gives `outputs` numbers.
    fn run(
        device: &Device,
        inputs: [&[f32]; 2],
        outputs: usize,
        launch: impl FnOnce(&Client, CubeCount, CubeDim, [BufferArg; 3]),
    ) -> Vec<f32> {
        let DispatchDevice::Cube(device) = device.as_dispatch() else { panic!("a GPU was asked for") };
        let client = device.client();
        let tensor = |values: &[f32]| {
            let handle = client.create_from_slice(f32::as_bytes(values));
            CubeTensor::new_contiguous(client.clone(), device.clone(), [values.len()].into(), handle, DType::F32)
        };
        let found = tensor(&vec![f32::MAX; outputs]);
        let cubes = CubeCount::Static(inputs[0].len().div_ceil(256) as u32, 1, 1);
        let buffers = [tensor(inputs[0]), tensor(inputs[1]), found.clone()].map(CubeTensor::into_buffer_arg);
        launch(&client, cubes, CubeDim::new_1d(256), buffers);
        f32::from_bytes(&client.read_one_unchecked(found.handle)).to_vec()
    }

    #[test]
    fn a_norm_on_an_edge_or_one_step_beside_it_falls_into_the_plain_density_s_bin() {
        on_each_device(|device| {
            for bins in (1..=40).chain([49, 100, 255, 300, 1000, 4096, 9999, 10_000]) {
                let config = DensityConfig { bins, ..DensityConfig::default() };
                let density = GradientDensity::new(config).unwrap();
                let edges: Vec<f32> = (0..=bins).map(|edge| edge as f32 / bins as f32).collect();
                let around = |edge: &f32| [edge.next_down().max(0.0), *edge, edge.next_up().min(1.0)];
                let norms: Vec<f32> = edges.iter().flat_map(around).collect();
                let found = run(device, [&norms, &edges], norms.len(), |client, cubes, units, [norms_, edges, out]| {
                    bins_kernel::launch(client, cubes, units, norms_, edges, out, norms.len(), bins);
                });
                for (g, bin) in norms.iter().zip(found) {
                    assert_eq!(bin, density.bin_of(*g) as f32, "{g} in {bins} bins");
                }
            }
        });
    }

    /// Relative to 1e-6: some ten roundings, of which a device's division may be 2.5.
    fn assert_terms(found: &[f32], expected: (f64, f64), what: &str) {
        for (found, expected) in [(found[0], expected.0), (found[1], expected.1)] {
            assert!((f64::from(found) - expected).abs() <= 1e-6 * expected.abs(), "{what}: {found}, not {expected}");
        }
    }

    #[test]
    fn cross_entropy_and_its_slope_keep_their_digits_over_the_whole_range() {
        on_each_device(|device| {
            // From -80 to 80, closest together near 0; with target 0 and 1.
            let logits = (-2000..=2000).map(|step: i32| (step as f32 / 2000.0).powi(3) * 80.0);
            let (values, targets): (Vec<f32>, Vec<f32>) = logits.flat_map(|x| [(x, 0.0), (x, 1.0)]).unzip();
            let count = values.len();
            let found = run(device, [&values, &targets], 2 * count, |client, cubes, units, [x, t, out]| {
                terms_kernel::launch(client, cubes, units, x, t, out, count, ElementLoss::CrossEntropy);
            });
            for ((x, t), found) in values.iter().zip(&targets).zip(found.chunks(2)) {
                let signed = if *t == 0.0 { f64::from(*x) } else { -f64::from(*x) };
                let slope = (1.0 - 2.0 * f64::from(*t)) / (1.0 + (-signed).exp());
                assert_terms(found, (slope, signed.max(0.0) + (-signed.abs()).exp().ln_1p()), &format!("{x}, {t}"));
            }
        });
    }

    #[test]
    fn asl1_and_its_slope_keep_their_digits_for_small_and_large_differences() {
        on_each_device(|device| {
            let values: Vec<f32> = (-60..=60).map(|power| 10f32.powf(power as f32 / 10.0)).collect();
            let found = run(device, [&values, &vec![0.0; 121]], 242, |client, cubes, units, [x, t, out]| {
                terms_kernel::launch(client, cubes, units, x, t, out, 121, ElementLoss::Asl1);
            });
            for (d, found) in values.iter().zip(found.chunks(2)) {
                let (d, mu) = (f64::from(*d), f64::from(0.02f32));
                let root = (d * d + mu * mu).sqrt();
                assert_terms(found, (d / root, d * d / (root + mu)), &format!("{d}"));
            }
        });
    }
}
