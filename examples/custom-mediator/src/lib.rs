//! A mediator crate of one's own: `mask` hides members of JSON bodies.
//!
//! It depends on `apim-core` alone. A gateway installs it with one line,
//! `mediation::builtin().with::<custom_mediator::Mask>()`, and from then on an API can name it:
//!
//! ```yaml
//! response:
//!   - use: mask
//!     members: [card, iban]
//!     keep: 4
//! ```

use std::sync::Arc;

use apim_core::mediator::Stage;
use apim_core::{BuildError, Fault, Flow, Mediator, Parts, Payload, Provide};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// What an API's author can say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names of the members to hide, wherever they stand.
    members: Vec<String>,
    /// How many characters at the end stay as they are. Default: none.
    #[serde(default)]
    keep: usize,
}

/// Replaces texts in JSON bodies by asterisks.
pub struct Mask(Config);

impl Mask {
    fn hide(&self, value: &mut Value) {
        match value {
            Value::Object(members) => members.iter_mut().for_each(|(name, value)| match value {
                Value::String(text) if self.0.members.contains(name) => {
                    let hidden = text.chars().count().saturating_sub(self.0.keep);
                    let kept = text.chars().skip(hidden);
                    *text = std::iter::repeat_n('*', hidden).chain(kept).collect();
                }
                other => self.hide(other),
            }),
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item)),
            _ => {}
        }
    }
}

#[apim_core::async_trait]
impl Mediator for Mask {
    async fn mediate(&self, stage: Stage<'_>) -> Result<Flow, Fault> {
        let payload = match stage {
            Stage::Request(exchange) => exchange.payload_mut().await?,
            Stage::Response(answer) | Stage::Fault(answer) => answer.payload_mut().await?,
        };
        if let Payload::Json(value) = payload {
            self.hide(value);
        }
        Ok(Flow::Continue)
    }
}

impl Provide<Arc<dyn Mediator>> for Mask {
    const NAME: &'static str = "mask";
    type Config = Config;

    async fn build(config: Config, _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        if config.members.is_empty() {
            return Err(BuildError::at("members", "name at least one"));
        }
        Ok(Arc::new(Self(config)))
    }
}
