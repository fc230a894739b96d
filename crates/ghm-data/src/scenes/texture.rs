//! Lattice noise, colours and the sine, from exact operations only, so that every machine draws the same bits.

/// A colour: red, green and blue in `[0, 1]`.
pub(super) type Rgb = [f32; 3];

/// The colour a part `t` of the way from `a` to `b`.
pub(super) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

/// The colour with every channel multiplied by `factor`, kept in `[0, 1]`.
pub(super) fn shade(colour: Rgb, factor: f32) -> Rgb {
    colour.map(|channel| (channel * factor).clamp(0.0, 1.0))
}

/// Luminance in `[0, 1]` by the weights of ITU-R BT.601.
pub(super) fn luminance([red, green, blue]: Rgb) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// A colour from hue (in turns), saturation and value (in `[0, 1]`).
pub(super) fn from_hsv(hue: f32, saturation: f32, value: f32) -> Rgb {
    [0.0, 2.0, 1.0].map(|third| {
        // Each channel is full for a third of the circle around its own hue and falls off linearly on both sides.
        let offset = (hue + third / 3.0).rem_euclid(1.0);
        let full = ((offset * 6.0 - 3.0).abs() - 1.0).clamp(0.0, 1.0);
        value * (1.0 - saturation * (1.0 - full))
    })
}

/// Sine and cosine of an angle in turns, to about 1e-7.
///
/// The standard library asks the platform for its sine, whose last bit differs between platforms; this series does not.
pub(super) fn sin_cos(turns: f32) -> (f32, f32) {
    let quarters = f64::from(turns) * 4.0;
    let nearest = quarters.round();
    let angle = (quarters - nearest) * std::f64::consts::FRAC_PI_2; // within +-pi/4
    let square = angle * angle;
    let sine = angle * (1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0 * (1.0 - square / 72.0))));
    let cosine = 1.0 - square / 2.0 * (1.0 - square / 12.0 * (1.0 - square / 30.0 * (1.0 - square / 56.0)));
    let (sine, cosine) = match (nearest as i64).rem_euclid(4) {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    };
    (sine as f32, cosine as f32)
}

/// A random number in `[0, 1)` that belongs to a lattice point.
fn lattice(x: i32, y: i32, seed: u32) -> f32 {
    let mut bits = seed ^ (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77);
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x2C1B_3C6D);
    bits = (bits ^ (bits >> 12)).wrapping_mul(0x297A_2D39);
    bits ^= bits >> 15;
    (bits >> 8) as f32 / (1u32 << 24) as f32
}

/// Noise in `[0, 1)` that varies smoothly over about one unit of `x` and `y`.
fn value_noise(x: f32, y: f32, seed: u32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (tx, ty) = (ease(x - left), ease(y - top));
    let (column, row) = (left as i32, top as i32);
    let along = |row: i32| {
        let start = lattice(column, row, seed);
        start + (lattice(column.wrapping_add(1), row, seed) - start) * tx
    };
    let above = along(row);
    above + (along(row.wrapping_add(1)) - above) * ty
}

/// Noise in `[0, 1)` with detail: `octaves` layers, each twice as fine and half as strong as the one before.
pub(super) fn layered_noise(x: f32, y: f32, seed: u32, octaves: u32) -> f32 {
    let (mut sum, mut total, mut weight, mut frequency) = (0.0, 0.0, 1.0, 1.0);
    for octave in 0..octaves {
        sum += weight * value_noise(x * frequency, y * frequency, seed.wrapping_add(octave.wrapping_mul(0x1234_5677)));
        total += weight;
        weight *= 0.5;
        frequency *= 2.0;
    }
    if total > 0.0 { sum / total } else { 0.5 }
}

/// A wave in `[0, 1]` of period 1 made of parabolas: smooth stripes without a sine.
pub(super) fn wave(phase: f32) -> f32 {
    let saw = (phase - phase.floor()) * 2.0 - 1.0;
    let hump = 4.0 * saw * (1.0 - saw.abs());
    0.5 + 0.5 * hump
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_agrees_with_the_platforms_sine() {
        for step in -400..400 {
            let turns = step as f32 / 97.0;
            let (sine, cosine) = sin_cos(turns);
            let angle = f64::from(turns) * std::f64::consts::TAU;
            assert!((f64::from(sine) - angle.sin()).abs() < 1e-6, "{turns}");
            assert!((f64::from(cosine) - angle.cos()).abs() < 1e-6, "{turns}");
        }
    }

    #[test]
    fn hues_of_thirds_are_red_green_and_blue() {
        for (hue, expected) in [(0.0, [1.0, 0.0, 0.0]), (1.0 / 3.0, [0.0, 1.0, 0.0]), (2.0 / 3.0, [0.0, 0.0, 1.0])] {
            let colour = from_hsv(hue, 1.0, 1.0);
            assert!((0..3).all(|c| (colour[c] - expected[c]).abs() < 1e-5), "{hue}: {colour:?}");
        }
    }

    #[test]
    fn noise_is_bounded_and_continuous() {
        let at = |x: f32| layered_noise(x, 0.3, 9, 3);
        for step in 0..2000 {
            let x = step as f32 * 0.01 - 10.0;
            assert!((0.0..1.0).contains(&at(x)));
            assert!((at(x) - at(x + 0.001)).abs() < 0.02);
        }
    }
}
