//! The lines of a YOLO label file.

use crate::finding::{Defect, FindingKind};

/// One line: a class, and a box in shares of the picture's width and height.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RawLabel {
    pub class: i64,
    /// `[x1, y1, x2, y2]`, 0 to 1 when inside the picture.
    pub corners: [f64; 4],
    /// The line's box for messages.
    pub written: String,
}

/// Lines by their number from 1, the ones that cannot be read as their defects.
pub(super) type Lines = Vec<(usize, Result<RawLabel, Defect>)>;

/// The lines that are not blank.
pub(super) fn parse(content: &str) -> Lines {
    (1..)
        .zip(content.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(n, line)| (n, parse_line(line)))
        .collect()
}

fn parse_line(line: &str) -> Result<RawLabel, Defect> {
    let mut numbers = Vec::new();
    for word in line.split_whitespace() {
        let number: f64 = word.parse().map_err(|_| malformed(format!("`{}` is not a number", shorten(word))))?;
        numbers.push(number);
    }
    let (class, corners, written) = match numbers.as_slice() {
        [class, cx, cy, width, height] => {
            let (half_width, half_height) = (0.5 * width, 0.5 * height);
            let corners = [cx - half_width, cy - half_height, cx + half_width, cy + half_height];
            (*class, corners, format!("{:?} (centre x, centre y, width, height)", [cx, cy, width, height]))
        }
        [class, points @ ..] if points.len() >= 6 && points.len().is_multiple_of(2) => {
            let corners = bounds(points);
            (*class, corners, format!("{corners:?} (bounds of a polygon of {} points)", points.len() / 2))
        }
        _ => {
            let reason =
                format!("{} numbers, expected 5 of a box or, of a polygon, an odd number from 7", numbers.len());
            return Err(malformed(reason));
        }
    };
    if class.fract() != 0.0 || class.abs() > 1e9 {
        return Err(malformed(format!("the class `{class}` is not a whole number")));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 1e9")]
    Ok(RawLabel { class: class as i64, corners, written })
}

/// The bounding box of `x y x y ...`; not finite when any of them is not.
fn bounds(points: &[f64]) -> [f64; 4] {
    if !points.iter().all(|v| v.is_finite()) {
        return [f64::NAN; 4];
    }
    points.chunks_exact(2).fold([f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY], |b, point| {
        let (x, y) = (point[0], point[1]);
        [b[0].min(x), b[1].min(y), b[2].max(x), b[3].max(y)]
    })
}

fn malformed(reason: String) -> Defect {
    Defect::new(FindingKind::Malformed, reason, "left out; a line is: class centre-x centre-y width height")
}

fn shorten(word: &str) -> String {
    word.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn only(line: &str) -> Result<RawLabel, Defect> {
        parse_line(line)
    }

    #[test]
    fn a_polygon_becomes_its_bounding_box() {
        let label = only("3 0.5 0.1 0.9 0.5 0.2 0.4").expect("polygon");
        assert_eq!((label.class, label.corners), (3, [0.2, 0.1, 0.9, 0.5]));
    }

    #[test]
    fn blank_lines_are_skipped_and_still_counted() {
        let numbers: Vec<usize> = parse("\n0 .5 .5 .1 .1\r\n\n1 .5 .5 .1 .1").iter().map(|(line, _)| *line).collect();
        assert_eq!(numbers, [2, 4]);
    }

    #[test]
    fn lines_that_are_no_labels_are_malformed() {
        for line in ["0", "0 .5 .5 .1", "0 .5 .5 .1 .1 .9", "cat .5 .5 .1 .1", "0.5 .5 .5 .1 .1", "nan .5 .5 .1 .1"] {
            assert_eq!(only(line).expect_err(line).kind, FindingKind::Malformed, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[-0-9a-z. \n]{0,80}") {
            parse(&text);
        }
    }
}
