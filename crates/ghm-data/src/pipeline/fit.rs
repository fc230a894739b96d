//! How large a picture becomes, and which part of it is kept.

use serde::{Deserialize, Serialize};

use super::{Placement, SourceArea};
use crate::{
    augment::{Draw, Flip},
    decode::MAX_SIDE,
    pixel_error::PixelError,
    transform::Transform,
};

/// The size of the network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResizeConfig {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// How a picture of another shape is brought to it.
    #[serde(default)]
    pub mode: ResizeMode,
    /// Whether a picture higher than wide gets `height` by `width` instead. With 1333 by 800 this is the usual "short side
    /// 800, long side at most 1333".
    #[serde(default)]
    pub swap_portrait: bool,
}

/// How a picture is brought to the input's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeMode {
    /// Scaled, up or down, to the largest size that fits; its shape is kept to within rounding to whole pixels.
    #[default]
    Fit,
}

impl ResizeConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`PixelError::Setting`] when a side is not in `1..=16384`.
    pub fn check(&self) -> Result<(), PixelError> {
        for (key, side) in [("input.width", self.width), ("input.height", self.height)] {
            if !(1..=MAX_SIDE).contains(&side) {
                return Err(PixelError::setting(key, side, "must lie between 1 and 16384 pixels"));
            }
        }
        Ok(())
    }

    /// Where a picture of `size` (width, height) lands.
    pub(crate) fn place(&self, size: (usize, usize), draw: &Draw) -> Placement {
        let turned = if draw.transposed { (size.1, size.0) } else { size };
        let (width, height) = turned;
        let bounds =
            if self.swap_portrait && height > width { (self.height, self.width) } else { (self.width, self.height) };
        let fit = match self.mode {
            ResizeMode::Fit => (bounds.0 as f64 / width as f64).min(bounds.1 as f64 / height as f64),
        };
        let scaled = |side: usize| ((fit * draw.scale * side as f64).round() as usize).max(1);
        let scaled = (scaled(width), scaled(height));
        let x = Window::draw(scaled.0, bounds.0, draw.crop_at.0);
        let y = Window::draw(scaled.1, bounds.1, draw.crop_at.1);
        let (left, source_width) = x.in_image(width, draw.flip.horizontal);
        let (top, source_height) = y.in_image(height, draw.flip.vertical);
        let source = SourceArea { left, top, width: source_width, height: source_height };
        let transpose = if draw.transposed { Transform::transpose() } else { Transform::IDENTITY };
        Placement {
            source: if draw.transposed { source.transposed() } else { source },
            content_size: (x.length, y.length),
            transposed: draw.transposed,
            input_from_image: Transform::crop(x.start as f64, y.start as f64)
                .compose(Transform::resize(turned, scaled))
                .compose(mirror(draw.flip, turned))
                .compose(transpose),
        }
    }
}

fn mirror(flip: Flip, (width, height): (usize, usize)) -> Transform {
    let across = if flip.horizontal { Transform::flip_horizontal(width) } else { Transform::IDENTITY };
    let down = if flip.vertical { Transform::flip_vertical(height) } else { Transform::IDENTITY };
    across.compose(down)
}

/// The kept part of one axis of the mirrored and scaled picture.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: usize,
    length: usize,
    scaled: usize,
}

impl Window {
    /// At most `bound` of `scaled` pixels, starting at `at` (in `[0, 1)`) of the play.
    fn draw(scaled: usize, bound: usize, at: f64) -> Self {
        let length = scaled.min(bound);
        let start = ((at * (scaled - length + 1) as f64) as usize).min(scaled - length);
        Self { start, length, scaled }
    }

    /// Start and length in pixels of the original, `side` long, before mirroring.
    fn in_image(self, side: usize, mirrored: bool) -> (f64, f64) {
        let start = if mirrored { self.scaled - self.start - self.length } else { self.start };
        let ratio = side as f64 / self.scaled as f64;
        let start_in_image = start as f64 * ratio;
        // Rounding must not push the end over the edge: the scaler refuses that.
        (start_in_image, (self.length as f64 * ratio).min(side as f64 - start_in_image))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONFIG: ResizeConfig = ResizeConfig { width: 1333, height: 800, mode: ResizeMode::Fit, swap_portrait: true };

    #[test]
    fn the_largest_size_that_fits_keeps_the_shape() {
        assert_eq!(CONFIG.place((640, 480), &Draw::NONE).content_size, (1067, 800));
        assert_eq!(CONFIG.place((640, 160), &Draw::NONE).content_size, (1333, 333));
    }

    #[test]
    fn portraits_swap_the_bounds_only_when_asked() {
        assert_eq!(CONFIG.place((480, 640), &Draw::NONE).content_size, (800, 1067));
        let upright = ResizeConfig { swap_portrait: false, ..CONFIG };
        assert_eq!(upright.place((480, 640), &Draw::NONE).content_size, (600, 800));
    }

    #[test]
    fn a_side_never_becomes_zero() {
        assert_eq!(CONFIG.place((16000, 1), &Draw::NONE).content_size, (1333, 1));
    }

    #[test]
    fn a_size_of_zero_is_an_error() {
        let message = ResizeConfig { width: 0, ..CONFIG }.check().expect_err("no width").to_string();
        assert!(message.starts_with("input.width = 0"), "{message}");
    }

    proptest! {
        #[test]
        fn the_kept_part_lies_in_the_picture_and_maps_onto_the_content(
            size in (1usize..3000, 1usize..3000),
            (scale, at) in (0.05f64..20.0, (0.0f64..1.0, 0.0f64..1.0)),
            flip in (any::<bool>(), any::<bool>()),
            transposed in any::<bool>(),
        ) {
            let draw = Draw {
                transposed, scale, crop_at: at, flip: Flip { horizontal: flip.0, vertical: flip.1 }, ..Draw::NONE
            };
            let placement = CONFIG.place(size, &draw);
            let SourceArea { left, top, width, height } = placement.source;
            prop_assert!(left >= 0.0 && top >= 0.0 && width > 0.0 && height > 0.0);
            prop_assert!(left + width <= size.0 as f64 && top + height <= size.1 as f64);
            let (xa, ya) = placement.input_from_image.apply_point(left, top);
            let (xb, yb) = placement.input_from_image.apply_point(left + width, top + height);
            let (content_w, content_h) = placement.content_size;
            prop_assert!(xa.min(xb).abs() < 1e-6 && (xa.max(xb) - content_w as f64).abs() < 1e-6);
            prop_assert!(ya.min(yb).abs() < 1e-6 && (ya.max(yb) - content_h as f64).abs() < 1e-6);
        }
    }
}
