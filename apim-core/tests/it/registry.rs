//! What is named in configuration is built, or refused with the place of the mistake.

use apim_core::{BuildError, Entry, Filter, Parts, Provide, Registry, ThrottleEngine};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::*;

struct Timeout;
impl Filter for Timeout {}

#[derive(Deserialize, JsonSchema)]
struct Config {
    /// Seconds.
    after: u32,
    #[serde(default)]
    retry: Retry,
}

#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
struct Retry {
    #[serde(default)]
    times: Vec<u32>,
}

impl Provide<Link> for Timeout {
    const NAME: &'static str = "timeout";
    type Config = Config;
    async fn build(config: Config, _: &Parts) -> Result<Link, BuildError> {
        if config.after == 0 || config.retry.times.contains(&0) {
            return Err(BuildError::at("after", "it must be above zero"));
        }
        Ok(Link::filter(Self))
    }
}

/// Needs something of the gateway.
struct Throttle;
impl Filter for Throttle {}

impl Provide<Link> for Throttle {
    const NAME: &'static str = "throttle";
    type Config = ();
    async fn build((): (), parts: &Parts) -> Result<Link, BuildError> {
        parts.get::<Arc<dyn ThrottleEngine>>()?;
        Ok(Link::filter(Self))
    }
}

fn registry() -> Registry<Link> {
    Registry::default().with::<Timeout>().with::<Throttle>()
}

fn build(config: serde_json::Value) -> Result<Vec<Link>, String> {
    let entries: Vec<Entry> = serde_json::from_value(config).unwrap();
    let parts = Parts::default();
    run(registry().build_all("handlers", &entries, &parts)).map_err(|error| error.to_string())
}

#[test]
fn a_list_of_names_becomes_a_list_of_links_with_these_names() {
    let links = build(json!([{"use": "timeout", "after": 5}, {"use": "timeout", "after": 6}])).unwrap();
    assert_eq!(links.iter().map(Link::name).collect::<Vec<_>>(), ["timeout", "timeout"]);
    assert_eq!(registry().names().collect::<Vec<_>>(), ["throttle", "timeout"]);
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let first = json!({"use": "timeout", "after": 5});
    for (second, message) in [
        (
            json!({"use": "timeuot"}),
            "handlers[1].timeuot: nothing of that name is installed, only `throttle`, `timeout`; did you mean \
             `timeout`?",
        ),
        (
            json!({"use": "timeout", "aftr": 5}),
            "handlers[1].timeout: unknown field `aftr`, expected `after`, `retry`; did you mean `after`?",
        ),
        (json!({"use": "timeout"}), "handlers[1].timeout: missing field `after`"),
        (
            json!({"use": "timeout", "after": "5s"}),
            "handlers[1].timeout.after: invalid type: string \"5s\", expected u32",
        ),
        (
            json!({"use": "timeout", "after": 5, "retry": {"times": [1, -2]}}),
            "handlers[1].timeout.retry.times[1]: invalid value: integer `-2`, expected u32",
        ),
        (json!({"use": "timeout", "after": 0}), "handlers[1].timeout.after: it must be above zero"),
        (
            json!({"use": "throttle", "rate": 1}),
            "handlers[1].throttle: unknown field `rate`, it has no configuration",
        ),
    ] {
        assert_eq!(build(json!([first, second])).unwrap_err(), message);
    }
}

macro_rules! without_configuration {
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
struct Braces {}

/// Says nothing.
#[derive(Deserialize, JsonSchema)]
struct NoBraces;

#[derive(Deserialize, JsonSchema)]
struct Around(NoBraces);

without_configuration!(A, "a", ());
without_configuration!(B, "b", Braces);
without_configuration!(C, "c", NoBraces);
without_configuration!(D, "d", Around);
without_configuration!(E, "e", Option<()>);

#[test]
fn who_has_nothing_to_configure_says_so_in_any_way_and_every_key_is_refused() {
    let links = Registry::default().with::<A>().with::<B>().with::<C>().with::<D>().with::<E>();
    for name in links.names() {
        let link = run(links.build(&Entry::new(name), &Parts::default())).unwrap();
        assert_eq!(link.name(), name);
    }
    for name in links.names() {
        let refused = run(links.build(&Entry::new(name).with("rate", 1), &Parts::default())).unwrap_err();
        let said = match name {
            "d" => "invalid type: map, expected unit struct NoBraces",
            _ => "unknown field `rate`, it has no configuration",
        };
        assert_eq!(refused.to_string(), format!("{name}: {said}"));
    }
    let schema = links.schema("c").unwrap().to_value();
    assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)));
    assert_eq!(schema["description"], "Says nothing.");
}

#[test]
fn a_part_that_the_gateway_was_not_given_is_named() {
    let error = build(json!([{"use": "throttle"}])).unwrap_err();
    assert!(error.starts_with("handlers[0].throttle: it needs a "), "{error}");
    assert!(error.contains("ThrottleEngine"), "{error}");
}

#[test]
fn the_schema_of_a_configuration_carries_its_texts() {
    let schema = serde_json::to_value(registry().schema("timeout").unwrap()).unwrap();
    assert_eq!(schema["properties"]["after"]["description"], "Seconds.");
    assert_eq!(schema["required"], json!(["after"]));
    assert!(registry().schema("nothing").is_none());
}

#[test]
fn an_entry_is_written_as_it_was_read() {
    let text = r#"{"use":"timeout","after":5,"retry":{"times":[1]}}"#;
    let entry: Entry = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&entry).unwrap(), text);
    assert_eq!(entry, Entry::new("timeout").with("after", 5).with("retry", json!({"times": [1]})));
}

#[test]
fn state_outlives_the_links_that_use_it_and_is_one_for_each_type() {
    #[derive(Default)]
    struct Mine(Mutex<u32>);
    #[derive(Default)]
    struct Yours(Mutex<u32>);
    let parts = Parts::default();
    // A gateway gives each API parts of its own making, all of one kin.
    let other = parts.clone().with("another API");
    *parts.state::<Mine>().0.lock().unwrap() += 1;
    *other.state::<Mine>().0.lock().unwrap() += 1;
    assert_eq!(*parts.state::<Mine>().0.lock().unwrap(), 2);
    assert_eq!(*parts.state::<Yours>().0.lock().unwrap(), 0);
    assert_eq!(*Parts::default().state::<Mine>().0.lock().unwrap(), 0);
}

/// Tells how often its schema was made.
#[derive(Deserialize)]
struct Counted {
    #[allow(dead_code, reason = "only that it may be there matters")]
    after: u32,
}

static SCHEMAS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

impl JsonSchema for Counted {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Counted".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        SCHEMAS.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        schemars::json_schema!({"type": "object", "properties": {"after": {"type": "integer"}}})
    }
}

struct Rare;
impl Filter for Rare {}

impl Provide<Link> for Rare {
    const NAME: &'static str = "rare";
    type Config = Counted;
    async fn build(_: Counted, _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(Self))
    }
}

#[test]
fn a_schema_is_made_once_for_all_apis_that_a_link_is_built_for() {
    let registry = Registry::default().with::<Rare>();
    for number in 0..10 {
        let good = Entry::new("rare").with("after", number);
        assert!(run(registry.clone().build(&good, &Parts::default())).is_ok());
        let wrong = run(registry.build(&good.with("befor", 1), &Parts::default())).unwrap_err();
        assert!(wrong.to_string().contains("unknown field `befor`, expected `after`"), "{wrong}");
    }
    assert_eq!(SCHEMAS.load(std::sync::atomic::Ordering::SeqCst), 1);
}
