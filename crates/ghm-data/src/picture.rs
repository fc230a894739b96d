//! A decoded picture: upright, 8-bit RGB.

/// A decoded picture, upright (EXIF orientation applied), 8 bits a channel, RGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `[H, W, 3]`, row by row, red first.
    pub pixels: Vec<u8>,
}

/// How a stored picture must be turned to stand upright: the eight values of the EXIF tag `Orientation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orientation {
    /// 1: as stored.
    Upright,
    /// 2: mirrored left to right.
    MirroredX,
    /// 3: turned by 180 degrees.
    HalfTurn,
    /// 4: mirrored top to bottom.
    MirroredY,
    /// 5: rows and columns swapped.
    Transposed,
    /// 6: to be turned by 90 degrees clockwise.
    QuarterRight,
    /// 7: rows and columns swapped about the other diagonal.
    AntiTransposed,
    /// 8: to be turned by 90 degrees counter-clockwise.
    QuarterLeft,
}

impl Orientation {
    /// From the tag's number; anything but 2 to 8 is upright, as every viewer takes it.
    pub(crate) fn from_tag(tag: u32) -> Self {
        match tag {
            2 => Self::MirroredX,
            3 => Self::HalfTurn,
            4 => Self::MirroredY,
            5 => Self::Transposed,
            6 => Self::QuarterRight,
            7 => Self::AntiTransposed,
            8 => Self::QuarterLeft,
            _ => Self::Upright,
        }
    }

    /// Where the upright pixel `(0, 0)` lies in the stored picture, and the stored steps of one pixel to the right
    /// and of one row down, in pixels of a stored picture `width` by `height`.
    fn walk(self, width: usize, height: usize) -> (isize, isize, isize) {
        let (w, h) = (width as isize, height as isize);
        let (right, last_row) = (w - 1, (h - 1) * w);
        match self {
            Self::Upright => (0, 1, w),
            Self::MirroredX => (right, -1, w),
            Self::HalfTurn => (last_row + right, -1, -w),
            Self::MirroredY => (last_row, 1, -w),
            Self::Transposed => (0, w, 1),
            Self::QuarterRight => (last_row, -w, 1),
            Self::AntiTransposed => (last_row + right, -w, -1),
            Self::QuarterLeft => (right, w, -1),
        }
    }

    /// Whether rows become columns.
    pub(crate) fn swaps_sides(self) -> bool {
        matches!(self, Self::Transposed | Self::QuarterRight | Self::AntiTransposed | Self::QuarterLeft)
    }
}

impl Picture {
    /// The picture turned upright.
    pub(crate) fn upright(self, orientation: Orientation) -> Self {
        if orientation == Orientation::Upright || self.pixels.is_empty() {
            return self;
        }
        let (width, height) =
            if orientation.swaps_sides() { (self.height, self.width) } else { (self.width, self.height) };
        let (start, step_right, step_down) = orientation.walk(self.width, self.height);
        let mut pixels = Vec::with_capacity(self.pixels.len());
        for y in 0..height as isize {
            for x in 0..width as isize {
                let from = 3 * (start + x * step_right + y * step_down) as usize;
                pixels.extend_from_slice(&self.pixels[from..from + 3]);
            }
        }
        Self { width, height, pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The letter F, 2 wide and 3 high, as numbers: rows `1 2`, `3 4`, `5 6`.
    fn letter() -> Picture {
        Picture { width: 2, height: 3, pixels: (1..=6).flat_map(|v| [v, v, v]).collect() }
    }

    fn rows(picture: &Picture) -> Vec<Vec<u8>> {
        picture.pixels.chunks(3 * picture.width).map(|row| row.iter().step_by(3).copied().collect()).collect()
    }

    #[test]
    fn each_of_the_eight_orientations_turns_the_picture_as_the_exif_standard_says() {
        let expected: [&[&[u8]]; 8] = [
            &[&[1, 2], &[3, 4], &[5, 6]],
            &[&[2, 1], &[4, 3], &[6, 5]],
            &[&[6, 5], &[4, 3], &[2, 1]],
            &[&[5, 6], &[3, 4], &[1, 2]],
            &[&[1, 3, 5], &[2, 4, 6]],
            &[&[5, 3, 1], &[6, 4, 2]],
            &[&[6, 4, 2], &[5, 3, 1]],
            &[&[2, 4, 6], &[1, 3, 5]],
        ];
        for (tag, expected) in (1..).zip(expected) {
            assert_eq!(rows(&letter().upright(Orientation::from_tag(tag))), expected, "orientation {tag}");
        }
    }

    #[test]
    fn unknown_orientations_leave_the_picture_as_stored() {
        assert_eq!(letter().upright(Orientation::from_tag(0)), letter());
        assert_eq!(letter().upright(Orientation::from_tag(9)), letter());
    }
}
