//! Where lines and labels go: whole pixels, inside the picture, and off the object wherever there is room.

use ghm_boxes::Bbox;

use crate::text::CELL;

/// A rectangle of whole pixels, never empty: `left <= x < right`, `top <= y < bottom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PixelRect {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) right: u32,
    pub(crate) bottom: u32,
}

impl PixelRect {
    pub(crate) fn width(self) -> u32 {
        self.right - self.left
    }

    pub(crate) fn height(self) -> u32 {
        self.bottom - self.top
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// The pixels of a box inside a picture, at least one by one; none for a box with NaN, inverted, or outside.
    pub(crate) fn of_box(bbox: Bbox, (width, height): (u32, u32)) -> Option<Self> {
        let (left, right) = pixels_between(bbox.x1, bbox.x2, width)?;
        let (top, bottom) = pixels_between(bbox.y1, bbox.y2, height)?;
        Some(Self { left, top, right, bottom })
    }
}

/// The whole pixels between two edges, within `0..length`.
fn pixels_between(low: f32, high: f32, length: u32) -> Option<(u32, u32)> {
    // A comparison with NaN is false.
    let meets_picture = low <= high && high >= 0.0 && low <= length as f32;
    if length == 0 || !meets_picture {
        return None;
    }
    // Casts saturate: infinite edges end at the picture's.
    let start = (low.round() as u32).min(length - 1);
    let end = (high.round() as u32).clamp(start + 1, length);
    Some((start, end))
}

/// Widths that suit a picture of a given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Thickness of a box's lines in pixels.
    pub(crate) line: u32,
    /// Side of a dot of the font in pixels.
    pub(crate) text: u32,
}

impl Scale {
    /// One pixel a line for every 240 of the short side, and one a dot for every 300.
    pub(crate) fn for_picture((width, height): (u32, u32)) -> Self {
        let short = width.min(height);
        let share = |unit: u32| (short.saturating_add(unit / 2) / unit).clamp(1, 12);
        Self { line: share(240), text: share(300) }
    }
}

/// A label's plate, and as much of its text as it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plate {
    pub(crate) rect: PixelRect,
    pub(crate) text: String,
    pub(crate) text_scale: u32,
}

/// Where the label of a box goes: above it, else below, else inside along its upper edge; of these, the first that
/// hides no label placed before. None for an empty text, or where the picture holds no character.
pub(crate) fn place_label(
    around: PixelRect,
    label: &str,
    text_scale: u32,
    picture: (u32, u32),
    taken: &[PixelRect],
) -> Option<Plate> {
    let characters = u32::try_from(label.chars().count()).unwrap_or(u32::MAX);
    // A label that is too wide is first made smaller, then cut.
    let fits = |scale: u32| characters.saturating_mul(CELL * scale).saturating_add(2 * scale) <= picture.0;
    let text_scale = if fits(text_scale) { text_scale } else { (1..text_scale).rev().find(|&s| fits(s)).unwrap_or(1) };
    let shown = characters.min(picture.0.saturating_sub(2 * text_scale) / (CELL * text_scale));
    let (width, height) = (shown * CELL * text_scale + 2 * text_scale, CELL * text_scale + 2 * text_scale);
    if shown == 0 || height > picture.1 {
        return None;
    }
    let places = candidate_places(around, (width, height), picture);
    let free = places.iter().find(|place| !taken.iter().any(|other| other.overlaps(**place)));
    let rect = *free.or(places.first())?;
    Some(Plate { rect, text: label.chars().take(shown as usize).collect(), text_scale })
}

/// The places of a plate within the picture, the best first. The inside of the box is one only without room outside.
fn candidate_places(around: PixelRect, (width, height): (u32, u32), picture: (u32, u32)) -> Vec<PixelRect> {
    let at = |left: u32, top: u32| {
        let (left, top) = (left.min(picture.0 - width), top.min(picture.1 - height));
        PixelRect { left, top, right: left + width, bottom: top + height }
    };
    let sides = [around.left, around.right.saturating_sub(width)];
    let mut places = Vec::with_capacity(4);
    if let Some(above) = around.top.checked_sub(height) {
        places.extend(sides.map(|left| at(left, above)));
    }
    if around.bottom.saturating_add(height) <= picture.1 {
        places.extend(sides.map(|left| at(left, around.bottom)));
    }
    if places.is_empty() {
        places.extend(sides.map(|left| at(left, around.top)));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: (u32, u32) = (200, 100);

    fn rect(left: u32, top: u32, right: u32, bottom: u32) -> PixelRect {
        PixelRect { left, top, right, bottom }
    }

    #[test]
    fn boxes_outside_the_picture_or_with_nan_have_no_pixels() {
        for bbox in [
            Bbox::new(f32::NAN, 0.0, 10.0, 10.0),
            Bbox::new(0.0, 0.0, 10.0, f32::NAN),
            Bbox::new(-20.0, 0.0, -10.0, 10.0),
            Bbox::new(0.0, 300.0, 10.0, 310.0),
            Bbox::new(10.0, 0.0, 5.0, 10.0),
            Bbox::new(f32::INFINITY, 0.0, f32::INFINITY, 10.0),
        ] {
            assert_eq!(PixelRect::of_box(bbox, PICTURE), None, "{bbox:?}");
        }
    }

    #[test]
    fn boxes_are_clipped_and_never_empty() {
        let everywhere = Bbox::new(f32::NEG_INFINITY, -1e30, f32::INFINITY, 1e30);
        assert_eq!(PixelRect::of_box(everywhere, PICTURE), Some(rect(0, 0, 200, 100)));
        let line = Bbox::new(10.0, 10.0, 10.0, 20.0);
        assert_eq!(PixelRect::of_box(line, PICTURE), Some(rect(10, 10, 11, 20)));
        let corner = Bbox::new(200.0, 100.0, 300.0, 300.0);
        assert_eq!(PixelRect::of_box(corner, PICTURE), Some(rect(199, 99, 200, 100)));
    }

    #[test]
    fn a_label_stands_above_its_box_when_there_is_room() {
        let plate = place_label(rect(50, 10, 90, 40), "disc", 1, PICTURE, &[]).unwrap();
        assert_eq!(plate.rect, rect(50, 0, 84, 10));
    }

    #[test]
    fn a_label_goes_below_and_only_then_inside() {
        let below = place_label(rect(50, 9, 90, 40), "disc", 1, PICTURE, &[]).unwrap();
        assert_eq!(below.rect, rect(50, 40, 84, 50));
        let inside = place_label(rect(50, 2, 90, 98), "disc", 1, PICTURE, &[]).unwrap();
        assert_eq!(inside.rect, rect(50, 2, 84, 12));
    }

    #[test]
    fn a_label_at_the_right_border_is_moved_inwards() {
        let plate = place_label(rect(190, 50, 200, 60), "disc", 1, PICTURE, &[]).unwrap();
        assert_eq!(plate.rect, rect(166, 40, 200, 50));
    }

    #[test]
    fn a_second_label_makes_way_for_the_first() {
        let around = rect(50, 20, 120, 40);
        let first = place_label(around, "disc", 1, PICTURE, &[]).unwrap();
        let second = place_label(around, "ring", 1, PICTURE, &[first.rect]).unwrap();
        assert!(!second.rect.overlaps(first.rect) && !second.rect.overlaps(around));
    }

    #[test]
    fn a_label_wider_than_the_picture_shrinks_and_is_then_cut() {
        let shrunk = place_label(rect(0, 50, 10, 60), "a label of 20 letter", 3, PICTURE, &[]).unwrap();
        assert_eq!((shrunk.text_scale, shrunk.text.len()), (1, 20));
        let cut = place_label(rect(0, 50, 10, 60), &"x".repeat(1000), 3, PICTURE, &[]).unwrap();
        assert_eq!((cut.text_scale, cut.text.len()), (1, 24));
        assert!(cut.rect.right <= 200);
    }

    #[test]
    fn widths_grow_with_the_picture() {
        assert_eq!(Scale::for_picture((192, 160)), Scale { line: 1, text: 1 });
        assert_eq!(Scale::for_picture((640, 480)), Scale { line: 2, text: 2 });
        assert_eq!(Scale::for_picture((1333, 800)), Scale { line: 3, text: 3 });
        assert_eq!(Scale::for_picture((u32::MAX, u32::MAX)), Scale { line: 12, text: 12 });
    }
}
