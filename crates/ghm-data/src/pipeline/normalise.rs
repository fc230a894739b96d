//! From 8-bit RGB pixels to the planes of numbers that a network sees, in one pass.

use serde::{Deserialize, Serialize};

use crate::{
    augment::{ColourMap, Flip},
    pixel_error::PixelError,
};

/// Order of the input's three channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColourOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// What white is before the mean is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Range {
    /// 1.
    Unit,
    /// 255.
    Byte,
}

impl Range {
    /// The byte that becomes 1 before the mean is taken off.
    fn white(self) -> f32 {
        match self {
            Self::Unit => 255.0,
            Self::Byte => 1.0,
        }
    }
}

/// The numbers that the network sees: `(value - mean) / std` of each channel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormaliseConfig {
    /// Order of the channels in the input.
    pub order: ColourOrder,
    /// Range of `value`, and so the unit of `mean` and `std`.
    pub range: Range,
    /// Mean of each channel, in the order of the input.
    pub mean: [f32; 3],
    /// Standard deviation of each channel, in the order of the input.
    pub std: [f32; 3],
}

impl NormaliseConfig {
    /// What ImageNet weights from PyTorch expect.
    pub const fn pytorch() -> Self {
        Self { order: ColourOrder::Rgb, range: Range::Unit, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
    }

    /// What ImageNet weights converted from Caffe expect.
    pub const fn caffe() -> Self {
        Self { order: ColourOrder::Bgr, range: Range::Byte, mean: [103.939, 116.779, 123.68], std: [1.0; 3] }
    }

    /// Factor and offset by which a byte becomes the number of each plane, in the order of the planes.
    pub fn affine(&self) -> [(f32, f32); 3] {
        let white = self.range.white();
        [0, 1, 2].map(|plane| (1.0 / (white * self.std[plane]), -self.mean[plane] / self.std[plane]))
    }

    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`PixelError::Setting`] for a mean that is not finite or a standard deviation that is not positive.
    pub fn check(&self) -> Result<(), PixelError> {
        if !self.mean.iter().all(|mean| mean.is_finite()) {
            return Err(PixelError::setting("normalise.mean", self.mean, "must be three finite numbers"));
        }
        if !self.std.iter().all(|std| std.is_finite() && *std > 0.0) {
            return Err(PixelError::setting("normalise.std", self.std, "must be three positive numbers"));
        }
        Ok(())
    }
}

impl Default for NormaliseConfig {
    fn default() -> Self {
        Self::pytorch()
    }
}

/// A scaled picture on its way into planes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes<'a> {
    /// `[h, w, 3]`, RGB.
    pub(crate) pixels: &'a [u8],
    /// Its width and height.
    pub(crate) size: (usize, usize),
    /// Mirroring to do.
    pub(crate) flip: Flip,
    /// Change of colours to do.
    pub(crate) colour: Option<ColourMap>,
}

/// Normalises pictures; the 256 values of each channel are worked out once.
#[derive(Clone, Debug)]
pub(crate) struct Normaliser {
    /// `[3, 256]`: the number for each byte, by red, green and blue.
    table: [[f32; 256]; 3],
    /// Factor and offset of a byte, by red, green and blue.
    affine: [(f32, f32); 3],
    order: ColourOrder,
}

impl Normaliser {
    /// The tables of a setting.
    pub(crate) fn new(config: &NormaliseConfig) -> Self {
        let white = config.range.white();
        let place = |colour: usize| match config.order {
            ColourOrder::Rgb => colour,
            ColourOrder::Bgr => 2 - colour,
        };
        let of = |colour: usize, value: f32| (value / white - config.mean[place(colour)]) / config.std[place(colour)];
        Self {
            table: [0, 1, 2].map(|colour| std::array::from_fn(|byte| of(colour, byte as f32))),
            affine: [0, 1, 2].map(|colour| config.affine()[place(colour)]),
            order: config.order,
        }
    }

    /// Writes a picture into `out`, `[3, H, W]` of `padded` (W, H), at the top left; all other elements become 0.
    pub(crate) fn write(&self, planes: &Planes<'_>, out: &mut [f32], (padded_w, padded_h): (usize, usize)) {
        let (width, height) = planes.size;
        let plane = padded_w * padded_h;
        if width == 0 || height == 0 || plane == 0 {
            return out.fill(0.0);
        }
        let (first, rest) = out.split_at_mut(plane);
        let (second, third) = rest.split_at_mut(plane);
        let (red, blue) = match self.order {
            ColourOrder::Rgb => (first, third),
            ColourOrder::Bgr => (third, first),
        };
        let rows = red.chunks_exact_mut(padded_w).zip(second.chunks_exact_mut(padded_w));
        for (y, ((red, green), blue)) in rows.zip(blue.chunks_exact_mut(padded_w)).enumerate() {
            if y >= height {
                [red, green, blue].into_iter().for_each(|row| row.fill(0.0));
                continue;
            }
            let from = if planes.flip.vertical { height - 1 - y } else { y };
            let row = &planes.pixels[from * width * 3..(from + 1) * width * 3];
            let targets = [red, green, blue].map(|row| {
                let (content, padding) = row.split_at_mut(width);
                padding.fill(0.0);
                content
            });
            self.write_row(row, targets, planes);
        }
    }

    fn write_row(&self, row: &[u8], targets: [&mut [f32]; 3], planes: &Planes<'_>) {
        let pixels = row.chunks_exact(3);
        match (planes.colour, planes.flip.horizontal) {
            (None, false) => fill(pixels, targets, |pixel| self.look_up(pixel)),
            (None, true) => fill(pixels.rev(), targets, |pixel| self.look_up(pixel)),
            (Some(colour), false) => fill(pixels, targets, |pixel| self.recolour(&colour, pixel)),
            (Some(colour), true) => fill(pixels.rev(), targets, |pixel| self.recolour(&colour, pixel)),
        }
    }

    #[inline]
    fn look_up(&self, pixel: &[u8]) -> [f32; 3] {
        [0, 1, 2].map(|colour| self.table[colour][usize::from(pixel[colour])])
    }

    #[inline]
    fn recolour(&self, colour: &ColourMap, pixel: &[u8]) -> [f32; 3] {
        let changed = colour.apply([f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2])]);
        [0, 1, 2].map(|colour| changed[colour] * self.affine[colour].0 + self.affine[colour].1)
    }
}

#[inline]
fn fill<'a>(pixels: impl Iterator<Item = &'a [u8]>, targets: [&mut [f32]; 3], of: impl Fn(&[u8]) -> [f32; 3]) {
    let [red, green, blue] = targets;
    for (((r, g), b), pixel) in red.iter_mut().zip(green).zip(blue).zip(pixels) {
        [*r, *g, *b] = of(pixel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::Jitter;

    const PIXELS: [u8; 12] = [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30];

    fn planes(flip: Flip) -> Planes<'static> {
        Planes { pixels: &PIXELS, size: (2, 2), flip, colour: None }
    }

    fn plain(order: ColourOrder) -> NormaliseConfig {
        NormaliseConfig { order, range: Range::Byte, mean: [0.0; 3], std: [1.0; 3] }
    }

    #[test]
    fn planes_hold_one_colour_each_and_padding_is_zero_whatever_was_there() {
        let mut out = [9.0; 27];
        Normaliser::new(&plain(ColourOrder::Rgb)).write(&planes(Flip::default()), &mut out, (3, 3));
        assert_eq!(out[..9], [255.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(out[9..18], [0.0, 255.0, 0.0, 0.0, 20.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(out[18..], [0.0, 0.0, 0.0, 255.0, 30.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn bgr_swaps_the_outer_planes() {
        let mut out = [0.0; 12];
        Normaliser::new(&plain(ColourOrder::Bgr)).write(&planes(Flip::default()), &mut out, (2, 2));
        assert_eq!(out[..4], [0.0, 0.0, 255.0, 30.0]);
        assert_eq!(out[8..], [255.0, 0.0, 0.0, 10.0]);
    }

    #[test]
    fn flips_mirror_rows_and_columns() {
        let mut out = [0.0; 12];
        let normaliser = Normaliser::new(&plain(ColourOrder::Rgb));
        normaliser.write(&planes(Flip { horizontal: true, vertical: false }), &mut out, (2, 2));
        assert_eq!(out[..4], [0.0, 255.0, 10.0, 0.0]);
        normaliser.write(&planes(Flip { horizontal: false, vertical: true }), &mut out, (2, 2));
        assert_eq!(out[..4], [0.0, 10.0, 255.0, 0.0]);
    }

    #[test]
    fn the_two_usual_settings_give_the_numbers_that_their_weights_expect() {
        let mut out = [0.0; 12];
        Normaliser::new(&NormaliseConfig::pytorch()).write(&planes(Flip::default()), &mut out, (2, 2));
        // f32 rounding of numbers near 2.
        assert!((out[0] - (1.0 - 0.485) / 0.229).abs() < 1e-6 && (out[4] + 0.456 / 0.224).abs() < 1e-6);
        Normaliser::new(&NormaliseConfig::caffe()).write(&planes(Flip::default()), &mut out, (2, 2));
        assert!((out[3] - (30.0 - 103.939)).abs() < 1e-4 && (out[8] - (255.0 - 123.68)).abs() < 1e-4);
    }

    #[test]
    fn a_change_of_colours_comes_before_the_normalisation() {
        let jitter = Jitter { brightness: 0.5, ..Jitter::NONE };
        let recoloured = Planes { colour: ColourMap::of(jitter, &PIXELS), ..planes(Flip::default()) };
        let mut out = [0.0; 12];
        Normaliser::new(&NormaliseConfig::pytorch()).write(&recoloured, &mut out, (2, 2));
        assert!((out[0] - (0.5 - 0.485) / 0.229).abs() < 1e-5);
        assert!((out[7] - (0.5 * 20.0 / 255.0 - 0.456) / 0.224).abs() < 1e-5);
    }

    #[test]
    fn a_standard_deviation_of_zero_is_an_error() {
        let config = NormaliseConfig { std: [1.0, 0.0, 1.0], ..NormaliseConfig::pytorch() };
        assert!(config.check().expect_err("zero").to_string().starts_with("normalise.std"));
    }
}
