//! The bitmap font: ASCII and Latin-1 in cells of 8 by 8, enlarged by whole factors.

use font8x8::legacy::{BASIC_LEGACY, LATIN_LEGACY};
use image::{Rgb, RgbImage};

use crate::Colour;

/// Side of a character's cell at scale 1, in pixels.
pub const CELL: u32 = 8;

/// How a text is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    /// Side of one dot of the font in pixels, from 1.
    pub scale: u32,
    /// Colour of the letters; what lies between them stays.
    pub colour: Colour,
}

/// Draws a text with its first cell's upper left corner at `(x, y)`; what lies outside the picture is left out.
///
/// Characters beyond Latin-1 and control characters appear as `?`.
pub fn draw_text(picture: &mut RgbImage, (x, y): (u32, u32), text: &str, style: TextStyle) {
    let (mut cell_x, cell_width) = (x, CELL.saturating_mul(style.scale));
    for character in text.chars() {
        if cell_x >= picture.width() {
            return;
        }
        for (row, bits) in (0u32..).zip(glyph(character)) {
            for column in (0..CELL).filter(|column| bits >> column & 1 == 1) {
                let corner = (
                    cell_x.saturating_add(column.saturating_mul(style.scale)),
                    y.saturating_add(row.saturating_mul(style.scale)),
                );
                fill(picture, corner, (style.scale, style.scale), style.colour);
            }
        }
        cell_x = cell_x.saturating_add(cell_width);
    }
}

/// The rows of a character from the top; the lowest bit is the leftmost dot.
fn glyph(character: char) -> [u8; 8] {
    let code = character as usize;
    let basic = if (0x20..0x7F).contains(&code) { BASIC_LEGACY.get(code) } else { None };
    let latin = code.checked_sub(0xA0).and_then(|offset| LATIN_LEGACY.get(offset));
    basic.or(latin).copied().unwrap_or(BASIC_LEGACY[b'?' as usize])
}

/// Fills the part of a rectangle that lies in the picture.
pub(crate) fn fill(picture: &mut RgbImage, (x, y): (u32, u32), (width, height): (u32, u32), colour: Colour) {
    let (right, bottom) =
        (x.saturating_add(width).min(picture.width()), y.saturating_add(height).min(picture.height()));
    for row in y..bottom {
        for column in x..right {
            picture.put_pixel(column, row, Rgb(colour.to_array()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lit(picture: &RgbImage) -> usize {
        picture.pixels().filter(|pixel| pixel.0 == [255; 3]).count()
    }

    #[test]
    fn a_doubled_text_has_four_times_the_dots() {
        let dots = [1, 2].map(|scale| {
            let mut picture = RgbImage::new(64, 16);
            draw_text(&mut picture, (0, 0), "ring", TextStyle { scale, colour: Colour::WHITE });
            lit(&picture)
        });
        assert!(dots[0] > 20 && dots[1] == 4 * dots[0], "{dots:?}");
    }

    #[test]
    fn letters_read_from_left_to_right() {
        let mut picture = RgbImage::new(8, 8);
        draw_text(&mut picture, (0, 0), "L", TextStyle { scale: 1, colour: Colour::WHITE });
        let in_half = |columns: std::ops::Range<u32>| {
            (0..3)
                .flat_map(|y| columns.clone().map(move |x| (x, y)))
                .filter(|&(x, y)| picture.get_pixel(x, y)[0] > 0)
                .count()
        };
        assert!(in_half(0..4) > in_half(4..8), "the stem of an L stands on the left");
    }

    #[test]
    fn unknown_characters_look_like_question_marks_and_accents_do_not() {
        assert_eq!(glyph('\u{6F22}'), glyph('?'));
        assert_eq!(glyph('\n'), glyph('?'));
        assert_ne!(glyph('\u{E9}'), glyph('?'));
    }

    #[test]
    fn text_beyond_the_picture_is_left_out() {
        let mut picture = RgbImage::new(5, 5);
        draw_text(&mut picture, (3, 3), "wide words", TextStyle { scale: 3, colour: Colour::WHITE });
        draw_text(&mut picture, (u32::MAX, u32::MAX), "x", TextStyle { scale: u32::MAX, colour: Colour::WHITE });
        assert_eq!(picture.dimensions(), (5, 5));
    }
}
