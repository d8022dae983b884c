//! The configuration as it stands in a file.

use std::fmt;
use std::time::Duration;

use apim_core::registry::{FormatEntry, HandlerEntry, TransportEntry, VerifierEntry};
use apim_core::{BuildError, Entry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Gateway;
use crate::analytics::Region;
use crate::{auth, chain, correlation, deploy};

/// The longest leeway that can be meant: with more, expired tokens live on.
const LONGEST_LEEWAY: Duration = Duration::from_secs(300);

/// A gigabyte for each worker, when all are there.
const MOST_EXPLANATIONS: usize = 1_000_000;

/// The gateway's part of a configuration file, as its author wrote it.
///
/// ```
/// use apim_gateway::config::File;
///
/// let file = File::parse("trusted_proxies: [10.0.0.0/8]\nhandlers:\n  - use: cors\n  - use: anonymous\n").unwrap();
/// assert_eq!(file.resolve().unwrap().handlers.len(), 2);
///
/// let wrong = File::parse("trusted_proxies: [10.0.0.0/80, moon]\nleeway_seconds: 900\n").unwrap();
/// let mistakes = wrong.resolve().unwrap_err().to_string();
/// assert!(mistakes.contains("trusted_proxies[0]") && mistakes.contains("trusted_proxies[1]"));
/// assert!(mistakes.contains("leeway_seconds"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// The gateway's links, in order, instead of the usual list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<HandlerEntry>>")]
    pub handlers: Option<Vec<Entry>>,
    /// Formats of payloads, in front of the gateway's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<FormatEntry>")]
    pub formats: Vec<Entry>,
    /// Who says what access tokens are worth, instead of the gateway's own verifier of JWTs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<VerifierEntry>")]
    pub verifier: Option<Entry>,
    /// Who says what access tokens are worth that are no JWTs. Default: they are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<VerifierEntry>")]
    pub opaque: Option<Entry>,
    /// Transports, for endpoints of other schemes than HTTP's; each serves one scheme. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<TransportEntry>")]
    pub transports: Vec<Entry>,
    /// Addresses and networks of proxies that may set `X-Forwarded-For`. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<String>,
    /// By how many seconds the clocks of key managers may differ. Default 5, at most 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leeway_seconds: Option<u64>,
    /// How many refusals each worker remembers, to say why by a request's id, and how many failures.
    /// Default 2048, at most 1,000,000; 0: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanations: Option<usize>,
    /// The header by which clients and backends name a call across services; taken from the client, or new,
    /// sent to the backend, echoed. Default `activityid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_header: Option<String>,
    /// Where this gateway stands, as the events of calls tell it (`regionId`). Default `default`, at most 64 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether a WebSocket stays open when the token, API key or certificate that it was opened with expires or is
    /// revoked, as WSO2's do. Default: no, it is closed within a second.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub websockets_outlive_credentials: bool,
}

impl File {
    /// Reads YAML, or JSON, which is YAML too.
    ///
    /// # Errors
    ///
    /// With the line, if it is not YAML, has an unknown key, or a value of the wrong type.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text).map_err(|error| ConfigError(vec![BuildError::at("", error.to_string())]))
    }

    /// Makes of it what is run.
    ///
    /// # Errors
    ///
    /// Every mistake there is, each with its path.
    pub fn resolve(self) -> Result<Gateway, ConfigError> {
        let mut mistakes = Vec::new();
        let mut trusted_proxies = Vec::with_capacity(self.trusted_proxies.len());
        for (index, text) in self.trusted_proxies.iter().enumerate() {
            match deploy::network(text) {
                Ok(network) => trusted_proxies.push(network),
                Err(error) => mistakes.push(BuildError::at(format!("trusted_proxies[{index}]"), error)),
            }
        }
        let leeway = self.leeway_seconds.map_or(auth::JwtVerifier::USUAL_LEEWAY, Duration::from_secs);
        if leeway > LONGEST_LEEWAY {
            mistakes.push(BuildError::at("leeway_seconds", "at most 300"));
        }
        let explanations = self.explanations.unwrap_or(super::USUAL_EXPLANATIONS);
        if explanations > MOST_EXPLANATIONS {
            mistakes.push(BuildError::at("explanations", "at most 1000000"));
        }
        let correlation_header = match self.correlation_header.as_deref().map(correlation::header) {
            None => correlation::ACTIVITY_ID,
            Some(Ok(header)) => header,
            Some(Err(error)) => {
                mistakes.push(BuildError::at("correlation_header", error));
                correlation::ACTIVITY_ID
            }
        };
        let region = self.region.as_deref().map_or_else(|| Ok(Region::default()), Region::new);
        let region = region.unwrap_or_else(|error| {
            mistakes.push(BuildError::at("region", error));
            Region::default()
        });
        if mistakes.is_empty() {
            let Self {
                handlers, formats, verifier, opaque, transports, websockets_outlive_credentials, ..
            } = self;
            let handlers = handlers.unwrap_or_else(chain::usual);
            Ok(Gateway {
                handlers,
                formats,
                verifier,
                opaque,
                transports,
                trusted_proxies,
                leeway,
                explanations,
                correlation_header,
                region,
                websockets_outlive_credentials,
            })
        } else {
            Err(ConfigError(mistakes))
        }
    }
}

/// What is wrong with a configuration: every mistake, each with its path.
#[derive(Debug)]
pub struct ConfigError(Vec<BuildError>);

impl ConfigError {
    pub(super) fn new(mistakes: Vec<BuildError>) -> Self {
        Self(mistakes)
    }

    /// The mistakes.
    pub fn mistakes(&self) -> &[BuildError] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
