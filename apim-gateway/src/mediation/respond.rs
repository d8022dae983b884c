//! A mediator that answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use apim_core::fault::Fault;
use apim_core::mediator::Stage;
use apim_core::{Body, BuildError, Flow, Mediator, Parts, Provide};
use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::header;
use super::template::{JsonShape, Template, as_is};

/// `respond`: answers in place of the backend, or replaces its answer.
#[derive(Debug)]
pub struct Respond {
    status: StatusCode,
    headers: Vec<(HeaderName, Template)>,
    body: Content,
}

#[derive(Debug)]
enum Content {
    Text(Template),
    Json(JsonShape),
    Nothing,
}

/// Configuration of `respond`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RespondConfig {
    /// The status. Default: 200.
    #[serde(default = "ok")]
    status: u16,
    /// Headers, whose values may refer to the message.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body: a text, or anything else as JSON. Both may refer to the message.
    #[serde(default)]
    body: Value,
}

fn ok() -> u16 {
    200
}

impl Provide<Arc<dyn Mediator>> for Respond {
    const NAME: &'static str = "respond";
    type Config = RespondConfig;

    async fn build(config: RespondConfig, _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        let status = StatusCode::from_u16(config.status).ok().filter(|status| status.as_u16() >= 200);
        let status = status.ok_or_else(|| BuildError::at("status", "it must be 200 or more"))?;
        let mut headers = Vec::new();
        for (name, value) in config.headers {
            let at = |error: BuildError| error.within(&format!("headers.{name}"));
            let value = Template::parse(&value).map_err(|error| at(BuildError::at("", error)))?;
            headers.push((header::name(&name).map_err(at)?, value));
        }
        let in_body = |error| BuildError::at("body", error);
        let body = match config.body {
            Value::Null => Content::Nothing,
            Value::String(text) => Content::Text(Template::parse(&text).map_err(in_body)?),
            value => Content::Json(JsonShape::parse(&value).map_err(in_body)?),
        };
        Ok(Arc::new(Self { status, headers, body }))
    }
}

#[async_trait]
impl Mediator for Respond {
    async fn mediate(&self, mut stage: Stage<'_>) -> Result<Flow, Fault> {
        let (body, media_type) = match &self.body {
            Content::Nothing => (Body::empty(), None),
            Content::Text(template) => {
                (template.text(&mut stage, as_is).await?.into(), Some("text/plain; charset=utf-8"))
            }
            Content::Json(shape) => {
                (shape.value(&mut stage).await?.to_string().into(), Some("application/json"))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        if let Some(media_type) = media_type {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        for (name, value) in &self.headers {
            let text = value.text(&mut stage, as_is).await?;
            response.headers_mut().insert(name.clone(), header::value(name, &text)?);
        }
        Ok(Flow::Respond(response))
    }
}
