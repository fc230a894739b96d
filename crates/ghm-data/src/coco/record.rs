//! From JSON values to typed COCO records, naming every value that is not what COCO says.

use serde_json::{Map, Value};

use super::json::{List, is_not_finite};
use crate::dataset::Category;
use crate::error::Problem;

/// One entry of `images`.
#[derive(Debug)]
pub(super) struct RawImage {
    pub id: u64,
    pub file_name: String,
    pub width: u32,
    pub height: u32,
}

/// One entry of `annotations`.
#[derive(Debug)]
pub(super) struct RawAnnotation {
    pub id: u64,
    pub image_id: u64,
    pub category_id: u64,
    /// `[x, y, width, height]`, as written.
    pub xywh: [f64; 4],
    pub area: Option<f64>,
    pub ignored: bool,
}

/// The records of a file and what was wrong with those that could not be taken.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub images: Vec<RawImage>,
    pub annotations: Vec<RawAnnotation>,
    pub categories: Vec<Category>,
    pub problems: Vec<Problem>,
}

impl Records {
    /// Adds the record at `index` of a list, or its problems.
    pub fn take(&mut self, list: List, index: usize, record: &Value) {
        let name = format!("{}[{index}]", list.key());
        let Value::Object(object) = record else {
            let reason = format!("expected an object, found {}", describe(Some(record)));
            self.problems.push(Problem { record: name, reason });
            return;
        };
        let mut fields = Fields { record: &name, object, problems: &mut self.problems };
        match list {
            List::Images => self.images.extend(fields.image()),
            List::Annotations => self.annotations.extend(fields.annotation()),
            List::Categories => self.categories.extend(fields.category()),
        }
    }
}

struct Fields<'a> {
    record: &'a str,
    object: &'a Map<String, Value>,
    problems: &'a mut Vec<Problem>,
}

impl Fields<'_> {
    // Every field is read before the first missing one ends the record, so that all problems are named at once.
    fn image(&mut self) -> Option<RawImage> {
        let (id, file_name) = (self.id("id"), self.text("file_name"));
        let (width, height) = (self.side("width"), self.side("height"));
        Some(RawImage { id: id?, file_name: file_name?, width: width?, height: height? })
    }

    fn annotation(&mut self) -> Option<RawAnnotation> {
        let (id, image_id, category_id) = (self.id("id"), self.id("image_id"), self.id("category_id"));
        let (xywh, area, ignored) = (self.xywh(), self.area(), self.crowd());
        Some(RawAnnotation {
            id: id?,
            image_id: image_id?,
            category_id: category_id?,
            xywh: xywh?,
            area: area?,
            ignored: ignored?,
        })
    }

    fn category(&mut self) -> Option<Category> {
        let (id, name) = (self.id("id"), self.text("name"));
        Some(Category { id: id?, name: name? })
    }

    fn id(&mut self, key: &str) -> Option<u64> {
        let id = self.object.get(key).and_then(whole_number);
        id.or_else(|| self.problem(key, "a whole number from 0"))
    }

    fn side(&mut self, key: &str) -> Option<u32> {
        let side = self.object.get(key).and_then(whole_number).and_then(|n| u32::try_from(n).ok()).filter(|&n| n > 0);
        side.or_else(|| self.problem(key, "a positive integer"))
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let text = self.object.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        text.map(str::to_owned).or_else(|| self.problem(key, "a non-empty string"))
    }

    fn xywh(&mut self) -> Option<[f64; 4]> {
        let expected = "an array of 4 numbers [x, y, width, height]";
        let items = self.object.get("bbox").and_then(Value::as_array).filter(|items| items.len() == 4);
        let Some(items) = items else { return self.problem("bbox", expected) };
        let mut xywh = [0.0; 4];
        for (index, (slot, item)) in xywh.iter_mut().zip(items).enumerate() {
            let Some(number) = real_number(item) else {
                let reason = format!("expected a number, found {}", describe(Some(item)));
                self.problems.push(Problem { record: format!("{}.bbox[{index}]", self.record), reason });
                return None;
            };
            *slot = number;
        }
        Some(xywh)
    }

    fn area(&mut self) -> Option<Option<f64>> {
        match self.object.get("area") {
            None | Some(Value::Null) => Some(None),
            Some(value) => real_number(value).map(Some).or_else(|| self.problem("area", "a number")),
        }
    }

    fn crowd(&mut self) -> Option<bool> {
        match self.object.get("iscrowd") {
            None | Some(Value::Null) => Some(false),
            Some(Value::Bool(crowd)) => Some(*crowd),
            Some(value) => match whole_number(value) {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => self.problem("iscrowd", "0 or 1"),
            },
        }
    }

    fn problem<T>(&mut self, key: &str, expected: &str) -> Option<T> {
        let reason = format!("expected {expected}, found {}", describe(self.object.get(key)));
        self.problems.push(Problem { record: format!("{}.{key}", self.record), reason });
        None
    }
}

/// Whole numbers up to 2^53 are also taken when written as 17.0, as table programs do.
fn whole_number(value: &Value) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let from_real = |n: f64| (n.fract() == 0.0 && (0.0..=EXACT).contains(&n)).then_some(n);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number in 0..=2^53")]
    value.as_u64().or_else(|| value.as_f64().and_then(from_real).map(|n| n as u64))
}

fn real_number(value: &Value) -> Option<f64> {
    if is_not_finite(value) { Some(f64::NAN) } else { value.as_f64() }
}

fn describe(value: Option<&Value>) -> String {
    match value {
        None => "nothing".into(),
        Some(value) if is_not_finite(value) => "NaN or Infinity".into(),
        Some(Value::Null) => "null".into(),
        Some(Value::Bool(value)) => format!("{value}"),
        Some(Value::Number(number)) => format!("{number}"),
        Some(Value::String(text)) if text.chars().count() > 40 => {
            format!("string \"{}...\"", text.chars().take(40).collect::<String>().escape_debug())
        }
        Some(Value::String(text)) => format!("string \"{}\"", text.escape_debug()),
        Some(Value::Array(items)) => format!("an array of {}", items.len()),
        Some(Value::Object(_)) => "an object".into(),
    }
}
