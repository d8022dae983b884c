//! Mediators of the body.

use std::sync::Arc;

use apim_core::fault::Fault;
use apim_core::mediator::Stage;
use apim_core::message::{ContentError, Payload};
use apim_core::{BuildError, Flow, Mediator, Parts, Provide};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::message;
use super::template::JsonShape;
use crate::format::convert;

/// `json-template`: makes a JSON body.
#[derive(Debug)]
pub struct JsonTemplate(JsonShape);

/// Configuration of `json-template`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonTemplateConfig {
    /// The body. Texts in it may refer to the message; a text that is one reference becomes that value.
    template: Value,
}

/// `json-to-xml`: converts a JSON body. One that is empty or no JSON stays as it is.
#[derive(Debug)]
pub struct JsonToXml;

/// `xml-to-json`: converts an XML body. One that is empty or no XML stays as it is.
#[derive(Debug)]
pub struct XmlToJson;

impl Provide<Arc<dyn Mediator>> for JsonTemplate {
    const NAME: &'static str = "json-template";
    type Config = JsonTemplateConfig;

    async fn build(config: JsonTemplateConfig, _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        let shape = JsonShape::parse(&config.template).map_err(|error| BuildError::at("template", error))?;
        Ok(Arc::new(Self(shape)))
    }
}

#[async_trait]
impl Mediator for JsonTemplate {
    async fn mediate(&self, mut stage: Stage<'_>) -> Result<Flow, Fault> {
        let value = self.0.value(&mut stage).await?;
        message::set_payload(&mut stage, Payload::Json(value), "application/json");
        Ok(Flow::Continue)
    }
}

impl Provide<Arc<dyn Mediator>> for JsonToXml {
    const NAME: &'static str = "json-to-xml";
    type Config = ();

    async fn build((): (), _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        Ok(Arc::new(Self))
    }
}

#[async_trait]
impl Mediator for JsonToXml {
    async fn mediate(&self, mut stage: Stage<'_>) -> Result<Flow, Fault> {
        let document = match convertible(&mut stage).await? {
            Some(Payload::Json(value)) if !value.is_null() => convert::json_to_xml(value)?,
            _ => return Ok(Flow::Continue),
        };
        message::set_payload(&mut stage, Payload::Xml(document), "application/xml");
        Ok(Flow::Continue)
    }
}

impl Provide<Arc<dyn Mediator>> for XmlToJson {
    const NAME: &'static str = "xml-to-json";
    type Config = ();

    async fn build((): (), _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        Ok(Arc::new(Self))
    }
}

#[async_trait]
impl Mediator for XmlToJson {
    async fn mediate(&self, mut stage: Stage<'_>) -> Result<Flow, Fault> {
        let value = match convertible(&mut stage).await? {
            Some(Payload::Xml(document)) => convert::xml_to_json(document),
            _ => return Ok(Flow::Continue),
        };
        message::set_payload(&mut stage, Payload::Json(value), "application/json");
        Ok(Flow::Continue)
    }
}

/// The payload, unless there is no body that one could be made of.
async fn convertible<'a>(stage: &'a mut Stage<'_>) -> Result<Option<&'a Payload>, ContentError> {
    let bytes = match stage {
        Stage::Request(exchange) => exchange.bytes().await,
        Stage::Response(answer) | Stage::Fault(answer) => answer.bytes().await,
    };
    match bytes {
        Ok(bytes) if bytes.is_empty() => return Ok(None),
        Ok(_) => {}
        // A conversation has no form to be converted into.
        Err(ContentError::Upgraded) => return Ok(None),
        Err(error) => return Err(error),
    }
    message::payload(stage).await.map(Some)
}
