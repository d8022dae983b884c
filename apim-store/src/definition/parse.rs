//! From bytes to a document, JSON or YAML, with every limit kept while reading.
//!
//! `serde_json::Value` reads itself, but lets a repeated key win silently over its first mention, which is
//! how a document can mean one thing to a validator and another to a gateway. So the tree is built here.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{Finding, Limits, step};

/// Reads one document. What begins with `{` is JSON, all else YAML.
pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, Finding> {
    if bytes.len() > limits.bytes {
        return Err(Finding::new("", format!("larger than {} bytes", limits.bytes)));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Finding::new("", "not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut walk = Walk { limits, nodes: 0, path: Vec::new(), refusal: None };
    let read = if text.trim_start().starts_with('{') {
        json(text, &mut walk).map_err(|error| error.to_string())
    } else {
        on_deep_stack(|| yaml(text, &mut walk).map_err(|error| error.to_string()))
    };
    read.map_err(|message| walk.finding(message))
}

/// Runs on a thread of its own. The YAML reader takes many kilobytes of stack for each level of nesting, and
/// how much of it the caller has left is not known here.
fn on_deep_stack<T: Send>(read: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    const STACK: usize = 32 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("definition".to_owned()).stack_size(STACK);
        let reading = thread.spawn_scoped(scope, read).map_err(|error| error.to_string())?;
        reading.join().unwrap_or_else(|_| Err("cannot be read".to_owned()))
    })
}

fn json(text: &str, walk: &mut Walk<'_>) -> serde_json::Result<Value> {
    let mut source = serde_json::Deserializer::from_str(text);
    let value = Node(walk).deserialize(&mut source)?;
    source.end()?;
    Ok(value)
}

fn yaml(text: &str, walk: &mut Walk<'_>) -> Result<Value, serde_saphyr::Error> {
    let limits = walk.limits;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(limits.bytes),
            max_depth: limits.depth + 1,
            flow_nesting_limit: limits.depth + 1,
            max_nodes: limits.nodes,
            max_events: limits.nodes.saturating_mul(3),
            max_total_scalar_bytes: limits.bytes,
            max_recorded_anchor_events: limits.nodes,
            max_recorded_anchor_bytes: limits.bytes,
            max_documents: 1,
            max_aliases: 10_000,
            max_anchors: 10_000,
            max_merge_keys: 10_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits.nodes,
            max_replay_stack_depth: 16,
        },
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |source| {
        Node(walk).deserialize(source)
    })
}

/// Where the reading is, and what it has cost so far.
struct Walk<'l> {
    limits: &'l Limits,
    nodes: usize,
    path: Vec<String>,
    refusal: Option<String>,
}

impl Walk<'_> {
    fn refuse<E: Error>(&mut self, message: String) -> E {
        let error = E::custom(&message);
        self.refusal = Some(message);
        error
    }

    fn count<E: Error>(&mut self) -> Result<(), E> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(self.refuse(format!("more than {} values", self.limits.nodes)));
        }
        Ok(())
    }

    fn enter<E: Error>(&mut self, key: String) -> Result<(), E> {
        if self.path.len() >= self.limits.depth {
            return Err(self.refuse(format!("nested deeper than {} levels", self.limits.depth)));
        }
        self.path.push(key);
        Ok(())
    }

    /// The path still stands where the reading stopped, since nothing is popped on the way out of an error.
    fn finding(self, message: String) -> Finding {
        let path = self.path.iter().fold(String::new(), |path, key| step(&path, key));
        Finding::new(path, self.refusal.unwrap_or(message))
    }
}

struct Node<'w, 'l>(&'w mut Walk<'l>);

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        self.0.count()?;
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
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
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
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
