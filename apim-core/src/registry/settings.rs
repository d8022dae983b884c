//! What stands beside a plug-in's name, as its configuration is read from it.

use schemars::Schema;
use serde::Deserializer;
use serde::de::Visitor;
use serde::de::value::UnitDeserializer;
use serde::forward_to_deserialize_any;
use serde_json::{Error, Map, Value, json};

/// The keys of an entry. No keys are also the value of a type that has none to give, as `()` and `struct Nothing;`.
pub(super) struct Settings(pub(super) Map<String, Value>);

impl<'de> Deserializer<'de> for Settings {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        Value::Object(self.0).deserialize_any(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.is_empty() {
            true => UnitDeserializer::new().deserialize_unit(visitor),
            false => Value::Object(self.0).deserialize_unit(visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Value::Object(self.0).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq tuple tuple_struct map
        struct identifier ignored_any
    }
}

/// The schema of a configuration: that of a type without a value to give is an object without keys.
pub(super) fn schema(mut of: Schema) -> Schema {
    if of.get("type").is_some_and(|kind| kind == "null") {
        of.insert("type".to_owned(), json!("object"));
        of.insert("additionalProperties".to_owned(), json!(false));
    }
    of
}
