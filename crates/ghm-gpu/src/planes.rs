//! Pictures as their bytes to the numbers that a network sees.

use burn_cubecl::cubecl;
use cubecl::prelude::*;

/// Pixels that a unit takes: as many as share no word with others.
pub(crate) const PIXELS: usize = 4;

/// Writes `out [N, 3, H, W]` from `words [N, H, W * 3 / 4]`, which hold red, green and blue in turn, four bytes each: a
/// byte times the `factor` of its plane plus the `offset`, and 0 outside a picture's content, whose width and height are
/// `sizes [N, 2]`. `groups` are all pixels by fours.
#[cube(launch)]
#[expect(clippy::too_many_arguments, reason = "the buffers of a kernel are its parameters")]
pub(crate) fn planes_kernel<F: Float, N: Size>(
    words: &[u32],
    sizes: &[u32],
    factors: &[f32],
    offsets: &[f32],
    out: &mut [Vector<F, N>],
    groups: usize,
    width: usize,
    height: usize,
    #[comptime] bgr: bool,
    #[define(F)] _dtype: ElemType,
) {
    let mut group = ABSOLUTE_POS;
    while group < groups {
        let plane = width * height / N::value();
        let picture = group / plane;
        let inside = group - picture * plane;
        let columns = width / N::value();
        let row = inside / columns;
        let column = (inside - row * columns) * N::value();
        let (content_width, content_height) = (sizes[2 * picture], sizes[2 * picture + 1]);
        let below = u32::cast_from(row) >= content_height;
        #[unroll]
        for index in 0..3usize {
            let colour = comptime!(if bgr { 2 - index } else { index });
            let mut numbers = Vector::<F, N>::new(F::new(0.0f32));
            #[unroll]
            for lane in 0..N::value() {
                let byte = comptime!(3 * lane + colour);
                let word = words[3 * group + comptime!(byte / 4)];
                let value = (word >> comptime!(8 * (byte % 4) as u32)) & 0xffu32;
                let number = f32::cast_from(value) * factors[index] + offsets[index];
                let outside = below || u32::cast_from(column + lane) >= content_width;
                numbers.insert(lane, F::cast_from(select(outside, 0.0f32, number)));
            }
            out[(3 * picture + index) * plane + inside] = numbers;
        }
        group += CUBE_COUNT * CUBE_DIM as usize;
    }
}
