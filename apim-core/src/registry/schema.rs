//! The JSON Schema of everything that configuration can name.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{Entry, Registry};

macro_rules! places {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    Cow::Borrowed($text)
                }
                fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                    Entry::json_schema(generator)
                }
            }
        )*
    };
}

places! {
    /// In schemas: an [`Entry`] that names a [`Link`](crate::Link), that is, a handler or a layer.
    HandlerEntry = "Handler";
    /// In schemas: an [`Entry`] that names a [`Mediator`](crate::Mediator).
    MediatorEntry = "Mediator";
    /// In schemas: an [`Entry`] that names a [`Format`](crate::message::Format).
    FormatEntry = "Format";
    /// In schemas: an [`Entry`] that names a [`TokenVerifier`](crate::TokenVerifier).
    VerifierEntry = "TokenVerifier";
    /// In schemas: an [`Entry`] that names a [`Transport`](crate::Transport).
    TransportEntry = "Transport";
}

/// Makes the schema of a configuration file in which registries say what an entry may be.
///
/// A type marks its entries with `#[schemars(with = "Vec<HandlerEntry>")]` and the like; by itself such an
/// entry may be anything with a `use`. [`with`](Self::with) makes it one of what is installed.
///
/// ```
/// # use apim_core::{BuildError, Filter, Parts, Provide};
/// use apim_core::registry::{FileSchema, HandlerEntry};
/// use apim_core::{Link, Registry, model::Api};
/// # struct Stamp;
/// # #[derive(serde::Deserialize, schemars::JsonSchema)]
/// # #[serde(deny_unknown_fields)]
/// # struct Config { text: String }
/// # impl Filter for Stamp {}
/// # impl Provide<Link> for Stamp {
/// #     const NAME: &'static str = "stamp";
/// #     type Config = Config;
/// #     async fn build(_: Config, _: &Parts) -> Result<Link, BuildError> { Ok(Link::filter(Stamp)) }
/// # }
///
/// let links = Registry::<Link>::default().with::<Stamp>();
/// let schema = FileSchema::default().with::<HandlerEntry, _>(&links).of::<Api>();
/// assert_eq!(schema.pointer("/$defs/Handler/oneOf/0/properties/use/const").unwrap(), "stamp");
/// ```
#[derive(Debug)]
pub struct FileSchema(SchemaGenerator);

impl Default for FileSchema {
    fn default() -> Self {
        Self(SchemaSettings::draft2020_12().into_generator())
    }
}

impl FileSchema {
    /// Says what entries of the kind `E` may name.
    #[must_use]
    pub fn with<E: JsonSchema, T>(mut self, registry: &Registry<T>) -> Self {
        // Registers the name, so that every reference to `E` leads to what is put there next.
        let _ = self.0.subschema_for::<E>();
        let any = registry.entry_schema(&mut self.0);
        self.0.definitions_mut().insert(E::schema_name().into_owned(), any.to_value());
        self
    }

    /// The schema of a file that is read as a `C`.
    pub fn of<C: JsonSchema>(self) -> Schema {
        self.0.into_root_schema_for::<C>()
    }
}

impl<T> Registry<T> {
    /// The schema of one entry that names any of what is installed. Types that configurations share become
    /// definitions of the generator.
    fn entry_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        let entries = self.makers.iter().map(|(name, maker)| {
            let mut schema = (maker.inline)(generator).to_value();
            name_it(&mut schema, name, generator.definitions());
            schema
        });
        match entries.collect::<Vec<_>>() {
            // Where nothing is installed, nothing can be named; an empty `oneOf` is no schema.
            none if none.is_empty() => Schema::from(false),
            entries => Schema::try_from(json!({ "oneOf": entries })).unwrap_or_default(),
        }
    }
}

/// Puts the key `use` among the properties of a configuration, in each of its alternatives.
fn name_it(schema: &mut Value, name: &str, definitions: &Map<String, Value>) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str)
        && let Some(target) = reference.strip_prefix("#/$defs/").and_then(|name| definitions.get(name))
    {
        *schema = target.clone();
    }
    let Some(object) = schema.as_object_mut() else {
        *schema = json!({});
        return name_it(schema, name, definitions);
    };
    for alternatives in ["oneOf", "anyOf"] {
        if let Some(branches) = object.get_mut(alternatives).and_then(Value::as_array_mut) {
            // Each may be closed to keys that it does not know.
            branches.iter_mut().for_each(|branch| name_it(branch, name, definitions));
        }
    }
    object.insert("type".to_owned(), json!("object"));
    let properties = object.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("use".to_owned(), json!({ "const": name }));
    }
    let required = object.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.insert(0, json!("use"));
    }
}
