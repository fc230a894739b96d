//! Light over the whole scene, and what a camera adds: blur and grain.

use super::canvas::Canvas;
use super::dice::Dice;
use super::outline::Point;
use super::texture::{shade, sin_cos};

/// Where the light of a scene comes from.
#[derive(Clone, Copy)]
pub(super) struct Light {
    towards: Point,
}

impl Light {
    /// Light from a random side, from above more often than from below.
    pub(super) fn roll(dice: &mut Dice) -> Self {
        let (sine, cosine) = sin_cos(dice.unit());
        let down_is_rare = if sine > 0.0 && dice.chance(0.7) { -sine } else { sine };
        Self { towards: [cosine, down_is_rare] }
    }

    /// How much a point about a centre (coordinates in half sizes) faces the light, about -1 to 1.
    pub(super) fn facing(self, [x, y]: Point) -> f32 {
        x * self.towards[0] + y * self.towards[1]
    }

    /// The offset of a shadow that falls `reach` pixels away.
    pub(super) fn away(self, reach: f32) -> Point {
        [-reach * self.towards[0], -reach * self.towards[1]]
    }
}

/// Lights the scene unevenly, darkens its corners, and adds the camera's blur and grain.
pub(super) fn develop(canvas: &mut Canvas, light: Light, dice: &mut Dice) {
    let (exposure, slope, corners) = (dice.between(0.85, 1.12), dice.between(0.0, 0.16), dice.between(0.0, 0.22));
    let (half_width, half_height) = (0.5 * canvas.width(), 0.5 * canvas.height());
    canvas.change_all(|[x, y], colour| {
        let (u, v) = (x / half_width - 1.0, y / half_height - 1.0);
        shade(colour, exposure * (1.0 + slope * light.facing([u, v])) * (1.0 - corners * 0.5 * (u * u + v * v)))
    });
    if dice.chance(0.5) {
        canvas.blur(dice.between(0.05, 0.2));
    }
    let grain = dice.between(0.006, 0.03);
    canvas.change_all(|_, colour| {
        // Grain is mostly one of lightness.
        let common = 0.8 * dice.bell();
        colour.map(|channel| (channel + grain * (common + 0.6 * dice.bell())).clamp(0.0, 1.0))
    });
}
