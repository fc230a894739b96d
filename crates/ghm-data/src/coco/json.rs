//! Reading a COCO JSON record by record: what training does not use (polygons, captions) is never held in memory.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category as Cause;
use serde_json::{Map, Value};

use crate::error::DataError;

/// The keys of records that are read; all others are skipped.
const KEPT: [&str; 10] =
    ["id", "image_id", "category_id", "bbox", "area", "iscrowd", "file_name", "width", "height", "name"];

/// The lists of a COCO file, in the order in which their records are handed out when they stand so in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Images,
    Annotations,
    Categories,
}

impl List {
    pub const ALL: [Self; 3] = [Self::Images, Self::Annotations, Self::Categories];

    pub fn key(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Annotations => "annotations",
            Self::Categories => "categories",
        }
    }
}

/// Hands every record of the three lists to `take(list, index, record)`.
///
/// Python's `NaN` and `Infinity` arrive as strings for which [`is_not_finite`] holds.
///
/// # Errors
///
/// [`DataError::Malformed`] with line and column when the text is no JSON, is cut off, or lacks one of the lists.
pub(super) fn read_records(text: &str, path: &Path, take: &mut dyn FnMut(List, usize, Value)) -> Result<(), DataError> {
    let text = mark_not_finite(text);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let seen = deserializer
        .deserialize_map(Top { take })
        .and_then(|seen| deserializer.end().map(|()| seen))
        .map_err(|error| json_error(path, &error))?;
    match List::ALL.into_iter().find(|list| !seen.contains(list)) {
        None => Ok(()),
        Some(list) => Err(DataError::malformed(
            path,
            list.key(),
            "this key is missing",
            "give a COCO instances file: an object with images, annotations and categories",
        )),
    }
}

/// Whether the file looks like COCO by its top-level keys, reading no further than the first that tells.
///
/// # Errors
///
/// [`DataError::Io`] when the file cannot be read. A file that is no JSON counts as not COCO.
pub(super) fn looks_like_coco(path: &Path) -> Result<bool, DataError> {
    let file = std::fs::File::open(path).map_err(DataError::io(path, "read the file"))?;
    let mut found = false;
    let mut deserializer = serde_json::Deserializer::from_reader(std::io::BufReader::new(file));
    // The visitor ends the reading by an error as soon as it knows.
    let _ = deserializer.deserialize_map(Sniff { found: &mut found });
    Ok(found)
}

/// Whether a value stands for `NaN` or an infinity, which JSON cannot write.
pub(super) fn is_not_finite(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte == MARK))
}

/// The control character DEL, which no name or file name holds.
const MARK: u8 = 0x7f;

/// Replaces Python's `NaN`, `Infinity` and `-Infinity` by strings of the same length, so that columns stay true.
fn mark_not_finite(text: &str) -> Cow<'_, str> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return Cow::Borrowed(text);
    }
    let mut marked = String::with_capacity(text.len());
    let (mut rest, mut quoted) = (text, false);
    while let Some(first) = rest.chars().next() {
        let token = ["NaN", "-Infinity", "Infinity"].into_iter().find(|token| !quoted && rest.starts_with(token));
        let length = match (token, first) {
            (Some(token), _) => {
                marked.push('"');
                marked.extend(std::iter::repeat_n(char::from(MARK), token.len() - 2));
                marked.push('"');
                rest = rest.get(token.len()..).unwrap_or_default();
                continue;
            }
            (None, '\\') => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            (None, _) => first.len_utf8(),
        };
        quoted ^= first == '"';
        let (done, left) = rest.split_at(length);
        marked.push_str(done);
        rest = left;
    }
    Cow::Owned(marked)
}

fn json_error(path: &Path, error: &serde_json::Error) -> DataError {
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let reason = message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message);
    let remedy = match error.classify() {
        Cause::Eof => "the file is cut off: copy or download it again",
        Cause::Data => "give a COCO instances file: an object with images, annotations and categories",
        Cause::Syntax | Cause::Io => "it is not JSON: a JSON checker or the program that wrote it can mend it",
    };
    DataError::malformed(path, &format!("line {line} column {column}"), reason, remedy)
}

struct Top<'a> {
    take: &'a mut dyn FnMut(List, usize, Value),
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = Vec<List>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `images`, `annotations` and `categories`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<List>, A::Error> {
        let mut seen = Vec::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let Some(list) = List::ALL.into_iter().find(|list| list.key() == key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if seen.contains(&list) {
                return Err(A::Error::custom(format_args!("the key `{key}` occurs twice")));
            }
            map.next_value_seed(Records { list, take: &mut *self.take })?;
            seen.push(list);
        }
        Ok(seen)
    }
}

struct Records<'a> {
    list: List,
    take: &'a mut dyn FnMut(List, usize, Value),
}

impl<'de> DeserializeSeed<'de> for Records<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Records<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to be an array of records", self.list.key())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(record) = records.next_element_seed(Pruned)? {
            (self.take)(self.list, index, record);
            index += 1;
        }
        Ok(())
    }
}

/// A [`Value`] in which objects have lost the keys that are not [`KEPT`].
struct Pruned;

impl<'de> DeserializeSeed<'de> for Pruned {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pruned {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Pruned)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if KEPT.contains(&key.as_ref()) {
                object.insert(key.into_owned(), map.next_value_seed(Pruned)?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(object))
    }
}

struct Sniff<'a> {
    found: &'a mut bool,
}

impl<'de> Visitor<'de> for Sniff<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if List::ALL.iter().any(|list| list.key() == key) {
                *self.found = true;
                return Err(A::Error::custom("known"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_are_not_finite_are_marked_outside_of_strings_only() {
        let text = r#"{"a \" NaN": [NaN, -Infinity], "b": "Infinity"}"#;
        let marked = mark_not_finite(text);
        assert_eq!(marked.len(), text.len());
        let value: Value = serde_json::from_str(&marked).expect("json");
        assert!(value["a \" NaN"].as_array().expect("array").iter().all(is_not_finite));
        assert_eq!(value["b"], "Infinity");
    }
}
