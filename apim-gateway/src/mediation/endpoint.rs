//! A mediator that chooses the endpoint.

use std::sync::Arc;

use apim_core::fault::Fault;
use apim_core::mediator::Stage;
use apim_core::model::Api;
use apim_core::{BuildError, Flow, Mediator, Parts, Provide};
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::message;
use super::template::{Template, as_is};
use crate::upstream::Chosen;

/// `set-endpoint`: sends the request to another endpoint than the one for the caller's key.
///
/// By name it is one of the API's `endpoints.named`. By URL it must be covered by the `dynamic.allow` of the
/// endpoint for the caller's key: whatever the URL is made of, nothing else is called.
#[derive(Debug)]
pub struct SetEndpoint(Choice);

#[derive(Debug)]
enum Choice {
    Name(String),
    Url(Template),
}

/// Configuration of `set-endpoint`: one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetEndpointConfig {
    /// The endpoint's name.
    #[serde(default)]
    name: Option<String>,
    /// The backend's URL, which may refer to the message, as `https://${header.x-region}.pets.example`.
    #[serde(default)]
    url: Option<String>,
}

impl Provide<Arc<dyn Mediator>> for SetEndpoint {
    const NAME: &'static str = "set-endpoint";
    type Config = SetEndpointConfig;

    async fn build(config: SetEndpointConfig, parts: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        let api = parts.get::<Arc<Api>>();
        let choice = match (config.name, config.url) {
            (Some(name), None) => {
                if api.is_ok_and(|api| !api.endpoints.named.contains_key(&name)) {
                    return Err(BuildError::at("name", format!("the API has no endpoint `{name}`")));
                }
                Choice::Name(name)
            }
            (None, Some(url)) => {
                let sides = |api: &Api| {
                    let Api { endpoints, .. } = api;
                    [&endpoints.production, &endpoints.sandbox]
                        .into_iter()
                        .flatten()
                        .all(|side| side.dynamic.is_some())
                };
                if api.is_ok_and(|api| !sides(&api)) {
                    return Err(BuildError::at(
                        "url",
                        "the API's endpoints have no `dynamic` that would allow it",
                    ));
                }
                Choice::Url(Template::parse(&url).map_err(|error| BuildError::at("url", error))?)
            }
            _ => return Err(BuildError::at("", "it needs either `name` or `url`")),
        };
        Ok(Arc::new(Self(choice)))
    }
}

#[async_trait]
impl Mediator for SetEndpoint {
    async fn mediate(&self, mut stage: Stage<'_>) -> Result<Flow, Fault> {
        let chosen = match &self.0 {
            Choice::Name(name) => Chosen::Name(name.clone()),
            Choice::Url(url) => Chosen::Url(url.text(&mut stage, as_is).await?),
        };
        message::request(stage)?.context_mut().slots.insert(chosen);
        Ok(Flow::Continue)
    }
}
