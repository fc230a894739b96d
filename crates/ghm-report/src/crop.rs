//! A part of a picture with a label and what a network sees there.

use base64::prelude::{BASE64_STANDARD, Engine};
use ghm_boxes::Bbox;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{RgbImage, imageops};
use serde_json::{Value, json};

/// Longest side of a crop in the page, in pixels.
const SIDE: u32 = 224;

/// Room around the boxes, in their longer side; and least side of what is cut out, in pixels of the picture.
const ROOM: f32 = 0.4;
const LEAST: f32 = 48.0;

/// Quality of the crops, of 100.
const QUALITY: u8 = 80;

/// A part of a picture with its boxes.
#[derive(Clone, Debug)]
pub struct Crop {
    /// As a JPEG file.
    jpeg: Vec<u8>,
    /// Width and height in the page.
    size: (u32, u32),
    /// The label as it is, and what is suggested, in pixels of the page.
    now: Option<[f32; 4]>,
    suggested: Option<[f32; 4]>,
}

impl Crop {
    /// Cuts the boxes, which are in pixels of the picture, out of it with some room around them.
    ///
    /// `None` where there is no box within the picture.
    pub fn new(picture: &RgbImage, now: Option<Bbox>, suggested: Option<Bbox>) -> Option<Self> {
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let whole = [now, suggested].into_iter().flatten().reduce(union)?;
        let around = surrounding(whole).clip(width, height);
        let (left, top) = (around.x1.floor(), around.y1.floor());
        let (right, bottom) = (around.x2.ceil().min(width), around.y2.ceil().min(height));
        if right - left < 1.0 || bottom - top < 1.0 {
            return None;
        }
        let cut = imageops::crop_imm(picture, left as u32, top as u32, (right - left) as u32, (bottom - top) as u32);
        let scale = SIDE as f32 / (right - left).max(bottom - top);
        let size = [right - left, bottom - top].map(|side| ((side * scale).round() as u32).max(1));
        let scaled = imageops::resize(&cut.to_image(), size[0], size[1], FilterType::Triangle);
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&scaled).ok()?;
        let placed = |bbox: Bbox| bbox.shift(-left, -top).scale(scale, scale).corners();
        Some(Self { jpeg, size: (size[0], size[1]), now: now.map(placed), suggested: suggested.map(placed) })
    }

    /// As the script of the page of findings takes it.
    pub(crate) fn json(&self) -> Value {
        let uri = self.uri();
        json!({"uri": uri, "width": self.size.0, "height": self.size.1, "now": self.now, "suggested": self.suggested})
    }

    /// As an SVG element, the label red, what is seen or suggested green.
    pub(crate) fn svg(&self) -> String {
        let (width, height) = self.size;
        let rect = |class: &str, bbox: Option<[f32; 4]>| {
            bbox.map_or(String::new(), |[x1, y1, x2, y2]| {
                let (w, h) = (x2 - x1, y2 - y1);
                format!("<rect class=\"{class}\" x=\"{x1:.1}\" y=\"{y1:.1}\" width=\"{w:.1}\" height=\"{h:.1}\"/>")
            })
        };
        let (uri, now, suggested) = (self.uri(), rect("now", self.now), rect("seen", self.suggested));
        format!(
            "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\"><image href=\"{uri}\" width=\"{width}\" \
             height=\"{height}\"/>{now}{suggested}</svg>"
        )
    }

    fn uri(&self) -> String {
        format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(&self.jpeg))
    }
}

fn union(a: Bbox, b: Bbox) -> Bbox {
    Bbox::new(a.x1.min(b.x1), a.y1.min(b.y1), a.x2.max(b.x2), a.y2.max(b.y2))
}

fn surrounding(bbox: Bbox) -> Bbox {
    let room = ROOM * bbox.width().max(bbox.height());
    let (cx, cy) = bbox.center();
    let side = |side: f32| (side + 2.0 * room).max(LEAST);
    Bbox::from_center(cx, cy, side(bbox.width()), side(bbox.height()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// Red inside a box, grey elsewhere.
    fn picture(bbox: Bbox) -> RgbImage {
        let inside =
            |x: u32, y: u32| (bbox.x1..bbox.x2).contains(&(x as f32)) && (bbox.y1..bbox.y2).contains(&(y as f32));
        RgbImage::from_fn(400, 300, |x, y| if inside(x, y) { Rgb([250, 20, 20]) } else { Rgb([120; 3]) })
    }

    #[test]
    fn boxes_lie_on_their_pixels_in_the_crop() {
        let bbox = Bbox::new(300.0, 200.0, 380.0, 240.0);
        let crop = Crop::new(&picture(bbox), Some(bbox), None).unwrap();
        assert!(crop.size.0.max(crop.size.1) == SIDE, "{:?}", crop.size);
        let shown = image::load_from_memory(&crop.jpeg).unwrap().to_rgb8();
        assert_eq!(shown.dimensions(), crop.size);
        let [x1, y1, x2, y2] = crop.now.unwrap();
        let is_red = |x: f32, y: f32| {
            let [r, g, _] = shown.get_pixel(x as u32, y as u32).0;
            r > 180 && g < 90
        };
        for (x, y) in [(x1 + 3.0, y1 + 3.0), (x2 - 3.0, y2 - 3.0), ((x1 + x2) / 2.0, (y1 + y2) / 2.0)] {
            assert!(is_red(x, y), "{x} {y}");
        }
        for (x, y) in [(x1 - 4.0, y1 - 4.0), (x2 + 4.0, (y1 + y2) / 2.0), (x1, y2 + 4.0)] {
            assert!(!is_red(x, y), "{x} {y}");
        }
    }

    #[test]
    fn a_crop_shows_both_boxes_and_none_is_made_of_nothing() {
        let picture = picture(Bbox::new(0.0, 0.0, 1.0, 1.0));
        let crop =
            Crop::new(&picture, Some(Bbox::new(0.0, 0.0, 20.0, 20.0)), Some(Bbox::new(380.0, 280.0, 400.0, 300.0)));
        let crop = crop.unwrap();
        for [x1, y1, x2, y2] in [crop.now.unwrap(), crop.suggested.unwrap()] {
            assert!(x1 >= 0.0 && y1 >= 0.0 && x2 <= crop.size.0 as f32 + 0.5 && y2 <= crop.size.1 as f32 + 0.5);
        }
        assert!(Crop::new(&picture, None, None).is_none());
        assert!(Crop::new(&picture, Some(Bbox::new(900.0, 900.0, 910.0, 910.0)), None).is_none());
    }
}
