//! A scaled picture as bytes, mirrored and recoloured, for a device that does the rest.

use super::normalise::Planes;

impl Planes<'_> {
    /// Writes the picture into `out`, `[H, W, 3]` of `padded` (W, H), at the top left; all other bytes become 0.
    pub(crate) fn write_bytes(&self, out: &mut [u8], (padded_w, _): (usize, usize)) {
        let (width, height) = self.size;
        if width == 0 || height == 0 || padded_w == 0 {
            return out.fill(0);
        }
        for (y, target) in out.chunks_exact_mut(3 * padded_w).enumerate() {
            if y >= height {
                target.fill(0);
                continue;
            }
            let from = if self.flip.vertical { height - 1 - y } else { y };
            let (content, padding) = target.split_at_mut(3 * width);
            padding.fill(0);
            let row = &self.pixels[from * width * 3..(from + 1) * width * 3];
            match self.flip.horizontal {
                false => content.copy_from_slice(row),
                true => content.chunks_exact_mut(3).zip(row.chunks_exact(3).rev()).for_each(|(to, from)| {
                    to.copy_from_slice(from);
                }),
            }
            if let Some(colour) = self.colour {
                for pixel in content.chunks_exact_mut(3) {
                    let changed = colour.apply([f32::from(pixel[0]), f32::from(pixel[1]), f32::from(pixel[2])]);
                    pixel.copy_from_slice(&changed.map(|value| value.round() as u8));
                }
            }
        }
    }
}
