//! A backend as it is called: a member's URL, taken apart once.

use std::sync::Arc;
use std::time::Duration;

use apim_core::BuildError;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};

use super::pool::Pool;
use super::tls::OwnTls;

/// A backend, seen from one worker.
pub(super) struct Target {
    /// The worker's connections to it.
    pub(super) pool: Arc<Pool>,
    /// For `Host`.
    pub(super) host: HeaderValue,
    /// For HTTP/2's pseudo-header.
    pub(super) scheme: Scheme,
    /// For HTTP/2's pseudo-header.
    pub(super) authority: Authority,
    /// What stands before every path; does not end with a slash.
    pub(super) base: Box<str>,
    /// For analytics.
    pub(super) destination: Arc<str>,
    /// Until a connection must stand.
    pub(super) connect_timeout: Duration,
    /// Between two pieces of a response's body.
    pub(super) body_timeout: Duration,
}

/// What the targets of all workers have in common.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) url: Box<str>,
    pub(super) authority: Authority,
    pub(super) header: HeaderValue,
    pub(super) base: Box<str>,
    pub(super) secure: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether to speak HTTP/2 by prior knowledge.
    pub(super) http2: bool,
    /// TLS of the endpoint's own.
    pub(super) tls: Option<Arc<OwnTls>>,
    pub(super) connect_timeout: Duration,
    pub(super) body_timeout: Duration,
}

/// Where a URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) authority: Authority,
    pub(crate) header: HeaderValue,
    pub(crate) base: Box<str>,
    pub(crate) secure: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Place {
    pub(crate) fn parse(url: &str) -> Result<Self, BuildError> {
        let wrong = |why: String| BuildError::at("url", why);
        let uri: Uri = url.parse().map_err(|error| wrong(format!("`{url}` is not a URL: {error}")))?;
        let secure = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(wrong(format!("`{url}` must begin with http://, https://, ws:// or wss://"))),
        };
        if uri.query().is_some() {
            return Err(wrong(format!("`{url}` must not have a query")));
        }
        let base = uri.path().trim_end_matches('/').into();
        let Some(authority) = uri.authority().cloned() else {
            return Err(wrong(format!("`{url}` names no host")));
        };
        if authority.as_str().contains('@') {
            return Err(wrong("an endpoint's URL must not hold credentials".to_owned()));
        }
        let header = HeaderValue::from_str(authority.as_str()).map_err(|error| wrong(error.to_string()))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { authority, header, base, secure, host, port })
    }
}
