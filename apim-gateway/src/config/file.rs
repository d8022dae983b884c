//! The configuration as it stands in a file.

use std::fmt;
use std::time::Duration;

use apim_core::registry::{FormatEntry, HandlerEntry, TransportEntry, VerifierEntry};
use apim_core::{BuildError, Entry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Gateway;
use crate::analytics::Region;
use crate::gateway::Told;
use crate::{auth, chain, correlation, deploy};

/// The longest leeway that can be meant: with more, expired tokens live on.
const LONGEST_LEEWAY: Duration = Duration::from_secs(300);

/// A gigabyte for each worker, when all are there.
const MOST_EXPLANATIONS: usize = 1_000_000;

/// Forty million tokens.
const MOST_TOKEN_MEMORY_MIB: usize = 65_536;

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
    /// In how many MiB all workers together remember tokens that they have verified, so that a token in use costs
    /// no verification. One takes about twice its length. Default 16, at most 65536; 0: each call verifies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_memory_mib: Option<usize>,
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
    /// In which header clients' certificates are told, by balancers and to backends. Default: in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_header: Option<CertificateHeader>,
    /// Whether a WebSocket stays open when the token, API key or certificate that it was opened with expires or is
    /// revoked, as WSO2's do. Default: no, it is closed within a second.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub websockets_outlive_credentials: bool,
}

/// In which header clients' certificates are told. It is taken off whatever clients send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CertificateHeader {
    /// The header. Default `X-WSO2-CLIENT-CERTIFICATE`; the value of `Client-Cert` is as RFC 9440 says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Addresses and networks of balancers that have ended TLS with the client, and set the header or take it off. It
    /// is believed of them, unless the connection itself has shown a certificate. Default: of nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub balancers: Vec<String>,
    /// Whether balancers percent-encode the certificate (WSO2's `client_certificate_encode`). Default: no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub url_encoded: bool,
    /// Whether backends are told of the caller's certificate, if the API accepts it: as DER in base64. Default: no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub to_backends: bool,
}

impl CertificateHeader {
    fn resolve(&self, mistakes: &mut Vec<BuildError>) -> Told {
        let place = |rest: &str| format!("client_certificate_header.{rest}");
        let mut told = Told {
            header: Told::USUAL,
            url_encoded: self.url_encoded,
            balancers: Vec::with_capacity(self.balancers.len()),
            to_backends: self.to_backends,
        };
        match self.name.as_deref().map(correlation::header) {
            None => {}
            Some(Ok(name)) => told.header = name,
            Some(Err(error)) => mistakes.push(BuildError::at(place("name"), error)),
        }
        for (index, text) in self.balancers.iter().enumerate() {
            match deploy::network(text) {
                Ok(network) => told.balancers.push(network),
                Err(error) => mistakes.push(BuildError::at(place(&format!("balancers[{index}]")), error)),
            }
        }
        if self.balancers.is_empty() && !self.to_backends {
            let why = "nobody tells and nobody is told; name `balancers`, or say `to_backends`";
            mistakes.push(BuildError::at("client_certificate_header", why));
        }
        told
    }
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
        let token_memory =
            self.token_memory_mib.map_or(auth::JwtVerifier::USUAL_ROOM, |mib| mib.saturating_mul(1 << 20));
        if self.token_memory_mib.is_some_and(|mib| mib > MOST_TOKEN_MEMORY_MIB) {
            mistakes.push(BuildError::at("token_memory_mib", "at most 65536"));
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
        let told = self.client_certificate_header.as_ref().map(|header| header.resolve(&mut mistakes));
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
                token_memory,
                explanations,
                correlation_header,
                region,
                client_certificate_header: told,
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
