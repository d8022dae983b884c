//! Documents from strangers, built strictly as they are read: JSON, and whatever else `serde` reads.
//!
//! `serde_json::Value` reads itself, but lets a repeated key win silently over its first mention, which is
//! how a document can mean one thing to a validator and another to a gateway. So the tree is built here,
//! under bounds, and without what a database could not keep.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::definition::step;
use crate::error::Finding;

/// How much is read before a document is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Nesting of lists and objects.
    pub(crate) depth: usize,
    /// Values.
    pub(crate) nodes: usize,
}

/// Reads one JSON document. What went wrong is [`Walk::finding`]'s to say.
pub(crate) fn json(text: &str, walk: &mut Walk) -> serde_json::Result<Value> {
    let mut source = serde_json::Deserializer::from_str(text);
    let value = Node(walk).deserialize(&mut source)?;
    source.end()?;
    Ok(value)
}

/// Where the reading is, and what it has cost so far.
pub(crate) struct Walk {
    bounds: Bounds,
    nodes: usize,
    path: Vec<String>,
    refusal: Option<String>,
}

impl Walk {
    /// Has read nothing yet.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, nodes: 0, path: Vec::new(), refusal: None }
    }

    fn refuse<E: Error>(&mut self, message: String) -> E {
        let error = E::custom(&message);
        self.refusal = Some(message);
        error
    }

    fn text<E: Error>(&mut self, text: String) -> Result<String, E> {
        // PostgreSQL cannot keep one; and what ends a text for one reader does not for the next.
        match text.contains('\0') {
            true => Err(self.refuse("holds the character U+0000".to_owned())),
            false => Ok(text),
        }
    }

    fn count<E: Error>(&mut self) -> Result<(), E> {
        self.nodes += 1;
        if self.nodes > self.bounds.nodes {
            return Err(self.refuse(format!("more than {} values", self.bounds.nodes)));
        }
        Ok(())
    }

    fn enter<E: Error>(&mut self, key: String) -> Result<(), E> {
        if self.path.len() >= self.bounds.depth {
            return Err(self.refuse(format!("nested deeper than {} levels", self.bounds.depth)));
        }
        self.path.push(key);
        Ok(())
    }

    /// The path still stands where the reading stopped, since nothing is popped on the way out of an error.
    pub(crate) fn finding(self, message: String) -> Finding {
        let path = self.path.iter().fold(String::new(), |path, key| step(&path, key));
        Finding::new(path, self.refusal.unwrap_or(message))
    }
}

/// The next value.
pub(crate) struct Node<'w>(pub(crate) &'w mut Walk);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        self.0.count()?;
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(self.0.refuse("not a number that JSON has".to_owned())),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(self.0.text(value)?))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            self.0.enter(list.len().to_string())?;
            let item = source.next_element_seed(Node(self.0))?;
            self.0.path.pop();
            match item {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = source.next_key_seed(Key)? {
            let key = self.0.text(key)?;
            self.0.enter(key.clone())?;
            if map.contains_key(&key) {
                return Err(self.0.refuse("this key stands here twice".to_owned()));
            }
            let value = source.next_value_seed(Node(self.0))?;
            self.0.path.pop();
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// A key. YAML's `200:` is read as the text it is written with, not as a number.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<String, D::Error> {
        source.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is text")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<String, E> {
        Ok(value)
    }
}
