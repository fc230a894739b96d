//! Reading records that may be of the wrong JSON type without losing their place.
//!
//! A strict derive stops at the first record that does not fit. [`Loose`] keeps it as what it is and reads on, so all
//! defects come out at once; keys nobody asks for (polygons!) are skipped without being built.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value of the JSON shape `T` takes, or the name of the shape found in its place.
#[derive(Debug, Clone)]
pub(crate) enum Loose<T> {
    /// The shape was right.
    Read(T),
    /// Another shape, in words ("an array").
    Other(&'static str),
}

/// The JSON shape a type is read from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    /// `{...}`
    Object,
    /// `[...]`
    Array,
}

/// A type read from an object or an array.
pub(crate) trait Shape {
    /// Which of the two.
    const CONTAINER: Container;
}

impl<T> Shape for Vec<T> {
    const CONTAINER: Container = Container::Array;
}

impl<'de, T: Shape + Deserialize<'de>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor(PhantomData))
    }
}

struct LooseVisitor<T>(PhantomData<T>);

impl<'de, T: Shape + Deserialize<'de>> Visitor<'de> for LooseVisitor<T> {
    type Value = Loose<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        if T::CONTAINER == Container::Object {
            return T::deserialize(MapAccessDeserializer::new(map)).map(Loose::Read);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Other("an object"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        if T::CONTAINER == Container::Array {
            return T::deserialize(SeqAccessDeserializer::new(seq)).map(Loose::Read);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Other("an array"))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Loose::Other("null"))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Loose::Other("a boolean"))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Loose::Other("a number"))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Loose::Other("a number"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Loose::Other("a number"))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Loose::Other("a string"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Deserialize)]
    struct Point {
        x: f64,
    }

    impl Shape for Point {
        const CONTAINER: Container = Container::Object;
    }

    #[test]
    fn records_of_every_other_shape_keep_their_place() {
        let text = r#"[{"x": 1, "polygon": [[1, 2]]}, [1], "p", 2, -2, 2.5, true, null]"#;
        let Loose::Read(list): Loose<Vec<Loose<Point>>> = serde_json::from_str(text).unwrap() else {
            panic!("an array was expected")
        };
        let shapes: Vec<String> = list
            .iter()
            .map(|entry| match entry {
                Loose::Read(point) => format!("x {}", point.x),
                Loose::Other(shape) => (*shape).to_owned(),
            })
            .collect();
        let expected = ["x 1", "an array", "a string", "a number", "a number", "a number", "a boolean", "null"];
        assert_eq!(shapes, expected);
    }
}
