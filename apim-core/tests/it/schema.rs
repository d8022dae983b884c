//! The schema of a file says of each entry what it may name, and what that can be told.

use apim_core::registry::{FileSchema, HandlerEntry};
use apim_core::{BuildError, Entry, Filter, Parts, Provide, Registry};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code)]
struct File {
    #[schemars(with = "Vec<HandlerEntry>")]
    handlers: Vec<Entry>,
}

/// One of two ways to say it, each closed.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[allow(dead_code)]
enum Config {
    Fast { speed: Speed },
    Slow { patience: u32 },
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code)]
struct Speed(u32);

macro_rules! link {
    ($type:ident, $name:literal, $config:ty) => {
        struct $type;
        impl Filter for $type {}
        impl Provide<Link> for $type {
            const NAME: &'static str = $name;
            type Config = $config;
            async fn build(_: $config, _: &Parts) -> Result<Link, BuildError> {
                Ok(Link::filter(Self))
            }
        }
    };
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

link!(Bare, "bare", Nothing);
link!(Barer, "barer", ());
link!(Paced, "paced", Config);

#[test]
fn an_entry_is_one_of_what_is_installed() {
    let links = Registry::default().with::<Bare>().with::<Barer>().with::<Paced>();
    let schema = FileSchema::default().with::<HandlerEntry, _>(&links).of::<File>().to_value();
    assert_eq!(schema["properties"]["handlers"]["items"], json!({"$ref": "#/$defs/Handler"}));
    let entries = &schema["$defs"]["Handler"]["oneOf"];
    for (index, name) in ["bare", "barer"].into_iter().enumerate() {
        assert_eq!(
            entries[index],
            json!({
                "type": "object", "additionalProperties": false,
                "properties": {"use": {"const": name}}, "required": ["use"],
            })
        );
    }
    // Both alternatives take the name, and what they share is defined once.
    for branch in 0..2 {
        assert_eq!(entries[2]["oneOf"][branch]["properties"]["use"], json!({"const": "paced"}));
    }
    assert!(schema["$defs"]["Speed"].is_object());
}

#[test]
fn without_a_registry_an_entry_may_be_anything_with_a_name() {
    let schema = FileSchema::default().of::<File>().to_value();
    assert_eq!(schema["$defs"]["Handler"]["required"], json!(["use"]));
}

#[test]
fn where_nothing_is_installed_nothing_can_be_named() {
    let none = Registry::<Link>::default();
    let schema = FileSchema::default().with::<HandlerEntry, _>(&none).of::<File>().to_value();
    assert_eq!(schema["$defs"]["Handler"], json!(false));
}
