//! What figures are made of: colours that stand out from what lies behind, patterns, rims and shadows.

use ghm_boxes::Bbox;

use super::dice::Dice;
use super::finish::Light;
use super::outline::Point;
use super::texture::{Rgb, from_hsv, layered_noise, luminance, mix, shade, wave};

/// Least distance in RGB between an object's colour and the mean of its surroundings; the cube's diagonal is 1.73.
const LEAST_CONTRAST: f32 = 0.5;
/// Least difference in luminance: an object is seen without its colour too.
const LEAST_LUMINANCE_CONTRAST: f32 = 0.17;

/// The look of one figure.
pub(super) struct Material {
    colour: Rgb,
    second: Rgb,
    pattern: Pattern,
    rim: Option<Rim>,
    light: Light,
    /// 1 for objects, less for blobs.
    pub(super) opacity: f32,
    /// The shadow cast on what lies behind.
    pub(super) shadow: Option<Shadow>,
}

/// A soft dark copy of the figure beside it.
pub(super) struct Shadow {
    /// Where it falls, in pixels.
    pub(super) offset: Point,
    /// How dark it is, 0 to 1.
    pub(super) strength: f32,
}

struct Rim {
    colour: Rgb,
    width: f32,
}

enum Pattern {
    Plain,
    Stripes { direction: Point, period: f32 },
    Dots { period: f32, radius: f32 },
    Mottled { seed: u32, grain: f32 },
}

impl Material {
    /// A random material that stands out from the colour behind it.
    pub(super) fn against(behind: Rgb, light: Light, dice: &mut Dice) -> Self {
        let colour = contrasting(behind, dice);
        // The second colour is a shade of the first: the pattern never dissolves the shape.
        let toned =
            shade(colour, if luminance(colour) > 0.5 { dice.between(0.6, 0.85) } else { dice.between(1.2, 1.5) });
        let second = mix(toned, from_hsv(dice.unit(), 0.6, 0.8), dice.between(0.0, 0.15));
        let rim = dice
            .chance(0.4)
            .then(|| Rim { colour: shade(colour, dice.between(0.35, 0.6)), width: dice.between(1.2, 2.6) });
        let shadow = dice.chance(0.6).then(|| {
            let reach = dice.between(2.0, 5.0);
            Shadow { offset: light.away(reach), strength: dice.between(0.2, 0.45) }
        });
        Self { colour, second, pattern: Pattern::roll(dice), rim, light, opacity: 1.0, shadow }
    }

    /// The same material without rim and shadow, partly see-through.
    pub(super) fn faded(self, opacity: f32) -> Self {
        Self { rim: None, shadow: None, opacity, ..self }
    }

    /// The same material in one colour: no pattern, rim or shadow.
    #[cfg(test)]
    pub(super) fn plain(colour: Rgb, light: Light) -> Self {
        Self { colour, second: colour, pattern: Pattern::Plain, rim: None, light, opacity: 1.0, shadow: None }
    }

    /// The colour at a point that lies `distance` from the outline of a figure within `bounds`.
    pub(super) fn colour_at(&self, point: Point, distance: f32, bounds: Bbox) -> Rgb {
        let (cx, cy) = bounds.center();
        let [x, y] = [point[0] - cx, point[1] - cy];
        let half = 0.5 * bounds.width().max(bounds.height()).max(1.0);
        let patterned = mix(self.colour, self.second, self.pattern.amount(x, y));
        // Lit from one side, and darker within two pixels of the edge as a rounded border would be.
        let facing = self.light.facing([x / half, y / half]);
        let edge = 1.0 - 0.14 * (1.0 + distance / 2.0).clamp(0.0, 1.0);
        let lit = shade(patterned, (1.0 + 0.2 * facing) * edge);
        match &self.rim {
            Some(rim) => mix(lit, rim.colour, (distance + rim.width + 0.5).clamp(0.0, 1.0)),
            None => lit,
        }
    }
}

impl Pattern {
    fn roll(dice: &mut Dice) -> Self {
        match dice.below(5) {
            0 => {
                let (sine, cosine) = super::texture::sin_cos(dice.unit());
                Self::Stripes { direction: [cosine, sine], period: dice.between(4.0, 11.0) }
            }
            1 => Self::Dots { period: dice.between(6.0, 11.0), radius: dice.between(0.22, 0.36) },
            2 => Self::Mottled { seed: dice.noise_seed(), grain: dice.between(4.0, 14.0) },
            _ => Self::Plain,
        }
    }

    /// How much of the second colour shows at a point about the figure's centre, 0 to 1.
    fn amount(&self, x: f32, y: f32) -> f32 {
        match *self {
            Self::Plain => 0.0,
            Self::Stripes { direction: [dx, dy], period } => {
                ((wave((x * dx + y * dy) / period) - 0.5) * 3.0 + 0.5).clamp(0.0, 1.0)
            }
            Self::Dots { period, radius } => {
                let [u, v] = [x / period, y / period].map(|c| c - c.floor() - 0.5);
                ((radius - (u * u + v * v).sqrt()) * period + 0.5).clamp(0.0, 1.0)
            }
            Self::Mottled { seed, grain } => layered_noise(x / grain, y / grain, seed, 2),
        }
    }
}

/// A random colour far from the one behind; failing that, the best of many.
fn contrasting(behind: Rgb, dice: &mut Dice) -> Rgb {
    let mut best = ([1.0; 3], f32::MIN);
    for _ in 0..40 {
        let colour = from_hsv(dice.unit(), dice.between(0.15, 0.95), dice.between(0.15, 1.0));
        let difference: f32 = (0..3).map(|c| (colour[c] - behind[c]) * (colour[c] - behind[c])).sum::<f32>().sqrt();
        let lightness = (luminance(colour) - luminance(behind)).abs();
        let margin = (difference - LEAST_CONTRAST).min(lightness - LEAST_LUMINANCE_CONTRAST);
        if margin >= 0.0 {
            return colour;
        }
        if margin > best.1 {
            best = (colour, margin);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::SceneSplit;

    #[test]
    fn colours_differ_in_luminance_from_what_lies_behind() {
        let mut dice = Dice::for_scene(5, SceneSplit::Train, 0);
        for _ in 0..200 {
            let behind = from_hsv(dice.unit(), dice.unit(), dice.unit());
            let colour = contrasting(behind, &mut dice);
            assert!((luminance(colour) - luminance(behind)).abs() >= LEAST_LUMINANCE_CONTRAST);
        }
    }
}
