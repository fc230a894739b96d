//! The object classes: their names, how often they occur, and their shapes.

use super::dice::Dice;
use super::outline::{Outline, Point};
use super::texture::sin_cos;

/// The corners of the polygon that stands for a circle: at a radius of 45 pixels it is off by 0.04.
const CIRCLE_CORNERS: usize = 72;

/// What an object of a scene is. The classes differ in shape alone: colour, texture and size are drawn alike for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A filled circle, slightly squashed.
    Disc,
    /// A square or a slightly oblong rectangle.
    Square,
    /// A triangle, not quite regular.
    Triangle,
    /// A circle with a round hole.
    Ring,
    /// A star of five points.
    Star,
    /// A cross of two bars.
    Cross,
}

impl ObjectKind {
    /// All kinds in the order of their class indices, the commonest first.
    pub const ALL: [Self; 6] = [Self::Disc, Self::Square, Self::Triangle, Self::Ring, Self::Star, Self::Cross];

    /// Index of the class, `0..6`.
    pub fn class_index(self) -> usize {
        self as usize
    }

    /// The class name in the data set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disc => "disc",
            Self::Square => "square",
            Self::Triangle => "triangle",
            Self::Ring => "ring",
            Self::Star => "star",
            Self::Cross => "cross",
        }
    }

    /// The expected part of all objects that are of this kind; long-tailed, and 1 in sum.
    pub fn share(self) -> f32 {
        match self {
            Self::Disc => 0.35,
            Self::Square => 0.23,
            Self::Triangle => 0.15,
            Self::Ring => 0.11,
            Self::Star => 0.09,
            Self::Cross => 0.07,
        }
    }

    /// A kind drawn by its share.
    pub(super) fn roll(dice: &mut Dice) -> Self {
        let mut left = dice.unit();
        for kind in Self::ALL {
            if left < kind.share() {
                return kind;
            }
            left -= kind.share();
        }
        Self::Disc
    }

    /// A shape of this kind about the origin, of size about 1 and with its own proportions; turned later.
    pub(super) fn shape(self, dice: &mut Dice) -> Outline {
        match self {
            Self::Disc => Outline::new(vec![ellipse(1.0, dice.between(0.84, 1.0))]),
            Self::Square => {
                let half_height = dice.between(0.78, 1.0);
                let corners = [[-1.0, -half_height], [1.0, -half_height], [1.0, half_height], [-1.0, half_height]];
                Outline::new(vec![rounded(&corners, dice.between(0.04, 0.12))])
            }
            Self::Triangle => {
                let corners =
                    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|turns| on_circle(turns + dice.between(-0.03, 0.03), 1.0));
                Outline::new(vec![rounded(&corners, dice.between(0.03, 0.1))])
            }
            Self::Ring => {
                let (squash, hole) = (dice.between(0.86, 1.0), dice.between(0.46, 0.68));
                Outline::new(vec![ellipse(1.0, squash), ellipse(hole, hole * squash)])
            }
            Self::Star => {
                let inner = dice.between(0.4, 0.5);
                let corners: Vec<Point> =
                    (0..10).map(|k| on_circle(k as f32 / 10.0, if k % 2 == 0 { 1.0 } else { inner })).collect();
                Outline::new(vec![rounded(&corners, 0.08)])
            }
            Self::Cross => Outline::new(vec![rounded(&cross(dice.between(0.26, 0.38), dice.between(0.86, 1.0)), 0.08)]),
        }
    }
}

/// A point at an angle in turns, at a distance from the origin.
pub(super) fn on_circle(turns: f32, radius: f32) -> Point {
    let (sine, cosine) = sin_cos(turns);
    [radius * cosine, radius * sine]
}

fn ellipse(radius_x: f32, radius_y: f32) -> Vec<Point> {
    (0..CIRCLE_CORNERS)
        .map(|k| {
            let [x, y] = on_circle(k as f32 / CIRCLE_CORNERS as f32, 1.0);
            [radius_x * x, radius_y * y]
        })
        .collect()
}

/// A cross with arms `2 * half` wide, one bar from -1 to 1, the other from `-reach` to `reach`.
fn cross(half: f32, reach: f32) -> [Point; 12] {
    let (h, r) = (half, reach);
    [[-1.0, -h], [-h, -h], [-h, -r], [h, -r], [h, -h], [1.0, -h], [1.0, h], [h, h], [h, r], [-h, r], [-h, h], [-1.0, h]]
}

/// The polygon with every corner replaced by a curve that begins and ends the part `fraction` (below a half) of the
/// edge away from it.
pub(super) fn rounded(corners: &[Point], fraction: f32) -> Vec<Point> {
    let count = corners.len();
    let mut points = Vec::with_capacity(count * 4);
    for (k, &corner) in corners.iter().enumerate() {
        let start = between(corner, corners[(k + count - 1) % count], fraction);
        let end = between(corner, corners[(k + 1) % count], fraction);
        points.push(start);
        points.extend([1.0 / 3.0, 2.0 / 3.0].map(|t| between(between(start, corner, t), between(corner, end, t), t)));
        points.push(end);
    }
    points
}

fn between(a: Point, b: Point, part: f32) -> Point {
    [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_long_tailed_and_sum_to_one() {
        let shares = ObjectKind::ALL.map(ObjectKind::share);
        assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(shares.windows(2).all(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn class_indices_follow_the_order_of_all() {
        assert!(ObjectKind::ALL.iter().enumerate().all(|(index, kind)| kind.class_index() == index));
    }
}
