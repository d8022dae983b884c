//! Names for everything that can be plugged in, with typed configuration.

use std::any::type_name;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use http::Extensions;
use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::{Clock, SystemClock};
use crate::{BoxError, BoxFuture};

/// One plug-in by name, with its configuration beside the name.
///
/// ```
/// use apim_core::Entry;
///
/// let entry: Entry = serde_json::from_str(r#"{"use": "timeout", "after": "5s"}"#).unwrap();
/// assert_eq!(entry.name, "timeout");
/// assert_eq!(entry.config["after"], "5s");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Which plug-in.
    #[serde(rename = "use")]
    pub name: String,
    /// Its configuration.
    #[serde(flatten)]
    pub config: Map<String, Value>,
}

impl Entry {
    /// A plug-in with nothing configured.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), config: Map::new() }
    }

    /// Configures one thing.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.config.insert(key.into(), value.into());
        self
    }
}

/// Something that can be plugged in by name: what makes a `T` from configuration.
///
/// `T` is [`Link`](crate::Link) for handlers and layers, `Arc<dyn Mediator>` for mediators, and so on: one
/// mechanism for every extension point. `build` runs at deployment, may wait, and is the place to refuse
/// what can never work.
///
/// ```
/// use apim_core::{Answer, BuildError, Entry, Fault, Filter, Link, Parts, Provide, Registry};
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
///         let text = HeaderValue::try_from(config.text).map_err(|e| BuildError::at("text", e))?;
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
/// assert_eq!(wrong.to_string(), "stamp: unknown field `txt`, expected `text`");
/// # });
/// ```
pub trait Provide<T>: 'static {
    /// The name it goes by in configuration; kebab-case.
    const NAME: &'static str;

    /// Its configuration. Doc comments become the reference's text and the portal's form.
    type Config: DeserializeOwned + JsonSchema + Send + 'static;

    /// Makes one.
    ///
    /// # Errors
    ///
    /// [`BuildError`], which refuses the deployment and names the place.
    fn build(config: Self::Config, parts: &Parts) -> impl Future<Output = Result<T, BuildError>> + Send;
}

/// Everything of one kind that can be plugged in.
///
/// Registration is explicit, in code: what is installed can be read, and two gateways in one process may
/// differ.
pub struct Registry<T> {
    makers: BTreeMap<&'static str, Maker<T>>,
}

struct Maker<T> {
    build: for<'a> fn(Value, &'a Parts) -> BoxFuture<'a, Result<T, BuildError>>,
    schema: fn() -> Schema,
}

impl<T> Clone for Maker<T> {
    fn clone(&self) -> Self {
        Self { build: self.build, schema: self.schema }
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
        let schema = || schema_for!(P::Config);
        self.makers.insert(P::NAME, Maker { build: make::<T, P>, schema });
        self
    }

    /// The names of all that is installed, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.makers.keys().copied()
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
        let maker = self.makers.get(entry.name.as_str()).ok_or_else(|| {
            let known = self.makers.keys().copied().collect::<Vec<_>>().join("`, `");
            BuildError::at(&entry.name, format!("nothing of that name is installed, only `{known}`"))
        })?;
        self.known_keys(entry, maker)?;
        (maker.build)(Value::Object(entry.config.clone()), parts)
            .await
            .map_err(|error| error.within(&entry.name))
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

    /// A key that nobody reads is a mistake, whether or not the plug-in's author thought of
    /// `deny_unknown_fields`.
    fn known_keys(&self, entry: &Entry, maker: &Maker<T>) -> Result<(), BuildError> {
        // Making the schema is dear, and a gateway builds each link once for each of its APIs.
        if entry.config.is_empty() {
            return Ok(());
        }
        let schema = (maker.schema)();
        let open = schema.get("additionalProperties").is_some_and(|value| value != &Value::Bool(false));
        let properties = schema.get("properties").and_then(Value::as_object);
        let alternatives =
            ["oneOf", "anyOf", "allOf", "$ref"].into_iter().any(|key| schema.get(key).is_some());
        if open || alternatives {
            return Ok(());
        }
        let known = |key: &str| properties.is_some_and(|properties| properties.contains_key(key));
        let Some(stranger) = entry.config.keys().find(|key| !known(key)) else { return Ok(()) };
        let expected = match properties {
            Some(properties) if !properties.is_empty() => {
                let names = properties.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>();
                format!("expected {}", names.join(", "))
            }
            _ => "it has no configuration".to_owned(),
        };
        Err(BuildError::at(&entry.name, format!("unknown field `{stranger}`, {expected}")))
    }
}

fn make<T: Named, P: Provide<T>>(config: Value, parts: &Parts) -> BoxFuture<'_, Result<T, BuildError>> {
    let parsed = serde_path_to_error::deserialize(config);
    Box::pin(async move {
        let config = parsed.map_err(BuildError::misfit)?;
        Ok(P::build(config, parts).await?.named(P::NAME))
    })
}

/// What can be told its name.
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

impl<T: ?Sized> Named for Arc<T> {}

/// Why something could not be built: where, and what is wrong.
#[derive(Debug)]
pub struct BuildError {
    path: String,
    error: BoxError,
}

impl BuildError {
    /// At a key of the configuration.
    pub fn at(path: impl Into<String>, error: impl Into<BoxError>) -> Self {
        Self { path: path.into(), error: error.into() }
    }

    /// Of a configuration that does not fit its type.
    fn misfit(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        // The top is written as a dot there, and an empty path here.
        let path = Some(error.path().to_string()).filter(|path| path != ".").unwrap_or_default();
        Self { path, error: error.into_inner().into() }
    }

    /// The same, seen from one level further out.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => outer.to_owned(),
            path if path.starts_with('[') => format!("{outer}{path}"),
            path => format!("{outer}.{path}"),
        };
        self
    }

    /// Where, as `apis[2].handlers[0].timeout.after`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "{}", self.error)
        } else {
            write!(f, "{}: {}", self.path, self.error)
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// What a gateway already has and plug-ins may use: a clock, and whatever else it was given, by type.
#[derive(Clone)]
pub struct Parts {
    clock: Arc<dyn Clock>,
    shared: Extensions,
}

impl Default for Parts {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl Parts {
    /// With a clock and nothing else.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shared: Extensions::new() }
    }

    /// The clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Adds something, as `Arc<dyn ThrottleEngine>`.
    #[must_use]
    pub fn with<P: Clone + Send + Sync + 'static>(mut self, part: P) -> Self {
        self.shared.insert(part);
        self
    }

    /// What was added of that type.
    ///
    /// # Errors
    ///
    /// If nothing was; the text names the type.
    pub fn get<P: Clone + Send + Sync + 'static>(&self) -> Result<P, BuildError> {
        self.shared.get::<P>().cloned().ok_or_else(|| {
            BuildError::at("", format!("it needs a {}, which this gateway was not given", type_name::<P>()))
        })
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}
