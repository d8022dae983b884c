//! All that a token says.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A token's claims set (RFC 7519 section 4), as the text it was.
///
/// A gateway remembers many tokens and is seldom asked for a claim that [`Claims`](crate::Claims) does not name, so
/// the text is kept as it stood in the token, and read by whoever asks. Each question reads through the text, a
/// few hundred bytes: ask once for each call.
///
/// ```
/// use apim_core::key_manager::ClaimsSet;
///
/// let set = ClaimsSet::new(r#"{"sub": "ann", "groups": ["staff"]}"#);
/// assert_eq!(set.get("groups").unwrap()[0], "staff");
/// assert!(set.get("email").is_none());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimsSet(Box<str>);

impl ClaimsSet {
    /// Takes the text of a JSON object as it is. One that is none says nothing.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it says under a name.
    pub fn get(&self, name: &str) -> Option<Value> {
        let mut json = serde_json::Deserializer::from_str(&self.0);
        json.deserialize_map(Named(name)).ok()?
    }

    /// All of it, in the token's order.
    pub fn to_map(&self) -> Map<String, Value> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

impl Default for ClaimsSet {
    /// Of a token that says nothing more.
    fn default() -> Self {
        Self::new("{}")
    }
}

impl From<Map<String, Value>> for ClaimsSet {
    fn from(all: Map<String, Value>) -> Self {
        Self::new(Value::Object(all).to_string())
    }
}

impl fmt::Debug for ClaimsSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Looks for one member of an object; whoever made the text has seen to it that there is no second.
struct Named<'a>(&'a str);

impl<'de> Visitor<'de> for Named<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = access.next_key::<String>()? {
            if name == self.0 {
                found = Some(access.next_value()?);
            } else {
                access.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_found_by_its_name_however_that_is_written() {
        let set = ClaimsSet::new(r#"{"a": {"c": 1}, "\u0063": 2, "d": [3]}"#);
        assert_eq!(set.get("c"), Some(2.into()));
        assert_eq!(set.get("a").and_then(|a| a.get("c").cloned()), Some(1.into()));
        assert_eq!(set.get("b"), None);
        assert_eq!(set.to_map().keys().collect::<Vec<_>>(), ["a", "c", "d"]);
        assert_eq!(ClaimsSet::from(set.to_map()).get("d"), set.get("d"));
    }

    #[test]
    fn what_is_no_object_says_nothing() {
        for text in ["", "[1]", "{\"a\": 1", "null"] {
            let set = ClaimsSet::new(text);
            assert_eq!((set.get("a"), set.to_map().len()), (None, 0), "{text}");
        }
        assert!(ClaimsSet::default().to_map().is_empty());
    }
}
