//! From one JSON value to one typed field, or the reason why not.

use serde_json::Value;

use crate::finding::Problem;

/// Paths of a box's four numbers.
pub(crate) const BBOX_FIELDS: [&str; 4] = ["bbox[0]", "bbox[1]", "bbox[2]", "bbox[3]"];

/// An id: a whole number from 0. `42.0`, as written through pandas, is the id 42.
pub(crate) fn id(value: &Value) -> Result<u64, Problem> {
    match value {
        Value::Null => Err(Problem::Missing),
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().and_then(hotcoco::types::id_from_f64))
            .ok_or_else(|| wrong_type("a whole number from 0", value)),
        _ => Err(wrong_type("a whole number from 0", value)),
    }
}

/// A finite number.
pub(crate) fn number(value: &Value) -> Result<f64, Problem> {
    match value {
        Value::Null => Err(Problem::Missing),
        Value::Number(number) => number.as_f64().ok_or_else(|| wrong_type("a number", value)),
        // What `json_text` puts in the place of Python's bare NaN and Infinity.
        Value::String(text) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => {
            Err(Problem::NotFinite { value: text.clone() })
        }
        _ => Err(wrong_type("a number", value)),
    }
}

/// The width or height of a picture in pixels; 0 stands for unknown.
pub(crate) fn size(value: &Value) -> Result<f64, Problem> {
    let size = number(value)?;
    if size < 0.0 { Err(wrong_type("a number of pixels", value)) } else { Ok(size) }
}

/// The area of an object in square pixels.
pub(crate) fn area(value: &Value) -> Result<f64, Problem> {
    let area = number(value)?;
    if area < 0.0 { Err(Problem::NegativeArea { area }) } else { Ok(area) }
}

/// `[x, y, width, height]`, finite; every number that is wrong is reported under its own path.
pub(crate) fn bbox(value: &Value) -> Result<[f64; 4], Vec<(&'static str, Problem)>> {
    let whole = |problem| Err(vec![("bbox", problem)]);
    let numbers = match value {
        Value::Null => return whole(Problem::Missing),
        Value::Array(numbers) => numbers,
        _ => return whole(wrong_type("an array [x, y, width, height]", value)),
    };
    let [x, y, width, height] = numbers.as_slice() else {
        return whole(Problem::WrongLength { found: numbers.len() });
    };
    let mut bbox = [0.0; 4];
    let mut problems = Vec::new();
    for (i, entry) in [x, y, width, height].into_iter().enumerate() {
        match number(entry) {
            Ok(coordinate) => bbox[i] = coordinate,
            Err(problem) => problems.push((BBOX_FIELDS[i], problem)),
        }
    }
    if problems.is_empty() { Ok(bbox) } else { Err(problems) }
}

/// `iscrowd`: 0, 1, true or false; absent is 0.
pub(crate) fn flag(value: &Value) -> Result<bool, Problem> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        _ => match value.as_f64() {
            Some(0.0) => Ok(false),
            Some(1.0) => Ok(true),
            _ => Err(wrong_type("0 or 1", value)),
        },
    }
}

/// A string that is not empty.
pub(crate) fn text(value: &Value) -> Result<String, Problem> {
    match value {
        Value::Null => Err(Problem::Missing),
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        _ => Err(wrong_type("a string of at least one character", value)),
    }
}

/// A field that may be absent or null.
pub(crate) fn optional<T>(value: &Value, read: fn(&Value) -> Result<T, Problem>) -> Result<Option<T>, Problem> {
    if value.is_null() { Ok(None) } else { read(value).map(Some) }
}

fn wrong_type(expected: &'static str, value: &Value) -> Problem {
    const SHOWN: usize = 40;
    let found = match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.chars().count() > SHOWN => {
            format!("the string \"{}...\"", text.chars().take(SHOWN).collect::<String>())
        }
        Value::String(text) => format!("the string \"{text}\""),
        other => other.to_string(),
    };
    Problem::WrongType { expected, found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_whole_numbers_from_zero() {
        assert_eq!(id(&json!(42)), Ok(42));
        assert_eq!(id(&json!(42.0)), Ok(42));
        for bad in [json!(-1), json!(1.5), json!("42"), json!(true), json!([1]), json!(1e30)] {
            assert!(matches!(id(&bad), Err(Problem::WrongType { .. })), "{bad}");
        }
        assert_eq!(id(&Value::Null), Err(Problem::Missing));
    }

    #[test]
    fn every_wrong_number_of_a_box_is_named() {
        let problems = bbox(&json!([1, "NaN", 3, "4"])).unwrap_err();
        let fields: Vec<&str> = problems.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, ["bbox[1]", "bbox[3]"]);
    }

    #[test]
    fn crowd_flags_are_zero_one_or_boolean() {
        assert_eq!(flag(&json!(1)), Ok(true));
        assert_eq!(flag(&json!(false)), Ok(false));
        assert_eq!(flag(&Value::Null), Ok(false));
        assert!(flag(&json!(2)).is_err());
        assert!(flag(&json!("1")).is_err());
    }
}
