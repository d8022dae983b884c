//! What is written of an API's calls.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ApiId;

/// How much is written of each message of a call (spec: gateway-observability, section 2).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    /// Nothing.
    #[default]
    Off,
    /// That it passed: when, whose, where to, with which status.
    Basic,
    /// Its headers as well.
    Standard,
    /// Its payload as well.
    Full,
}

impl LogLevel {
    /// As on the wire: `OFF`, `BASIC`, `STANDARD` or `FULL`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Basic => "BASIC",
            Self::Standard => "STANDARD",
            Self::Full => "FULL",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In any case of letters.
impl FromStr for LogLevel {
    type Err = InvalidLogLevel;

    fn from_str(text: &str) -> Result<Self, InvalidLogLevel> {
        let levels = [Self::Off, Self::Basic, Self::Standard, Self::Full];
        levels.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text)).ok_or(InvalidLogLevel)
    }
}

/// A text that is no [`LogLevel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a log level is OFF, BASIC, STANDARD or FULL")]
pub struct InvalidLogLevel;

/// What is to be written of an API's calls. Operators set it while everything runs; it belongs to no revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogSetting {
    /// The API.
    pub api: ApiId,
    /// Of its calls.
    #[serde(default)]
    pub level: LogLevel,
    /// Of some operations' calls, instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationLog>,
}

/// What is to be written of an operation's calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationLog {
    /// The operation's method, as in the API.
    pub method: String,
    /// Its path template, as in the API.
    pub path: String,
    /// Of its calls.
    pub level: LogLevel,
}

impl LogSetting {
    /// What is to be written of a call of an operation; none: of one that leads to no operation.
    pub fn level_of(&self, operation: Option<&super::Operation>) -> LogLevel {
        let own = operation.and_then(|operation| {
            self.operations.iter().find(|log| log.method == operation.method && log.path == operation.path)
        });
        own.map_or(self.level, |log| log.level)
    }

    /// Whether anything is to be written of any call.
    pub fn is_on(&self) -> bool {
        self.level > LogLevel::Off || self.operations.iter().any(|log| log.level > LogLevel::Off)
    }
}
