//! Names for everything that can be plugged in, with typed configuration.

mod entry;
mod error;
mod guess;
mod parts;
mod schema;
mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use schemars::{JsonSchema, Schema, SchemaGenerator, schema_for};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::BoxFuture;

pub use entry::Entry;
pub use error::{AtKey, BuildError};
pub use parts::Parts;
use settings::Settings;

pub use schema::{FileSchema, FormatEntry, HandlerEntry, MediatorEntry, TransportEntry, VerifierEntry};

/// Something that can be plugged in by name: what makes a `T` from configuration.
///
/// One mechanism for every extension point:
///
/// | `T` | is | named in |
/// |---|---|---|
/// | [`Link`](crate::Link) | a handler, filter, prompt or tower layer | `handlers` of the gateway or of an API |
/// | `Arc<dyn `[`Mediator`](crate::Mediator)`>` | a mediator | `request`, `response`, `fault` of an API |
/// | [`Format`](crate::message::Format) | a builder and a formatter | `formats` of the gateway |
/// | `Arc<dyn `[`TokenVerifier`](crate::TokenVerifier)`>` | a key manager's hot half | `verifier`, `opaque` of the gateway |
///
/// `build` runs at deployment, may wait, and is the place to refuse what can never work. It runs **once for
/// each API** that the link or mediator is used in, and again each time that API is deployed; what has to
/// outlive that, as counters do, comes from [`Parts::state`].
///
/// ```
/// use apim_core::{Answer, AtKey, BuildError, Entry, Fault, Filter, Link, Parts, Provide, Registry};
/// use http::HeaderValue;
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// /// Adds a header to every answer.
/// struct Stamp(HeaderValue);
///
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct Config {
///     /// What to write.
///     text: String,
/// }
///
/// impl Filter for Stamp {
///     fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
///         answer.headers_mut().insert("x-stamp", self.0.clone());
///         Ok(())
///     }
/// }
///
/// impl Provide<Link> for Stamp {
///     const NAME: &'static str = "stamp";
///     type Config = Config;
///     async fn build(config: Config, _: &Parts) -> Result<Link, BuildError> {
///         let text = HeaderValue::try_from(config.text).at_key("text")?;
///         Ok(Link::filter(Stamp(text)))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let registry = Registry::default().with::<Stamp>();
/// let link = registry.build(&Entry::new("stamp").with("text", "hi"), &Parts::default()).await.unwrap();
/// assert_eq!(link.name(), "stamp");
///
/// let wrong = registry.build(&Entry::new("stamp").with("txt", "hi"), &Parts::default()).await.unwrap_err();
/// assert_eq!(wrong.to_string(), "stamp: unknown field `txt`, expected `text`; did you mean `text`?");
/// # });
/// ```
///
/// Give the configuration `#[serde(deny_unknown_fields)]`, and derive both `Deserialize` and `JsonSchema` for
/// it, of serde 1 and schemars 1. A plug-in without configuration says `type Config = ();`, and any key beside its name is
/// refused.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be named in configuration: it does not implement `Provide<{T}>`",
    label = "has no `NAME`, no `Config` and no `build` that makes a `{T}`",
    note = "write `impl Provide<{T}> for {Self}`: its `NAME` in files, its `Config`, and `async fn build`"
)]
pub trait Provide<T: Named>: 'static {
    /// The name it goes by in configuration; kebab-case.
    const NAME: &'static str;

    /// Its configuration. Doc comments become the reference's text and the portal's form.
    // The compiler shows the next line to whoever forgets one of the two.
    type Config: DeserializeOwned + JsonSchema + Send + 'static; // #[derive(Deserialize, JsonSchema)]

    /// Makes one.
    ///
    /// # Errors
    ///
    /// [`BuildError`], which refuses the deployment and names the place.
    // The compiler shows the next line to whoever writes another signature.
    fn build(config: Self::Config, parts: &Parts) -> impl Future<Output = Result<T, BuildError>> + Send; // async fn
}

/// Everything of one kind that can be plugged in.
///
/// Registration is explicit, in code: what is installed can be read, and two gateways in one process may
/// differ.
pub struct Registry<T> {
    makers: BTreeMap<&'static str, Maker<T>>,
}

struct Maker<T> {
    build: for<'a> fn(Settings, &'a Parts) -> BoxFuture<'a, Result<T, BuildError>>,
    /// The configuration's schema, complete in itself.
    schema: fn() -> Schema,
    /// The same as a part of a larger one.
    inline: fn(&mut SchemaGenerator) -> Schema,
    /// What an entry may have. Made once: making a schema is dear, and a gateway builds each link for each API.
    keys: Arc<OnceLock<Keys>>,
}

/// Which keys a configuration may have.
enum Keys {
    Any,
    Only(Vec<String>),
}

impl Keys {
    fn of(schema: &Schema) -> Self {
        let open = schema.get("additionalProperties").is_some_and(|value| value != &Value::Bool(false));
        let alternatives =
            ["oneOf", "anyOf", "allOf", "$ref"].into_iter().any(|key| schema.get(key).is_some());
        if open || alternatives {
            return Self::Any;
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        Self::Only(properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect())
    }
}

impl<T> Clone for Maker<T> {
    fn clone(&self) -> Self {
        Self { build: self.build, schema: self.schema, inline: self.inline, keys: self.keys.clone() }
    }
}

impl<T> Clone for Registry<T> {
    fn clone(&self) -> Self {
        Self { makers: self.makers.clone() }
    }
}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Self { makers: BTreeMap::new() }
    }
}

impl<T> fmt::Debug for Registry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.makers.keys()).finish()
    }
}

impl<T: Named + 'static> Registry<T> {
    /// Installs a plug-in; one of the same name is replaced.
    #[must_use]
    pub fn with<P: Provide<T>>(mut self) -> Self {
        let schema = || settings::schema(schema_for!(P::Config));
        let inline = |generator: &mut SchemaGenerator| settings::schema(P::Config::json_schema(generator));
        self.makers.insert(P::NAME, Maker { build: make::<T, P>, schema, inline, keys: Arc::default() });
        self
    }

    /// The names of all that is installed, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.makers.keys().copied()
    }

    /// The JSON Schemas of all configurations, by name; [`FileSchema`] puts them into that of a whole file.
    pub fn schemas(&self) -> impl Iterator<Item = (&'static str, Schema)> {
        self.makers.iter().map(|(name, maker)| (*name, (maker.schema)()))
    }

    /// The JSON Schema of a plug-in's configuration.
    pub fn schema(&self, name: &str) -> Option<Schema> {
        self.makers.get(name).map(|maker| (maker.schema)())
    }

    /// Makes what an entry describes.
    ///
    /// # Errors
    ///
    /// An unknown name, a configuration that does not fit, or the plug-in's own refusal; the error starts
    /// with the plug-in's name and the key.
    pub async fn build(&self, entry: &Entry, parts: &Parts) -> Result<T, BuildError> {
        let maker = self.makers.get(entry.name.as_str()).ok_or_else(|| self.unknown(&entry.name))?;
        self.known_keys(entry, maker)?;
        (maker.build)(Settings(entry.config.clone()), parts).await.map_err(|error| error.within(&entry.name))
    }

    /// Builds a whole list, and reports the first mistake with its place in it, as `handlers[2].timeout`.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub async fn build_all(
        &self,
        path: &str,
        entries: &[Entry],
        parts: &Parts,
    ) -> Result<Vec<T>, BuildError> {
        let mut built = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let one = self.build(entry, parts).await;
            built.push(one.map_err(|error| error.within(&format!("{path}[{index}]")))?);
        }
        Ok(built)
    }

    fn unknown(&self, name: &str) -> BuildError {
        let known = self.makers.keys().copied().collect::<Vec<_>>().join("`, `");
        let hint = guess::hint(name, self.names());
        BuildError::at(
            name,
            match known.as_str() {
                "" => "nothing of that kind is installed".to_owned(),
                known => format!("nothing of that name is installed, only `{known}`{hint}"),
            },
        )
    }

    /// A key that nobody reads is a mistake, whether or not the plug-in's author thought of
    /// `deny_unknown_fields`.
    fn known_keys(&self, entry: &Entry, maker: &Maker<T>) -> Result<(), BuildError> {
        if entry.config.is_empty() {
            return Ok(());
        }
        let Keys::Only(known) = maker.keys.get_or_init(|| Keys::of(&(maker.schema)())) else { return Ok(()) };
        let Some(stranger) = entry.config.keys().find(|key| !known.contains(key)) else { return Ok(()) };
        let expected = match known.is_empty() {
            true => "it has no configuration".to_owned(),
            false => {
                let names = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
                let hint = guess::hint(stranger, known.iter().map(String::as_str));
                format!("expected {}{hint}", names.join(", "))
            }
        };
        Err(BuildError::at(&entry.name, format!("unknown field `{stranger}`, {expected}")))
    }
}

fn make<T: Named, P: Provide<T>>(config: Settings, parts: &Parts) -> BoxFuture<'_, Result<T, BuildError>> {
    let parsed = serde_path_to_error::deserialize(config);
    Box::pin(async move {
        let config = parsed.map_err(BuildError::misfit)?;
        Ok(P::build(config, parts).await?.named(P::NAME))
    })
}

/// What can be plugged in: a thing that [`Provide`] makes, and that can be told its name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that can be plugged in",
    label = "nothing that `Provide` makes",
    note = "what is plugged in is a `Link` for handlers, filters and layers, an `Arc<dyn Mediator>`, a `Format`, or an \
            `Arc<dyn TokenVerifier>`: write `impl Provide<Link> for …`"
)]
pub trait Named: Sized {
    /// Takes the name; the default has no use for it.
    #[must_use]
    fn named(self, _name: &'static str) -> Self {
        self
    }
}

impl Named for crate::Link {
    fn named(self, name: &'static str) -> Self {
        Self::named(self, name)
    }
}

impl Named for crate::message::Format {}

impl<T: ?Sized> Named for Arc<T> {}
