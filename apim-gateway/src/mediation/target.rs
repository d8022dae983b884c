//! Mediators of what a request asks for: path, query, method.

use std::sync::Arc;

use apim_core::fault::{self, Fault};
use apim_core::mediator::Stage;
use apim_core::{BuildError, Flow, Mediator, Parts, Provide};
use async_trait::async_trait;
use http::uri::PathAndQuery;
use http::{Method, Uri};
use schemars::JsonSchema;
use serde::Deserialize;
use url::form_urlencoded;

use super::message;
use super::template::{Origin, Template, as_is};

/// `rewrite-path`: replaces the path towards the backend, below the endpoint's own.
#[derive(Debug)]
pub struct RewritePath {
    path: Template,
    include_query: bool,
}

/// Configuration of `rewrite-path`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RewritePathConfig {
    /// The new path, which begins with a slash and may refer to the message, as `/v2/orders/${uri.id}`.
    path: String,
    /// Whether the query goes with it. Default: yes.
    #[serde(default = "yes")]
    include_query: bool,
}

fn yes() -> bool {
    true
}

/// `set-query`: gives a query parameter one value, in place of those it had.
#[derive(Debug)]
pub struct SetQuery {
    name: String,
    value: Template,
}

/// Configuration of `set-query`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetQueryConfig {
    /// The parameter's name.
    name: String,
    /// Its value, which may refer to the message.
    value: String,
}

/// `remove-query`: takes a query parameter away.
#[derive(Debug)]
pub struct RemoveQuery(String);

/// Configuration of `remove-query`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveQueryConfig {
    /// The parameter's name.
    name: String,
}

/// `change-method`: replaces the method towards the backend.
#[derive(Debug)]
pub struct ChangeMethod(Method);

/// Configuration of `change-method`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeMethodConfig {
    /// The new method.
    method: MethodName,
}

/// Methods that a request may be changed to.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum MethodName {
    /// Reads.
    Get,
    /// Creates.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Deletes.
    Delete,
    /// Reads the head.
    Head,
    /// Asks what there is.
    Options,
}

impl Provide<Arc<dyn Mediator>> for RewritePath {
    const NAME: &'static str = "rewrite-path";
    type Config = RewritePathConfig;

    async fn build(config: RewritePathConfig, _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        if !config.path.starts_with('/') || config.path.contains(['?', '#']) {
            return Err(BuildError::at("path", "it must begin with a slash and hold neither `?` nor `#`"));
        }
        let path = Template::parse(&config.path).map_err(|error| BuildError::at("path", error))?;
        Ok(Arc::new(Self { path, include_query: config.include_query }))
    }
}

#[async_trait]
impl Mediator for RewritePath {
    async fn mediate(&self, mut stage: Stage<'_>) -> Result<Flow, Fault> {
        let path = self.path.text(&mut stage, encode_segment).await?;
        // A value may not climb out of where the API's author put it.
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(
                Fault::new(fault::BAD_REQUEST).because("A value in the request cannot stand in a path")
            );
        }
        let exchange = message::request(stage)?;
        let query = exchange.uri().query().filter(|_| self.include_query).map(str::to_owned);
        exchange.head_mut().uri = uri(&path, query.as_deref())?;
        Ok(Flow::Continue)
    }
}

impl Provide<Arc<dyn Mediator>> for SetQuery {
    const NAME: &'static str = "set-query";
    type Config = SetQueryConfig;

    async fn build(config: SetQueryConfig, _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        let value = Template::parse(&config.value).map_err(|error| BuildError::at("value", error))?;
        Ok(Arc::new(Self { name: config.name, value }))
    }
}

#[async_trait]
impl Mediator for SetQuery {
    async fn mediate(&self, mut stage: Stage<'_>) -> Result<Flow, Fault> {
        let value = self.value.text(&mut stage, as_is).await?;
        let exchange = message::request(stage)?;
        let mut query = without(exchange.uri().query(), &self.name);
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(
            &form_urlencoded::Serializer::new(String::new()).append_pair(&self.name, &value).finish(),
        );
        exchange.head_mut().uri = uri(exchange.uri().path(), Some(&query))?;
        Ok(Flow::Continue)
    }
}

impl Provide<Arc<dyn Mediator>> for RemoveQuery {
    const NAME: &'static str = "remove-query";
    type Config = RemoveQueryConfig;

    async fn build(config: RemoveQueryConfig, _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        Ok(Arc::new(Self(config.name)))
    }
}

#[async_trait]
impl Mediator for RemoveQuery {
    async fn mediate(&self, stage: Stage<'_>) -> Result<Flow, Fault> {
        let exchange = message::request(stage)?;
        let query = without(exchange.uri().query(), &self.0);
        let query = Some(&*query).filter(|query| !query.is_empty());
        exchange.head_mut().uri = uri(exchange.uri().path(), query)?;
        Ok(Flow::Continue)
    }
}

impl Provide<Arc<dyn Mediator>> for ChangeMethod {
    const NAME: &'static str = "change-method";
    type Config = ChangeMethodConfig;

    async fn build(config: ChangeMethodConfig, _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        Ok(Arc::new(Self(match config.method {
            MethodName::Get => Method::GET,
            MethodName::Post => Method::POST,
            MethodName::Put => Method::PUT,
            MethodName::Patch => Method::PATCH,
            MethodName::Delete => Method::DELETE,
            MethodName::Head => Method::HEAD,
            MethodName::Options => Method::OPTIONS,
        })))
    }
}

#[async_trait]
impl Mediator for ChangeMethod {
    async fn mediate(&self, stage: Stage<'_>) -> Result<Flow, Fault> {
        message::request(stage)?.head_mut().method = self.0.clone();
        Ok(Flow::Continue)
    }
}

/// The other parameters, byte for byte as they came.
fn without(query: Option<&str>, name: &str) -> String {
    let others = query.unwrap_or_default().split('&').filter(|pair| {
        let key = form_urlencoded::parse(pair.as_bytes()).next();
        !pair.is_empty() && key.is_none_or(|(key, _)| key != name)
    });
    others.collect::<Vec<_>>().join("&")
}

fn uri(path: &str, query: Option<&str>) -> Result<Uri, Fault> {
    let whole = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let whole = PathAndQuery::try_from(whole).map_err(|error| {
        Fault::new(fault::BAD_REQUEST).because("The target is not usable").caused_by(error)
    })?;
    Ok(Uri::from(whole))
}

/// A value as one segment of a path: only unreserved characters stand for themselves (RFC 3986 section 2.3).
/// What comes from the path itself is encoded already.
fn encode_segment(origin: &Origin<'_>, text: &str) -> String {
    if origin.is_path() {
        return text.to_owned();
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
