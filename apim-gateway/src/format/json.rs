//! JSON (RFC 8259).

use std::cell::Cell;
use std::fmt;

use apim_core::message::{ContentError, ContentHead, MessageBuilder, MessageFormatter, Payload};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderValue;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{COUNT, DEPTH, convert};

/// Reads and writes JSON.
///
/// An object that names a member twice is refused: whoever reads it next might believe the other one. So is
/// what nests deeper than [`DEPTH`] or holds more than [`COUNT`] values. Integers beyond 64 bits become
/// floating-point numbers, as in JavaScript, but only in a body that somebody changes.
#[derive(Debug, Clone)]
pub struct Json {
    media_type: HeaderValue,
}

impl Json {
    /// For a media type, which what it writes will have.
    pub fn new(media_type: &'static str) -> Self {
        Self { media_type: HeaderValue::from_static(media_type) }
    }
}

impl MessageBuilder for Json {
    fn build(&self, _: &ContentHead, body: Bytes) -> Result<Payload, ContentError> {
        // A body that is not there is no value, and not worth refusing: many clients send the media type alone.
        if body.trim_ascii().is_empty() {
            return Ok(Payload::Json(Value::Null));
        }
        parse(&body).map(Payload::Json)
    }
}

impl MessageFormatter for Json {
    fn format(&self, payload: &Payload, out: &mut BytesMut) -> Result<HeaderValue, ContentError> {
        let written = match payload {
            Payload::Json(value) => serde_json::to_writer(out.writer(), value),
            Payload::Xml(document) => serde_json::to_writer(out.writer(), &convert::xml_to_json(document)),
            Payload::Form(pairs) => serde_json::to_writer(out.writer(), &convert::form_to_json(pairs)),
            Payload::Text(text) => serde_json::to_writer(out.writer(), text),
            other => return Err(ContentError::Unsupported { payload: other.kind(), format: "JSON" }),
        };
        match written {
            Ok(()) => Ok(self.media_type.clone()),
            Err(_) => Err(ContentError::Unsupported { payload: payload.kind(), format: "JSON" }),
        }
    }
}

fn parse(body: &[u8]) -> Result<Value, ContentError> {
    let budget = Cell::new(COUNT);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = Bounded { budget: &budget, depth: DEPTH }.deserialize(&mut reader);
    value.and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        let rule = error.to_string();
        // serde_json says the place at the end of its text as well.
        let rule = rule.rsplit_once(" at line ").map_or(rule.as_str(), |(rule, _)| rule).to_owned();
        ContentError::Malformed { format: "JSON", place, rule }
    })
}

/// A value within what is left of count and depth.
#[derive(Clone, Copy)]
struct Bounded<'a> {
    budget: &'a Cell<usize>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Some(left) = self.budget.get().checked_sub(1) else {
            return Err(D::Error::custom(format_args!("more than {COUNT} values")));
        };
        self.budget.set(left);
        deserializer.deserialize_any(self)
    }
}

impl Bounded<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(E::custom(format_args!("nested deeper than {DEPTH}"))),
        }
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "the member `{}` stands here twice",
                    name.escape_debug()
                )));
            }
            members.insert(name, object.next_value_seed(inner)?);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> Result<Value, String> {
        parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_read_is_what_serde_json_reads() {
        let text = r#"{"b": [1, -2, 1.5, "x", true, null, {}], "a": 18446744073709551615}"#;
        assert_eq!(read(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        assert_eq!(read("{\n  \"a\": }").unwrap_err(), "malformed JSON at line 2 column 8: expected value");
        assert_eq!(
            read(r#"{"a": 1, "a": 2}"#).unwrap_err(),
            "malformed JSON at line 1 column 12: the member `a` stands here twice"
        );
        assert!(read("1 2").unwrap_err().contains("trailing characters"));
    }

    #[test]
    fn depth_and_count_are_bounded() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&deep(DEPTH)).is_ok());
        assert!(read(&deep(DEPTH + 1)).unwrap_err().contains("nested deeper than 100"));
        assert!(read(&deep(1_000_000)).is_err());
        let wide = |count: usize| format!("[{}0]", "0,".repeat(count - 2));
        assert!(read(&wide(COUNT)).is_ok());
        assert!(read(&wide(COUNT + 1)).unwrap_err().contains("more than 100000 values"));
    }
}
