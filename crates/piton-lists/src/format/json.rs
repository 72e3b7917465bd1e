//! JSON values of limited size: what a line of a hostile list may cost (guarantee G8).

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value. Numbers other than whole numbers from 0 are kept only as "another number".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Text(String),
    Number(u64),
    Other,
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Why a line is not an object of limited size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonError {
    /// At this byte, counted from 1.
    Syntax(usize),
    NotAnObject,
    TooManyValues,
}

/// How many values an object may have below the requested keys.
pub(super) const MAX_VALUES: usize = 1024;

/// Reads an object. Keys that are not `wanted` come without their values.
pub(super) fn object(
    text: &str,
    wanted: fn(&str) -> bool,
) -> Result<Vec<(String, Option<Json>)>, JsonError> {
    let left = Cell::new(MAX_VALUES);
    let mut parser = serde_json::Deserializer::from_str(text);
    let read = Top { wanted, left: &left }.deserialize(&mut parser);
    read.and_then(|object| parser.end().map(|()| object)).map_err(|error| match error.classify() {
        serde_json::error::Category::Data if left.get() == 0 => JsonError::TooManyValues,
        serde_json::error::Category::Data => JsonError::NotAnObject,
        _ => JsonError::Syntax(error.column()),
    })
}

struct Top<'a> {
    wanted: fn(&str) -> bool,
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = Vec<(String, Option<Json>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = Vec<(String, Option<Json>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            take_one(self.left)?;
            let value = match (self.wanted)(&key) {
                true => Some(map.next_value_seed(Seed(self.left))?),
                false => map.next_value::<IgnoredAny>().map(|_| None)?,
            };
            object.push((key, value));
        }
        Ok(object)
    }
}

fn take_one<E: serde::de::Error>(left: &Cell<usize>) -> Result<(), E> {
    left.set(left.get().checked_sub(1).ok_or_else(|| E::custom("too many values"))?);
    Ok(())
}

struct Seed<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        take_one(self.0)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(Seed(self.0))? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(key) = map.next_key()? {
            object.push((key, map.next_value_seed(Seed(self.0))?));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Option<Json>)>, JsonError> {
        object(text, |key| key != "x")
    }

    #[test]
    fn values() {
        let text =
            r#" {"a": [null, "t\u00e9", 7, -1, 1.5, true], "x": [[{"q": 1}]], "b": {"c": []}} "#;
        let list = vec![
            Json::Null,
            Json::Text("té".to_owned()),
            Json::Number(7),
            Json::Other,
            Json::Other,
            Json::Other,
        ];
        let inner = Json::Object(vec![("c".to_owned(), Json::List(Vec::new()))]);
        let expected = vec![
            ("a".to_owned(), Some(Json::List(list))),
            ("x".to_owned(), None),
            ("b".to_owned(), Some(inner)),
        ];
        assert_eq!(read(text), Ok(expected));
    }

    #[test]
    fn limits() {
        assert_eq!(read("[1]"), Err(JsonError::NotAnObject));
        assert_eq!(read("{\"a\":1}}"), Err(JsonError::Syntax(8)));
        assert_eq!(read("{\"a\":1"), Err(JsonError::Syntax(6)));
        let many = format!("{{\"a\":[{}1]}}", "1,".repeat(2000));
        assert_eq!(read(&many), Err(JsonError::TooManyValues));
        assert!(read(&many.replace('a', "x")).is_ok());
        let keys = format!("{{{}\"x\":1}}", "\"x\":1,".repeat(2000));
        assert_eq!(read(&keys), Err(JsonError::TooManyValues));
        for key in ["a", "x"] {
            let deep = format!("{{\"{key}\":{}", "[".repeat(60_000));
            assert!(matches!(read(&deep), Err(JsonError::Syntax(_))));
        }
    }
}
