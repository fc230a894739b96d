//! One example on the device, and what can be told of a number by its bits.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

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
pub(crate) fn is_unit(t: f32) -> bool {
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
