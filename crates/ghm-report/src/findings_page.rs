//! A page on which somebody goes through findings about labels: one file, no network, accept or reject by key.
//!
//! The findings lie in the page as JSON, pictures as data URIs; the page makes the elements of those that are near the visible part, so
//! that thousands of findings show at once. What was decided can be downloaded as JSON and is kept by the browser meanwhile.

use base64::prelude::{BASE64_STANDARD, Engine};
use ghm_boxes::Bbox;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{RgbImage, imageops};
use serde_json::{Value, json};

use crate::markup::escaped;

const PAGE: &str = include_str!("findings_page/page.html");
const STYLE: &str = include_str!("findings_page/page.css");
const SCRIPT: &str = include_str!("findings_page/page.js");

/// Longest side of a crop in the page, in pixels.
const SIDE: u32 = 224;

/// Room around the boxes, in their longer side; and least side of what is cut out, in pixels of the picture.
const ROOM: f32 = 0.4;
const LEAST: f32 = 48.0;

/// Quality of the crops, of 100.
const QUALITY: u8 = 80;

/// A finding as the page shows it.
#[derive(Clone, Debug)]
pub struct PageFinding {
    /// What is written to the decisions, and must be an object; the page adds `decision`. Its `kind` sorts findings, its `rank`
    /// and `suspicion` are shown.
    pub record: Value,
    /// What is wrong, in words.
    pub reason: String,
    /// The picture's name.
    pub picture: String,
    /// The part of the picture with the boxes; `None` where it could not be read.
    pub crop: Option<Crop>,
}

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

    fn json(&self) -> Value {
        let uri = format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(&self.jpeg));
        json!({"uri": uri, "width": self.size.0, "height": self.size.1, "now": self.now, "suggested": self.suggested})
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

/// The page. `document` is what the decisions are headed by, an object; `title` heads the page.
pub fn findings_page(title: &str, document: &Value, findings: &[PageFinding]) -> String {
    let finding = |finding: &PageFinding| {
        json!({
            "record": finding.record,
            "reason": finding.reason,
            "picture": finding.picture,
            "crop": finding.crop.as_ref().map(Crop::json),
        })
    };
    let findings: Vec<Value> = findings.iter().map(finding).collect();
    PAGE.replace("{{title}}", &escaped(title))
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
        .replace("{{document}}", &script_safe(document))
        .replace("{{findings}}", &script_safe(&Value::Array(findings)))
}

/// JSON that no `</script>` in a name can end.
fn script_safe(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
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

    #[test]
    fn no_name_gets_out_of_its_place_in_the_page() {
        let finding = PageFinding {
            record: json!({"rank": 1, "kind": "spurious-box", "suspicion": 0.5, "class": "</script><b>"}),
            reason: "a < b".to_owned(),
            picture: "<img>.jpg".to_owned(),
            crop: None,
        };
        let page = findings_page("<title> & co", &json!({"data": "</script>"}), &[finding]);
        assert!(page.contains("<h1>&lt;title&gt; &amp; co</h1>"));
        assert_eq!(page.matches("</script>").count(), 3);
        assert!(!page.contains("<img>") && !page.contains("{{"));
        assert!(
            !page.contains("http://")
                || page.matches("http").count() == page.matches("http://www.w3.org/2000/svg").count()
        );
        let from = page.find("id=\"findings\">").unwrap() + "id=\"findings\">".len();
        let data: Value = serde_json::from_str(&page[from..from + page[from..].find("</script>").unwrap()]).unwrap();
        assert_eq!(data[0]["record"]["class"], "</script><b>");
    }
}
