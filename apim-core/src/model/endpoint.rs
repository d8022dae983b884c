//! Where an API's calls go.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an API's calls go, by the type of the caller's key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// For production keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production: Option<Endpoint>,
    /// For sandbox keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Endpoint>,
}

/// One backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// An absolute `http`, `https`, `ws` or `wss` URL; its path is put before the operation's.
    pub url: String,
    /// Milliseconds until the response's head must have arrived. Default 60,000.
    #[serde(default = "Endpoint::usual_timeout")]
    pub timeout_ms: u64,
    /// Status of the answer when that time is over. Default 504.
    #[serde(default = "Endpoint::usual_status", skip_serializing_if = "Endpoint::is_usual_status")]
    pub timeout_status: u16,
    /// Whether to speak HTTP/2 without TLS by prior knowledge (RFC 9113 section 3.3). Over TLS, ALPN decides.
    #[serde(default)]
    pub http2: bool,
}

impl Endpoint {
    /// A backend with the usual time-out.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            timeout_ms: Self::usual_timeout(),
            timeout_status: Self::usual_status(),
            http2: false,
        }
    }

    fn usual_timeout() -> u64 {
        60_000
    }

    fn usual_status() -> u16 {
        StatusCode::GATEWAY_TIMEOUT.as_u16()
    }

    fn is_usual_status(status: &u16) -> bool {
        *status == Self::usual_status()
    }
}
