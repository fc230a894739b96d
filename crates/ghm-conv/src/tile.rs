//! The arithmetic of Winograd's F(4x4, 3x3): sixteen outputs of a 3x3 convolution from 36 products in place of 144.
//!
//! `Y = A' [(G g G') * (B' d B)] A` for a tile `d` of 6x6 inputs, a kernel `g` of 3x3 and a tile `Y` of 4x4 outputs
//! (Lavin and Gray 2016), with the points 0, `±a`, `±b` and infinity for `a = 1/sqrt(2)`, `b = sqrt(2)`: their powers stay
//! near 1, and so do errors. Functions work on one line of a tile, for as many tiles as a vector has lanes.

use pulp::Simd;

/// An array of what an expression gives for each number. A closure would not do: the compiler gives it no vectors of its
/// own, and calls a function for each operation.
macro_rules! each {
    ($index:ident in $($number:literal)* => $value:expr) => {
        [$({
            let $index: usize = $number;
            $value
        }),*]
    };
}
pub(crate) use each;

/// Sides of a tile of outputs, and of inputs or products.
pub(crate) const OUT: usize = 4;
pub(crate) const IN: usize = 6;

const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;
const AA: f32 = 0.5;
const BB: f32 = 2.0;
/// `1 / (2 a^2 (a^2 - b^2))` and `1 / (2 b^2 (b^2 - a^2))`.
const NORM_A: f32 = -2.0 / 3.0;
const NORM_B: f32 = 1.0 / 6.0;

/// `x * factor + summand`.
#[inline(always)]
fn fused<S: Simd>(simd: S, x: S::f32s, factor: f32, summand: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(x, simd.splat_f32s(factor), summand)
}

/// `x * factor`.
#[inline(always)]
fn scaled<S: Simd>(simd: S, x: S::f32s, factor: f32) -> S::f32s {
    simd.mul_f32s(x, simd.splat_f32s(factor))
}

/// `B' d`: six inputs to six points.
#[inline(always)]
pub(crate) fn of_input<S: Simd>(simd: S, d: [S::f32s; IN]) -> [S::f32s; IN] {
    let [d0, d1, d2, d3, d4, d5] = d;
    let (even_a, even_b) = (fused(simd, d2, -BB, d4), fused(simd, d2, -AA, d4));
    let odd_a = simd.mul_f32s(fused(simd, d1, -BB, d3), simd.splat_f32s(A));
    let odd_b = simd.mul_f32s(fused(simd, d1, -AA, d3), simd.splat_f32s(B));
    [
        simd.add_f32s(fused(simd, d2, -(AA + BB), d0), d4),
        simd.add_f32s(even_a, odd_a),
        simd.sub_f32s(even_a, odd_a),
        simd.add_f32s(even_b, odd_b),
        simd.sub_f32s(even_b, odd_b),
        simd.add_f32s(fused(simd, d3, -(AA + BB), d1), d5),
    ]
}

/// `A' m`: six points to four outputs.
#[inline(always)]
pub(crate) fn to_output<S: Simd>(simd: S, m: [S::f32s; IN]) -> [S::f32s; OUT] {
    let [m0, m1, m2, m3, m4, m5] = m;
    let (even_a, odd_a) = (simd.add_f32s(m1, m2), simd.sub_f32s(m1, m2));
    let (even_b, odd_b) = (simd.add_f32s(m3, m4), simd.sub_f32s(m3, m4));
    [
        simd.add_f32s(simd.add_f32s(m0, even_a), even_b),
        fused(simd, odd_b, B, scaled(simd, odd_a, A)),
        fused(simd, even_b, BB, scaled(simd, even_a, AA)),
        fused(simd, odd_b, B * BB, fused(simd, odd_a, A * AA, m5)),
    ]
}

/// `A y`: four gradients of outputs to six points.
#[inline(always)]
pub(crate) fn of_output<S: Simd>(simd: S, y: [S::f32s; OUT]) -> [S::f32s; IN] {
    let [y0, y1, y2, y3] = y;
    let (even_a, even_b) = (fused(simd, y2, AA, y0), fused(simd, y2, BB, y0));
    let odd_a = simd.mul_f32s(fused(simd, y3, AA, y1), simd.splat_f32s(A));
    let odd_b = simd.mul_f32s(fused(simd, y3, BB, y1), simd.splat_f32s(B));
    [
        y0,
        simd.add_f32s(even_a, odd_a),
        simd.sub_f32s(even_a, odd_a),
        simd.add_f32s(even_b, odd_b),
        simd.sub_f32s(even_b, odd_b),
        y3,
    ]
}

/// `G g`: three weights to six points.
#[inline(always)]
pub(crate) fn of_kernel<S: Simd>(simd: S, g: [S::f32s; 3]) -> [S::f32s; IN] {
    let even_a = fused(simd, g[2], NORM_A * AA, scaled(simd, g[0], NORM_A));
    let even_b = fused(simd, g[2], NORM_B * BB, scaled(simd, g[0], NORM_B));
    let (odd_a, odd_b) = (scaled(simd, g[1], NORM_A * A), scaled(simd, g[1], NORM_B * B));
    [
        g[0],
        simd.add_f32s(even_a, odd_a),
        simd.sub_f32s(even_a, odd_a),
        simd.add_f32s(even_b, odd_b),
        simd.sub_f32s(even_b, odd_b),
        g[2],
    ]
}

/// `G' u`: gradients of six points to those of three weights.
#[inline(always)]
pub(crate) fn to_kernel<S: Simd>(simd: S, u: [S::f32s; IN]) -> [S::f32s; 3] {
    let [u0, u1, u2, u3, u4, u5] = u;
    let (even_a, odd_a) = (simd.add_f32s(u1, u2), simd.sub_f32s(u1, u2));
    let (even_b, odd_b) = (simd.add_f32s(u3, u4), simd.sub_f32s(u3, u4));
    [
        fused(simd, even_b, NORM_B, fused(simd, even_a, NORM_A, u0)),
        fused(simd, odd_b, NORM_B * B, scaled(simd, odd_a, NORM_A * A)),
        fused(simd, even_b, NORM_B * BB, fused(simd, even_a, NORM_A * AA, u5)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One lane is enough.
    fn lines() -> pulp::Scalar {
        pulp::Scalar::new()
    }

    #[test]
    fn a_line_of_outputs_is_the_correlation_and_its_adjoints_are_its_gradients() {
        let s = lines();
        let d = [0.3, -1.2, 0.7, 2.0, -0.4, 1.1f32];
        let g = [0.5, -0.25, 1.5f32];
        let y = [1.0, -2.0, 0.5, 3.0f32];
        let product = |u: [f32; 6], v: [f32; 6]| -> [f32; 6] { std::array::from_fn(|i| u[i] * v[i]) };
        let found = to_output(s, product(of_kernel(s, g), of_input(s, d)));
        for (i, found) in found.into_iter().enumerate() {
            let expected: f32 = (0..3).map(|k| d[i + k] * g[k]).sum();
            assert!((found - expected).abs() < 1e-5, "output {i}: {found}, {expected}");
        }
        let found = to_kernel(s, product(of_output(s, y), of_input(s, d)));
        for (k, found) in found.into_iter().enumerate() {
            let expected: f32 = (0..4).map(|i| d[i + k] * y[i]).sum();
            assert!((found - expected).abs() < 1e-5, "weight {k}: {found}, {expected}");
        }
    }
}
