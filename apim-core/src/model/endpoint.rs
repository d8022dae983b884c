//! Where an API's calls go.
//!
//! An API has an [`Endpoint`] for production keys and one for sandbox keys. Most name one backend by its URL
//! and nothing else:
//!
//! ```
//! use apim_core::model::Endpoint;
//!
//! let short: Endpoint = serde_json::from_str(r#"{"url": "https://pets.example/v2"}"#).unwrap();
//! assert_eq!(short, Endpoint::new("https://pets.example/v2"));
//! ```
//!
//! Others have several [`Member`]s and a [`Balance`], and say what is to be done about members that fail.

use std::collections::BTreeMap;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BackendTls, Breaker, Dynamic, Ejection, EndpointSecurity, HealthCheck, Lambda, Retry, Suspension,
};

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
    /// Others, for the mediator `set-endpoint` to choose by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub named: BTreeMap<String, Endpoint>,
}

impl Endpoints {
    /// All of them, each with its place below `endpoints`, as `production` or `named.blue`.
    pub fn all(&self) -> impl Iterator<Item = (String, &Endpoint)> {
        let sides = [("production", &self.production), ("sandbox", &self.sandbox)];
        let sides = sides.into_iter().filter_map(|(name, side)| Some((name.to_owned(), side.as_ref()?)));
        sides.chain(self.named.iter().map(|(name, endpoint)| (format!("named.{name}"), endpoint)))
    }
}

/// One or more backends that serve the same, and how they are called.
///
/// Exactly one of [`url`](Self::url), [`members`](Self::members), [`lambda`](Self::lambda) and
/// [`mock`](Self::mock) says who answers; [`dynamic`](Self::dynamic) may stand alone or beside one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The only backend: an absolute `http`, `https`, `ws` or `wss` URL; its path is put before the
    /// operation's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The backends, if there are several; in order for [`Balance::Failover`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    /// Which member a call goes to.
    #[serde(default, skip_serializing_if = "Balance::is_usual")]
    pub policy: Balance,
    /// Milliseconds until the response's head must have arrived, counted from the last piece of the request's
    /// body. Default 60,000; 0: for ever.
    #[serde(default = "Endpoint::usual_timeout")]
    pub timeout_ms: u64,
    /// Status of the answer when that time is over. Default 504.
    #[serde(default = "Endpoint::usual_status", skip_serializing_if = "Endpoint::is_usual_status")]
    pub timeout_status: u16,
    /// Milliseconds until a connection must stand, TLS included. Default: the gateway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout_ms: Option<u64>,
    /// Milliseconds between two pieces of a response's body. Default: the gateway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_timeout_ms: Option<u64>,
    /// Requests in flight to each member at once, over all workers of the gateway; over HTTP/1.1 that is as many
    /// connections in use. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<u32>,
    /// Whether to speak HTTP/2 without TLS by prior knowledge (RFC 9113 section 3.3). Over TLS, ALPN decides.
    #[serde(default)]
    pub http2: bool,
    /// TLS towards the members, where it is not to be the gateway's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Box<BackendTls>>,
    /// How the gateway authenticates itself to the members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<Box<EndpointSecurity>>,
    /// When a request is sent again. Default: never, save as [`Balance::Failover`] says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Box<Retry>>,
    /// WSO2's way to leave a failing member alone for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Box<Suspension>>,
    /// Leaves a member out that fails where the others do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ejection: Option<Box<Ejection>>,
    /// Stops calling a member that fails too often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Box<Breaker>>,
    /// Asks the members whether they are well. Functions of AWS Lambda cannot be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Box<HealthCheck>>,
    /// Calls functions of AWS Lambda instead of a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<Box<Lambda>>,
    /// Lets a header of the request, or a mediator, name the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<Box<Dynamic>>,
    /// Answers with the operation's [examples](super::Operation::examples) and calls nobody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mock: bool,
}

impl Endpoint {
    /// A single backend with the usual time-out.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            members: Vec::new(),
            policy: Balance::default(),
            timeout_ms: Self::usual_timeout(),
            timeout_status: Self::usual_status(),
            connect_timeout_ms: None,
            body_timeout_ms: None,
            max_requests: None,
            http2: false,
            tls: None,
            security: None,
            retry: None,
            suspension: None,
            ejection: None,
            breaker: None,
            health: None,
            lambda: None,
            dynamic: None,
            mock: false,
        }
    }

    /// Several backends, called in turn.
    pub fn of(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { members: urls.into_iter().map(Member::new).collect(), ..Self::new("") }
    }

    /// Whether anything in it must not be read by everybody.
    pub fn has_secrets(&self) -> bool {
        let key = self.tls.as_ref().is_some_and(|tls| tls.key.is_some());
        key || self.security.is_some() || self.lambda.is_some()
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

/// One backend of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// As [`Endpoint::url`].
    pub url: String,
    /// Its share of the calls under [`Balance::Weighted`], from 1 to 1,000. Default 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,
}

impl Member {
    /// A backend of weight 1.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), weight: 1 }
    }
}

fn one() -> u32 {
    1
}

fn is_one(weight: &u32) -> bool {
    *weight == 1
}

/// Which of several members a call goes to. Members that are suspended, ejected, unwell or full are passed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Balance {
    /// One after the other; each worker of the gateway counts for itself.
    #[default]
    RoundRobin,
    /// One after the other by their weights, interleaved as evenly as they allow.
    Weighted,
    /// Of two chosen at random the one with less to do: the moving average of its response times, times the
    /// requests it has in hand.
    LeastLoaded,
    /// The first, as long as it is able. A call that fails on one member without any answer goes to the next, if
    /// nothing of it was sent, or if it is idempotent and its body can be sent again.
    Failover,
}

impl Balance {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}
