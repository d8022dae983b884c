//! What the server puts up with from its clients, as it stands in a file.

use std::time::Duration;

use apim_core::BuildError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::server;

/// Limits on clients, as their author wrote them; what is left out is as [`server::Limits`] has it.
///
/// ```
/// use apim_gateway::config::Limits;
///
/// let limits: Limits = serde_json::from_str(r#"{"body_bytes": 1048576, "head_seconds": 5}"#).unwrap();
/// assert_eq!(limits.resolve().unwrap().body_bytes, 1 << 20);
/// let wrong: Limits = serde_json::from_str(r#"{"headers": 0}"#).unwrap();
/// assert!(wrong.resolve().unwrap_err().to_string().contains("headers"));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a request's head, from 8 KiB.
    pub head_bytes: Option<usize>,
    /// Header lines of a request.
    pub headers: Option<usize>,
    /// Bytes of a request's body.
    pub body_bytes: Option<u64>,
    /// Seconds from a head's first byte to its last.
    pub head_seconds: Option<u64>,
    /// Seconds between two pieces of a request's body.
    pub body_seconds: Option<u64>,
    /// Seconds in which a client must take what is sent to it.
    pub write_seconds: Option<u64>,
    /// Seconds that a connection may wait for its next request.
    pub keep_alive_seconds: Option<u64>,
    /// Seconds until TLS is established.
    pub handshake_seconds: Option<u64>,
    /// Seconds that requests in flight have once shutdown has begun.
    pub drain_seconds: Option<u64>,
    /// Connections at once.
    pub connections: Option<usize>,
    /// Requests at once.
    pub requests: Option<usize>,
    /// Connections at once from one address.
    pub connections_per_client: Option<usize>,
    /// Requests at once on one HTTP/2 connection.
    pub streams: Option<u32>,
    /// Requests on one connection, one after the other, after which it is closed.
    pub requests_per_connection: Option<u32>,
}

/// Cookies and a token have to fit.
const SMALLEST_HEAD: usize = 8 << 10;

impl Limits {
    /// Makes of it what is run.
    ///
    /// # Errors
    ///
    /// Every limit that would let nothing pass, by its name.
    pub fn resolve(self) -> Result<server::Limits, ConfigError> {
        let usual = server::Limits::default();
        let mut mistakes = Vec::new();
        let mut check = |name: &str, is_good: bool, rule: &str| {
            if !is_good {
                mistakes.push(BuildError::at(name, rule.to_owned()));
            }
        };
        check("head_bytes", self.head_bytes.is_none_or(|bytes| bytes >= SMALLEST_HEAD), "at least 8192");
        for (name, is_zero) in [
            ("headers", self.headers == Some(0)),
            ("head_seconds", self.head_seconds == Some(0)),
            ("body_seconds", self.body_seconds == Some(0)),
            ("write_seconds", self.write_seconds == Some(0)),
            ("keep_alive_seconds", self.keep_alive_seconds == Some(0)),
            ("handshake_seconds", self.handshake_seconds == Some(0)),
            ("connections", self.connections == Some(0)),
            ("requests", self.requests == Some(0)),
            ("connections_per_client", self.connections_per_client == Some(0)),
            ("streams", self.streams == Some(0)),
            ("requests_per_connection", self.requests_per_connection == Some(0)),
        ] {
            check(name, !is_zero, "at least 1");
        }
        if !mistakes.is_empty() {
            return Err(ConfigError::new(mistakes));
        }
        let seconds = |given: Option<u64>, usual| given.map_or(usual, Duration::from_secs);
        Ok(server::Limits {
            head_bytes: self.head_bytes.unwrap_or(usual.head_bytes),
            headers: self.headers.unwrap_or(usual.headers),
            body_bytes: self.body_bytes.unwrap_or(usual.body_bytes),
            head_timeout: seconds(self.head_seconds, usual.head_timeout),
            body_timeout: seconds(self.body_seconds, usual.body_timeout),
            write_timeout: seconds(self.write_seconds, usual.write_timeout),
            keep_alive: seconds(self.keep_alive_seconds, usual.keep_alive),
            handshake_timeout: seconds(self.handshake_seconds, usual.handshake_timeout),
            drain_timeout: seconds(self.drain_seconds, usual.drain_timeout),
            connections: self.connections.unwrap_or(usual.connections),
            requests: self.requests.unwrap_or(usual.requests),
            connections_per_client: self.connections_per_client.or(usual.connections_per_client),
            streams: self.streams.unwrap_or(usual.streams),
            requests_per_connection: self.requests_per_connection.or(usual.requests_per_connection),
        })
    }
}
