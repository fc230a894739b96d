//! Backgrounds: a gradient under cloudy noise, coloured blotches, and sometimes stripes or tiles.

use ghm_boxes::Bbox;

use super::canvas::Canvas;
use super::dice::Dice;
use super::texture::{Rgb, from_hsv, layered_noise, mix, shade, sin_cos, wave};

/// Paints the whole canvas.
pub(super) fn paint(canvas: &mut Canvas, dice: &mut Dice) {
    let base = muted(dice);
    let other = mix(base, muted(dice), dice.between(0.3, 0.7));
    let cloud = mix(base, muted(dice), dice.between(0.3, 0.8));
    let (sine, cosine) = sin_cos(dice.unit());
    let (coarse, seed) = (dice.between(18.0, 60.0), dice.noise_seed());
    let (fine, fine_seed, fine_strength) = (dice.between(2.0, 5.0), dice.noise_seed(), dice.between(0.03, 0.16));
    let (width, height) = (canvas.width(), canvas.height());
    canvas.change_all(|[x, y], _| {
        let along = (0.5 + (x / width - 0.5) * cosine + (y / height - 0.5) * sine).clamp(0.0, 1.0);
        let cloudy = ((layered_noise(x / coarse, y / coarse, seed, 3) - 0.35) * 2.4).clamp(0.0, 1.0);
        let grain = 1.0 + fine_strength * 2.0 * (layered_noise(x / fine, y / fine, fine_seed, 2) - 0.5);
        shade(mix(mix(base, other, along), cloud, 0.7 * cloudy), grain)
    });
    for _ in 0..dice.count(0, 4) {
        blotch(canvas, dice);
    }
    match dice.below(4) {
        0 => stripes(canvas, dice),
        1 => tiles(canvas, dice),
        _ => {}
    }
}

/// A colour of a background: any hue, seldom strong.
fn muted(dice: &mut Dice) -> Rgb {
    from_hsv(dice.unit(), dice.between(0.05, 0.5), dice.between(0.2, 0.85))
}

/// A soft patch with a ragged border.
fn blotch(canvas: &mut Canvas, dice: &mut Dice) {
    let colour = muted(dice);
    let (cx, cy) = (dice.between(0.0, canvas.width()), dice.between(0.0, canvas.height()));
    let reach = 0.5 * canvas.width().min(canvas.height());
    let (rx, ry) = (reach * dice.between(0.3, 1.0), reach * dice.between(0.3, 1.0));
    let (strength, seed) = (dice.between(0.2, 0.5), dice.noise_seed());
    canvas.change_within(Bbox::from_center(cx, cy, 2.4 * rx, 2.4 * ry), |[x, y], under| {
        let (u, v) = ((x - cx) / rx, (y - cy) / ry);
        let ragged = 0.7 * (layered_noise(x / 13.0, y / 13.0, seed, 3) - 0.5);
        mix(under, colour, strength * ((1.0 - (u * u + v * v).sqrt() + ragged) * 3.0).clamp(0.0, 1.0))
    });
}

/// Faint wavy bands across the picture.
fn stripes(canvas: &mut Canvas, dice: &mut Dice) {
    let (sine, cosine) = sin_cos(dice.unit());
    let (period, strength) = (dice.between(7.0, 40.0), dice.between(0.06, 0.2));
    let (bend, seed) = (dice.between(0.0, 0.6), dice.noise_seed());
    canvas.change_all(|[x, y], under| {
        let shift = bend * layered_noise(x / 45.0, y / 45.0, seed, 2);
        shade(under, 1.0 + strength * (2.0 * wave((x * cosine + y * sine) / period + shift) - 1.0))
    });
}

/// Faint rectangles with joints between them, as of a floor or a wall, turned by a small angle.
fn tiles(canvas: &mut Canvas, dice: &mut Dice) {
    let (sine, cosine) = sin_cos(dice.between(-0.08, 0.08));
    let (wide, high) = (dice.between(18.0, 55.0), dice.between(14.0, 40.0));
    let (strength, seed, joint) = (dice.between(0.05, 0.18), dice.noise_seed(), dice.between(0.75, 1.2));
    canvas.change_all(|[x, y], under| {
        let (u, v) = ((x * cosine + y * sine) / wide, (y * cosine - x * sine) / high);
        // Noise sampled at whole numbers is one lattice value: one shade a tile.
        let tone = 1.0 + strength * (2.0 * layered_noise(u.floor(), v.floor(), seed, 1) - 1.0);
        let to_joint = ((u - u.floor()) * wide).min((v - v.floor()) * high);
        shade(under, tone * (joint + (1.0 - joint) * (to_joint - 0.5).clamp(0.0, 1.0)))
    });
}
