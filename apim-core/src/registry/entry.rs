//! A plug-in as configuration names it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
