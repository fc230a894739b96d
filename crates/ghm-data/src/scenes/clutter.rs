//! Unlabelled things that resemble objects: half discs, open outlines, bent bars, soft blobs and lines.

use ghm_boxes::Bbox;

use super::canvas::{Canvas, Figure};
use super::dice::Dice;
use super::finish::Light;
use super::kind::{on_circle, rounded};
use super::material::Material;
use super::outline::{Outline, Point, extent_of, squared_distance_to_segment};
use super::texture::mix;

/// Paints up to `most` pieces of clutter.
pub(super) fn paint(canvas: &mut Canvas, most: usize, light: Light, dice: &mut Dice) {
    for _ in 0..dice.count(0, most) {
        let room = canvas.width().min(canvas.height());
        let size = dice.between(0.1, 0.36) * room;
        let center = [dice.between(0.0, canvas.width()), dice.between(0.0, canvas.height())];
        let behind = canvas.mean_within(Bbox::from_center(center[0], center[1], size, size));
        let material = Material::against(behind, light, dice);
        match dice.below(6) {
            0 => fill(canvas, half_disc().placed(dice.unit(), size, center), &material),
            1 => fill(canvas, bent_bar(dice).placed(dice.unit(), size, center), &material),
            2 => stroke(canvas, &open_polygon(size, center, dice), dice.between(1.0, 2.2), &material),
            3 => stroke(canvas, &arc(size, center, dice), size * dice.between(0.06, 0.12), &material),
            4 => blob(canvas, size, center, &material.faded(dice.between(0.4, 0.8))),
            _ => {
                let long = dice.between(0.3, 1.2) * room;
                stroke(canvas, &line(long, center, dice), dice.between(0.5, 1.3), &material);
            }
        }
    }
}

fn fill(canvas: &mut Canvas, outline: Outline, material: &Material) {
    canvas.paint(&Figure { bounds: outline.extent(), distance: &|x, y| outline.distance(x, y) }, material);
}

/// Paints an open line of points as wide as `2 * half_width`.
fn stroke(canvas: &mut Canvas, points: &[Point], half_width: f32, material: &Material) {
    let tight = extent_of(points.iter().copied());
    let bounds = Bbox::new(tight.x1 - half_width, tight.y1 - half_width, tight.x2 + half_width, tight.y2 + half_width);
    let distance = |x: f32, y: f32| {
        let squares = points.windows(2).map(|pair| squared_distance_to_segment([x, y], pair[0], pair[1]));
        squares.fold(f32::MAX, f32::min).sqrt() - half_width
    };
    canvas.paint(&Figure { bounds, distance: &distance }, material);
}

/// A round spot that fades over all of its radius.
fn blob(canvas: &mut Canvas, size: f32, [cx, cy]: Point, material: &Material) {
    let bounds = Bbox::from_center(cx, cy, size, size);
    canvas.change_within(bounds, |[x, y], under| {
        let off = ((x - cx) * (x - cx) + (y - cy) * (y - cy)).sqrt() / (0.5 * size).max(1.0);
        let inside = (1.0 - off).clamp(0.0, 1.0);
        let colour = material.colour_at([x, y], -size, bounds);
        mix(under, colour, material.opacity * inside * inside * (3.0 - 2.0 * inside))
    });
}

fn half_disc() -> Outline {
    Outline::new(vec![(0..=30).map(|k| on_circle(k as f32 / 60.0, 1.0)).collect()])
}

/// An L of two bars.
fn bent_bar(dice: &mut Dice) -> Outline {
    let (thick, reach) = (dice.between(0.25, 0.4), dice.between(0.6, 1.0));
    let corners = [[0.0, 0.0], [reach, 0.0], [reach, thick], [thick, thick], [thick, 1.0], [0.0, 1.0]];
    Outline::new(vec![rounded(&corners, 0.08)])
}

/// Three sides of a quadrilateral or four of a pentagon.
fn open_polygon(size: f32, [cx, cy]: Point, dice: &mut Dice) -> Vec<Point> {
    let (sides, start) = (dice.count(4, 5), dice.unit());
    (0..sides)
        .map(|k| {
            let [x, y] = on_circle(start + k as f32 / sides as f32 + dice.between(-0.03, 0.03), 0.5 * size);
            [cx + x, cy + y]
        })
        .collect()
}

/// Half to three quarters of a circle.
fn arc(size: f32, [cx, cy]: Point, dice: &mut Dice) -> Vec<Point> {
    let (start, reach) = (dice.unit(), dice.between(0.45, 0.72));
    (0..=32)
        .map(|k| {
            let [x, y] = on_circle(start + reach * k as f32 / 32.0, 0.4 * size);
            [cx + x, cy + y]
        })
        .collect()
}

fn line(long: f32, [cx, cy]: Point, dice: &mut Dice) -> Vec<Point> {
    let [x, y] = on_circle(dice.unit(), 0.5 * long);
    vec![[cx - x, cy - y], [cx + x, cy + y]]
}
