//! Brightness, contrast, saturation and hue as one affine map of RGB.

/// Luma weights of red, green and blue (ITU-R BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Scales of the two colour differences `B - Y` and `R - Y` (BT.601's U and V).
const CHROMA: [f32; 2] = [0.492, 0.877];

/// A change of colours: brightness, then contrast, then saturation, then hue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Jitter {
    /// Factor on all channels.
    pub(crate) brightness: f32,
    /// Factor on the distance from the picture's mean grey.
    pub(crate) contrast: f32,
    /// Factor on the distance from each pixel's own grey.
    pub(crate) saturation: f32,
    /// Turn of the colour circle, in turns; positive from red by yellow to green.
    pub(crate) hue: f32,
}

impl Jitter {
    /// No change.
    pub(crate) const NONE: Self = Self { brightness: 1.0, contrast: 1.0, saturation: 1.0, hue: 0.0 };
}

/// An affine map of RGB values in `0..=255`, clamped to that range once, at the end.
///
/// # Deviations
///
/// The usual chain clamps after every step and turns hue in HSV; here the steps are one matrix, and hue turns the plane
/// of the two colour differences, which keeps luma and needs no branch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ColourMap {
    rows: [[f32; 3]; 3],
    offset: f32,
}

impl ColourMap {
    /// The map of a jitter, or none where it changes nothing. `pixels` are `[H, W, 3]`, RGB, and give the mean grey.
    pub(crate) fn of(jitter: Jitter, pixels: &[u8]) -> Option<Self> {
        if jitter == Jitter::NONE {
            return None;
        }
        let gain = jitter.brightness * jitter.contrast;
        // Saturation and hue leave greys alone, so contrast's constant passes through both.
        let offset = (1.0 - jitter.contrast) * jitter.brightness * mean_grey(pixels);
        let columns = [[gain, 0.0, 0.0], [0.0, gain, 0.0], [0.0, 0.0, gain]].map(|unit| turn(unit, jitter));
        Some(Self { rows: [0, 1, 2].map(|row| columns.map(|column| column[row])), offset })
    }

    /// One pixel through the map: RGB in `0..=255` in and out.
    pub(crate) fn apply(&self, [r, g, b]: [f32; 3]) -> [f32; 3] {
        self.rows.map(|[by_r, by_g, by_b]| (by_r * r + by_g * g + by_b * b + self.offset).clamp(0.0, 255.0))
    }
}

/// Saturation and hue of one colour: its colour differences scaled and turned, its luma kept.
fn turn(rgb: [f32; 3], jitter: Jitter) -> [f32; 3] {
    let luma = luma(rgb);
    let (sin, cos) = (std::f32::consts::TAU * jitter.hue).sin_cos();
    let (u, v) = (CHROMA[0] * (rgb[2] - luma), CHROMA[1] * (rgb[0] - luma));
    let (u, v) = (jitter.saturation * (u * cos - v * sin), jitter.saturation * (u * sin + v * cos));
    let (red, blue) = (luma + v / CHROMA[1], luma + u / CHROMA[0]);
    [red, (luma - LUMA[0] * red - LUMA[2] * blue) / LUMA[1], blue]
}

fn luma([r, g, b]: [f32; 3]) -> f32 {
    LUMA[0] * r + LUMA[1] * g + LUMA[2] * b
}

/// Mean luma of `[H, W, 3]` RGB pixels.
fn mean_grey(pixels: &[u8]) -> f32 {
    let sums = pixels.chunks_exact(3).fold([0u64; 3], |[r, g, b], pixel| {
        [r + u64::from(pixel[0]), g + u64::from(pixel[1]), b + u64::from(pixel[2])]
    });
    let count = (pixels.len() / 3).max(1) as f64;
    luma(sums.map(|sum| (sum as f64 / count) as f32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(jitter: Jitter, pixels: &[u8]) -> ColourMap {
        ColourMap::of(jitter, pixels).expect("a change")
    }

    fn close(a: [f32; 3], b: [f32; 3]) {
        // Half a grey level in a thousand: rounding of f32 sums of values up to 255.
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 5e-2), "{a:?} {b:?}");
    }

    #[test]
    fn no_jitter_is_no_map() {
        assert_eq!(ColourMap::of(Jitter::NONE, &[1, 2, 3]), None);
    }

    #[test]
    fn brightness_multiplies_and_clamps() {
        let map = map(Jitter { brightness: 1.5, ..Jitter::NONE }, &[0; 3]);
        close(map.apply([10.0, 100.0, 200.0]), [15.0, 150.0, 255.0]);
    }

    #[test]
    fn contrast_stretches_about_the_mean_grey_of_the_picture() {
        let map = map(Jitter { contrast: 0.5, ..Jitter::NONE }, &[0, 0, 0, 200, 200, 200]);
        close(map.apply([0.0, 100.0, 200.0]), [50.0, 100.0, 150.0]);
    }

    #[test]
    fn no_saturation_is_grey() {
        let map = map(Jitter { saturation: 0.0, ..Jitter::NONE }, &[0; 3]);
        let grey = luma([10.0, 100.0, 200.0]);
        close(map.apply([10.0, 100.0, 200.0]), [grey; 3]);
    }

    #[test]
    fn a_turn_of_hue_keeps_greys_and_luma() {
        for hue in [-0.5, -0.1, 0.03, 0.25] {
            let map = map(Jitter { hue, ..Jitter::NONE }, &[0; 3]);
            close(map.apply([77.0; 3]), [77.0; 3]);
            let colour = [120.0, 100.0, 110.0];
            assert!((luma(map.apply(colour)) - luma(colour)).abs() < 5e-2);
        }
    }

    #[test]
    fn a_third_of_a_turn_makes_red_green_and_green_blue() {
        let map = map(Jitter { hue: 1.0 / 3.0, ..Jitter::NONE }, &[0; 3]);
        let [r, g, b] = map.apply([200.0, 60.0, 60.0]);
        assert!(g > r && g > b, "{r} {g} {b}");
        let [r, g, b] = map.apply([60.0, 160.0, 60.0]);
        assert!(b > r && b > g, "{r} {g} {b}");
    }

    #[test]
    fn a_turn_and_back_is_no_change() {
        let there = map(Jitter { hue: 0.2, ..Jitter::NONE }, &[0; 3]);
        let back = map(Jitter { hue: -0.2, ..Jitter::NONE }, &[0; 3]);
        close(back.apply(there.apply([130.0, 110.0, 120.0])), [130.0, 110.0, 120.0]);
    }
}
