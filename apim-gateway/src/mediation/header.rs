//! Mediators of headers.

use std::sync::Arc;

use apim_core::fault::{self, Fault};
use apim_core::mediator::Stage;
use apim_core::{BuildError, Flow, Mediator, Parts, Provide};
use async_trait::async_trait;
use http::{HeaderName, HeaderValue, header};
use schemars::JsonSchema;
use serde::Deserialize;

use super::message;
use super::template::{Template, as_is};

/// `set-header`: gives a header one value, in place of those it had.
#[derive(Debug)]
pub struct SetHeader {
    name: HeaderName,
    value: Template,
}

/// Configuration of `set-header`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetHeaderConfig {
    /// The header's name.
    name: String,
    /// Its value, which may refer to the message, as `${query.page}`.
    value: String,
}

/// `remove-header`: takes a header away.
#[derive(Debug)]
pub struct RemoveHeader(HeaderName);

/// Configuration of `remove-header`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveHeaderConfig {
    /// The header's name.
    name: String,
}

/// A header's name, if a mediator may touch it. What frames a message or belongs to one hop is not the API
/// author's to change.
pub(super) fn name(name: &str) -> Result<HeaderName, BuildError> {
    let name: HeaderName = name.parse().map_err(|error| BuildError::at("name", error_of(error)))?;
    match name {
        header::CONNECTION
        | header::CONTENT_LENGTH
        | header::HOST
        | header::TE
        | header::TRAILER
        | header::TRANSFER_ENCODING
        | header::UPGRADE => Err(BuildError::at("name", format!("the header `{name}` is the gateway's own"))),
        name => Ok(name),
    }
}

fn error_of(error: http::header::InvalidHeaderName) -> String {
    error.to_string()
}

/// What a template made, as a header's value.
pub(super) fn value(name: &HeaderName, text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text).map_err(|error| {
        Fault::new(fault::BAD_REQUEST)
            .because("A value in the request cannot be sent as a header")
            .detail(format!("the value for the header {name} holds a character that no header may"))
            .caused_by(error)
    })
}

impl Provide<Arc<dyn Mediator>> for SetHeader {
    const NAME: &'static str = "set-header";
    type Config = SetHeaderConfig;

    async fn build(config: SetHeaderConfig, _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        let value = Template::parse(&config.value).map_err(|error| BuildError::at("value", error))?;
        Ok(Arc::new(Self { name: name(&config.name)?, value }))
    }
}

#[async_trait]
impl Mediator for SetHeader {
    async fn mediate(&self, mut stage: Stage<'_>) -> Result<Flow, Fault> {
        let text = self.value.text(&mut stage, as_is).await?;
        let value = value(&self.name, &text)?;
        message::headers_mut(&mut stage).insert(self.name.clone(), value);
        Ok(Flow::Continue)
    }
}

impl Provide<Arc<dyn Mediator>> for RemoveHeader {
    const NAME: &'static str = "remove-header";
    type Config = RemoveHeaderConfig;

    async fn build(config: RemoveHeaderConfig, _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        Ok(Arc::new(Self(name(&config.name)?)))
    }
}

#[async_trait]
impl Mediator for RemoveHeader {
    async fn mediate(&self, mut stage: Stage<'_>) -> Result<Flow, Fault> {
        message::headers_mut(&mut stage).remove(&self.0);
        Ok(Flow::Continue)
    }
}
