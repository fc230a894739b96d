//! Outlines of polygons, with holes: distance, extent and the extent of the part inside a picture.

use ghm_boxes::Bbox;

use super::texture::sin_cos;

/// A point `[x, y]`.
pub(super) type Point = [f32; 2];

/// A filled shape: closed polygons of which each inner one is a hole (even-odd rule). Curves are fine polygons.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    loops: Vec<Vec<Point>>,
}

impl Outline {
    /// A shape from its closed polygons, each of at least three points.
    pub(super) fn new(loops: Vec<Vec<Point>>) -> Self {
        Self { loops }
    }

    /// The shape turned by `turns`, scaled so that its extent's long side is `long_side`, with the extent's centre at
    /// `center`.
    pub(super) fn placed(mut self, turns: f32, long_side: f32, center: Point) -> Self {
        let (sine, cosine) = sin_cos(turns);
        self.map_points(|[x, y]| [x * cosine - y * sine, x * sine + y * cosine]);
        let extent = self.extent();
        let scale = long_side / extent.width().max(extent.height()).max(f32::MIN_POSITIVE);
        let (cx, cy) = extent.center();
        self.map_points(|[x, y]| [(x - cx) * scale + center[0], (y - cy) * scale + center[1]]);
        self
    }

    fn map_points(&mut self, change: impl Fn(Point) -> Point) {
        self.loops.iter_mut().flatten().for_each(|point| *point = change(*point));
    }

    fn edges(&self) -> impl Iterator<Item = (Point, Point)> + '_ {
        self.loops.iter().flat_map(|points| points.iter().copied().zip(points.iter().copied().cycle().skip(1)))
    }

    /// Signed distance in pixels from a point to the outline, negative inside.
    pub(super) fn distance(&self, x: f32, y: f32) -> f32 {
        let (mut nearest, mut inside) = (f32::MAX, false);
        for (a, b) in self.edges() {
            nearest = nearest.min(squared_distance_to_segment([x, y], a, b));
            inside ^= crosses_to_the_right([x, y], a, b);
        }
        if inside { -nearest.sqrt() } else { nearest.sqrt() }
    }

    /// Whether a point lies in the shape.
    pub(super) fn contains(&self, x: f32, y: f32) -> bool {
        self.edges().fold(false, |inside, (a, b)| inside ^ crosses_to_the_right([x, y], a, b))
    }

    /// The tight box around the whole shape.
    pub(super) fn extent(&self) -> Bbox {
        extent_of(self.loops.iter().flatten().copied())
    }

    /// The tight box around the part of the shape inside `[0, width] x [0, height]`; none when nothing lies inside.
    ///
    /// That part's extreme points are ends of edges cut off at the border, or corners of the picture the shape covers.
    pub(super) fn extent_within(&self, width: f32, height: f32) -> Option<Bbox> {
        let picture = Bbox::new(0.0, 0.0, width, height);
        let cut = self.edges().filter_map(|(a, b)| cut_segment(a, b, picture)).flatten();
        let corners = [[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]];
        let covered = corners.into_iter().filter(|corner| self.contains(corner[0], corner[1]));
        let extent = extent_of(cut.chain(covered));
        extent.is_proper().then_some(extent)
    }
}

/// The least box around the points; inverted when there are none.
pub(super) fn extent_of(points: impl Iterator<Item = Point>) -> Bbox {
    points.fold(Bbox::new(f32::MAX, f32::MAX, f32::MIN, f32::MIN), |extent, [x, y]| {
        Bbox::new(extent.x1.min(x), extent.y1.min(y), extent.x2.max(x), extent.y2.max(y))
    })
}

/// Square of the distance from `point` to the segment from `a` to `b`.
pub(super) fn squared_distance_to_segment([x, y]: Point, a: Point, b: Point) -> f32 {
    let (along_x, along_y) = (b[0] - a[0], b[1] - a[1]);
    let (from_x, from_y) = (x - a[0], y - a[1]);
    let length = (along_x * along_x + along_y * along_y).max(f32::MIN_POSITIVE);
    let part = ((from_x * along_x + from_y * along_y) / length).clamp(0.0, 1.0);
    let (dx, dy) = (from_x - part * along_x, from_y - part * along_y);
    dx * dx + dy * dy
}

/// Whether the ray from the point towards growing x meets the edge.
fn crosses_to_the_right([x, y]: Point, a: Point, b: Point) -> bool {
    (a[1] > y) != (b[1] > y) && x < a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
}

/// The part of a segment inside a box, by its ends (Liang and Barsky 1984).
fn cut_segment(a: Point, b: Point, picture: Bbox) -> Option<[Point; 2]> {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let (mut enter, mut leave) = (0.0f32, 1.0f32);
    let borders =
        [(-dx, a[0] - picture.x1), (dx, picture.x2 - a[0]), (-dy, a[1] - picture.y1), (dy, picture.y2 - a[1])];
    for (outward, room) in borders {
        if outward == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if outward < 0.0 {
            enter = enter.max(room / outward);
        } else {
            leave = leave.min(room / outward);
        }
    }
    let at = |t: f32| [a[0] + t * dx, a[1] + t * dy];
    (enter <= leave).then(|| [at(enter), at(leave)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x1: f32, y1: f32, x2: f32, y2: f32) -> Vec<Point> {
        vec![[x1, y1], [x2, y1], [x2, y2], [x1, y2]]
    }

    #[test]
    fn distance_is_negative_in_the_shape_and_positive_in_its_hole() {
        let frame = Outline::new(vec![square(0.0, 0.0, 10.0, 10.0), square(3.0, 3.0, 7.0, 7.0)]);
        assert_eq!(frame.distance(1.0, 5.0), -1.0);
        assert_eq!(frame.distance(5.0, 5.0), 2.0);
        assert_eq!(frame.distance(12.0, 5.0), 2.0);
        assert!(frame.contains(1.5, 1.5) && !frame.contains(5.0, 5.0));
    }

    #[test]
    fn a_placed_outline_has_the_asked_long_side_and_center() {
        let extent = Outline::new(vec![square(0.0, 0.0, 4.0, 1.0)]).placed(0.1, 40.0, [50.0, 60.0]).extent();
        assert!((extent.width().max(extent.height()) - 40.0).abs() < 1e-3);
        assert!((extent.center().0 - 50.0).abs() < 1e-3 && (extent.center().1 - 60.0).abs() < 1e-3);
    }

    #[test]
    fn a_diamond_cut_at_its_side_is_only_as_tall_as_the_part_that_shows() {
        let diamond = Outline::new(vec![vec![[-10.0, 10.0], [0.0, 0.0], [10.0, 10.0], [0.0, 20.0]]]);
        assert_eq!(diamond.extent_within(100.0, 100.0), Some(Bbox::new(0.0, 0.0, 10.0, 20.0)));
        let further = Outline::new(vec![vec![[-16.0, 10.0], [-6.0, 0.0], [4.0, 10.0], [-6.0, 20.0]]]);
        assert_eq!(further.extent_within(100.0, 100.0), Some(Bbox::new(0.0, 6.0, 4.0, 14.0)));
    }

    #[test]
    fn a_shape_around_the_picture_covers_it_and_one_outside_has_no_extent() {
        let around = Outline::new(vec![square(-5.0, -5.0, 50.0, 50.0)]);
        assert_eq!(around.extent_within(20.0, 10.0), Some(Bbox::new(0.0, 0.0, 20.0, 10.0)));
        let outside = Outline::new(vec![square(-5.0, -5.0, -1.0, -1.0)]);
        assert_eq!(outside.extent_within(20.0, 10.0), None);
    }
}
