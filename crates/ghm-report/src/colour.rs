//! One colour a class, and the text colour that can be read on it.

/// A colour by its channels, 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Colour {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
}

impl Colour {
    /// Black.
    pub const BLACK: Self = Self::from_hex(0x00_00_00);
    /// White.
    pub const WHITE: Self = Self::from_hex(0xFF_FF_FF);

    /// A colour from `0xRRGGBB`; higher bits are left out.
    pub const fn from_hex(hex: u32) -> Self {
        Self { red: (hex >> 16) as u8, green: (hex >> 8) as u8, blue: hex as u8 }
    }

    /// `[red, green, blue]`, as a pixel has them.
    pub const fn to_array(self) -> [u8; 3] {
        [self.red, self.green, self.blue]
    }

    /// Half of it, half white.
    pub fn faded(self) -> Self {
        let [red, green, blue] = self.to_array().map(|channel| 128 + channel / 2);
        Self { red, green, blue }
    }

    /// Relative luminance in `[0, 1]` (WCAG 2.2).
    pub fn luminance(self) -> f32 {
        let [red, green, blue] = self.to_array().map(|channel| {
            let value = f32::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// Black or white, whichever has the greater contrast on this colour.
    pub fn text_colour(self) -> Self {
        // Contrast is (lighter + 0.05) / (darker + 0.05); both are equal where (L + 0.05)^2 = 1.05 * 0.05.
        if self.luminance() > 0.179 { Self::BLACK } else { Self::WHITE }
    }
}

/// The first colours: Okabe and Ito (2008) without black, then colours of Paul Tol's muted and bright schemes and a few
/// more, so that neighbours differ in lightness as well as in hue.
const PALETTE: [u32; 20] = [
    0xE69F00, 0x56B4E9, 0x009E73, 0xF0E442, 0x0072B2, 0xD55E00, 0xCC79A7, 0x332288, 0xAAFFC3, 0x882255, 0xBBBBBB,
    0x117733, 0xAA4499, 0xDDCC77, 0x661100, 0x00E5FF, 0x999933, 0xEE6677, 0x44AA99, 0x9F8CFF,
];

/// The colour of a class: twenty that people with any colour vision tell apart as well as may be, then hues that go
/// round the circle by the golden ratio, lighter and darker by turns.
pub fn class_colour(class_index: usize) -> Colour {
    match PALETTE.get(class_index) {
        Some(&hex) => Colour::from_hex(hex),
        None => hue_colour(class_index - PALETTE.len()),
    }
}

fn hue_colour(step: usize) -> Colour {
    const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;
    let hue = (step as f64 * GOLDEN_RATIO).fract();
    let value = [255.0, 190.0, 130.0][step % 3];
    let [red, green, blue] = [0.0, 2.0, 1.0].map(|third: f64| {
        let offset = (hue + third / 3.0).fract();
        let full = ((offset * 6.0 - 3.0).abs() - 1.0).clamp(0.0, 1.0);
        (value * (0.25 + 0.75 * full)).round() as u8
    });
    Colour { red, green, blue }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(a: Colour, b: Colour) -> f32 {
        let squares = (0..3).map(|c| (f32::from(a.to_array()[c]) - f32::from(b.to_array()[c])).powi(2));
        squares.sum::<f32>().sqrt()
    }

    #[test]
    fn the_twenty_colours_of_the_palette_are_far_apart() {
        for a in 0..20 {
            for b in 0..a {
                assert!(distance(class_colour(a), class_colour(b)) > 50.0, "{a} {b}");
            }
        }
    }

    #[test]
    fn the_first_hundred_colours_are_all_different() {
        let colours: std::collections::HashSet<Colour> = (0..100).map(class_colour).collect();
        assert_eq!(colours.len(), 100);
    }

    #[test]
    fn any_class_index_has_a_colour() {
        assert_ne!(class_colour(usize::MAX), Colour::BLACK);
    }

    #[test]
    fn text_has_a_contrast_of_at_least_four_and_a_half_on_every_class_colour() {
        for index in 0..200 {
            let plate = class_colour(index);
            let (a, b) = (plate.luminance() + 0.05, plate.text_colour().luminance() + 0.05);
            assert!(a.max(b) / a.min(b) >= 4.5, "{index}");
        }
    }
}
