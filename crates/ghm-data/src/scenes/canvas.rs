//! The picture while it is drawn: pixels in `[0, 1]`, and painting of figures given by their distance.

use ghm_boxes::Bbox;

use super::material::Material;
use super::outline::Point;
use super::texture::{Rgb, mix};

/// How far a shadow's edge fades, in pixels.
const SHADOW_FADE: f32 = 5.0;

/// Pixels of a picture, row by row.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Rgb>,
}

/// Something to paint: where it lies and how far any point is from its outline (negative inside), in pixels.
pub(super) struct Figure<'a> {
    /// A box around the figure.
    pub(super) bounds: Bbox,
    /// Signed distance from `(x, y)` to the outline.
    pub(super) distance: &'a dyn Fn(f32, f32) -> f32,
}

impl Canvas {
    /// A black picture.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[0.0; 3]; width * height] }
    }

    /// Width in pixels.
    pub(super) fn width(&self) -> f32 {
        self.width as f32
    }

    /// Height in pixels.
    pub(super) fn height(&self) -> f32 {
        self.height as f32
    }

    /// Replaces every pixel by what `change` makes of its centre and its colour.
    pub(super) fn change_all(&mut self, mut change: impl FnMut(Point, Rgb) -> Rgb) {
        for (index, pixel) in self.pixels.iter_mut().enumerate() {
            let (row, column) = (index / self.width, index % self.width);
            *pixel = change([column as f32 + 0.5, row as f32 + 0.5], *pixel);
        }
    }

    /// Replaces every pixel whose centre lies within `bounds`, widened by a pixel.
    pub(super) fn change_within(&mut self, bounds: Bbox, mut change: impl FnMut(Point, Rgb) -> Rgb) {
        let (columns, rows) = self.covered(bounds);
        for row in rows {
            for column in columns.clone() {
                let pixel = &mut self.pixels[row * self.width + column];
                *pixel = change([column as f32 + 0.5, row as f32 + 0.5], *pixel);
            }
        }
    }

    /// Mean colour of the pixels within a box; grey when there are none.
    pub(super) fn mean_within(&self, bounds: Bbox) -> Rgb {
        let (columns, rows) = self.covered(bounds);
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for row in rows {
            for column in columns.clone() {
                let pixel = self.pixels[row * self.width + column];
                sum = [sum[0] + pixel[0], sum[1] + pixel[1], sum[2] + pixel[2]];
                count += 1.0;
            }
        }
        if count > 0.0 { sum.map(|channel| channel / count) } else { [0.5; 3] }
    }

    fn covered(&self, bounds: Bbox) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        // A float turned into an integer saturates, so a box far outside gives an empty range.
        let first = |edge: f32| (edge.floor() - 1.0).max(0.0) as usize;
        let last = |edge: f32, end: usize| ((edge.ceil() + 1.0).max(0.0) as usize).min(end);
        (first(bounds.x1)..last(bounds.x2, self.width), first(bounds.y1)..last(bounds.y2, self.height))
    }

    /// Paints a figure over what is there: its shadow, then itself, the outline smoothed over one pixel.
    pub(super) fn paint(&mut self, figure: &Figure<'_>, material: &Material) {
        if let Some(shadow) = &material.shadow {
            let [dx, dy] = shadow.offset;
            let bounds = figure.bounds.shift(dx, dy);
            let wide = Bbox::new(
                bounds.x1 - SHADOW_FADE,
                bounds.y1 - SHADOW_FADE,
                bounds.x2 + SHADOW_FADE,
                bounds.y2 + SHADOW_FADE,
            );
            self.change_within(wide, |[x, y], under| {
                let depth = 0.5 - (figure.distance)(x - dx, y - dy) / (2.0 * SHADOW_FADE);
                mix(under, [0.0; 3], shadow.strength * depth.clamp(0.0, 1.0))
            });
        }
        self.change_within(figure.bounds, |[x, y], under| {
            let distance = (figure.distance)(x, y);
            let coverage = (0.5 - distance).clamp(0.0, 1.0) * material.opacity;
            if coverage > 0.0 {
                mix(under, material.colour_at([x, y], distance, figure.bounds), coverage)
            } else {
                under
            }
        });
    }

    /// Spreads each pixel over its neighbours: `strength` (0 to 0.3) of it goes to either side, across and then down.
    pub(super) fn blur(&mut self, strength: f32) {
        let kept = 1.0 - 2.0 * strength;
        let blend = |before: Rgb, here: Rgb, after: Rgb| -> Rgb {
            std::array::from_fn(|c| strength * (before[c] + after[c]) + kept * here[c])
        };
        let source = self.pixels.clone();
        for (index, pixel) in self.pixels.iter_mut().enumerate() {
            let column = index % self.width;
            let before = if column > 0 { source[index - 1] } else { source[index] };
            let after = if column + 1 < self.width { source[index + 1] } else { source[index] };
            *pixel = blend(before, source[index], after);
        }
        let source = self.pixels.clone();
        for (index, pixel) in self.pixels.iter_mut().enumerate() {
            let before = if index >= self.width { source[index - self.width] } else { source[index] };
            let after = source.get(index + self.width).copied().unwrap_or(source[index]);
            *pixel = blend(before, source[index], after);
        }
    }

    /// The picture as RGB bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.pixels.iter().flatten().map(|channel| (channel * 255.0 + 0.5) as u8).collect()
    }
}
