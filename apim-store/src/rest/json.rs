//! JSON in requests.

use serde_json::Value;

use crate::error::Finding;
use crate::strict::{self, Bounds, Walk};

/// Nothing in the contracts is nested deeper; the length of a body bounds the number of its values.
const BOUNDS: Bounds = Bounds { depth: 100, nodes: usize::MAX };

/// Reads a document.
pub(crate) fn parse(text: &[u8]) -> Result<Value, Finding> {
    let text = std::str::from_utf8(text).map_err(|_| Finding::new("", "not UTF-8"))?;
    let mut walk = Walk::new(BOUNDS);
    strict::json(text, &mut walk).map_err(|error| walk.finding(error.to_string()))
}

/// A document as a schema should see it: members that are `null` are absent, as clients mean them to be.
pub(crate) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let present = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(present.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth() {
        let error = parse(br#"{"a": [{"name": 1, "name": 2}]}"#).unwrap_err().to_string();
        assert_eq!(error, "/a/0/name: this key stands here twice");
    }

    #[test]
    fn the_null_character_is_refused_in_texts_and_keys() {
        for text in [br#"{"a": ["x\u0000y"]}"#.as_slice(), br#"{"a\u0000": 1}"#] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("U+0000"), "{error}");
        }
    }

    #[test]
    fn anything_else_is_read_as_it_is() {
        let text = br#"{"b": [1, -2, 1.5, null, true, "x"], "a": {}}"#;
        assert_eq!(parse(text).unwrap(), json!({"b": [1, -2, 1.5, null, true, "x"], "a": {}}));
        assert!(parse(b"{} {}").is_err());
        assert!(parse(&[b'['; 4000]).is_err());
    }
}
