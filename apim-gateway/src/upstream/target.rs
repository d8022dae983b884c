//! A backend as it is called: the endpoint's URL, taken apart once.

use std::sync::Arc;

use apim_core::model::Endpoint;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};

use super::pool::Pool;
use crate::transport::dial::Destination;

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
}

/// An endpoint's URL, taken apart.
pub(super) struct Address {
    pub(super) authority: Authority,
    pub(super) base: Box<str>,
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
}

/// Says what is wrong with an endpoint, if anything is; for deployments to be refused.
///
/// # Errors
///
/// A sentence about the URL.
///
/// ```
/// use apim_core::model::Endpoint;
/// use apim_gateway::upstream::check;
///
/// assert!(check(&Endpoint::new("https://pets.example/v2")).is_ok());
/// assert!(check(&Endpoint::new("ftp://pets.example")).is_err());
/// ```
pub fn check(endpoint: &Endpoint) -> Result<(), String> {
    Address::parse(&endpoint.url).map(drop)?;
    if !(100..=999).contains(&endpoint.timeout_status) {
        return Err(format!("{} is no HTTP status", endpoint.timeout_status));
    }
    Ok(())
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("`{url}` is not a URL: {error}"))?;
        let tls = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(format!("`{url}` must begin with http://, https://, ws:// or wss://")),
        };
        if uri.query().is_some() {
            return Err(format!("`{url}` must not have a query"));
        }
        let base = uri.path().trim_end_matches('/').into();
        let Some(authority) = uri.authority().cloned() else {
            return Err(format!("`{url}` names no host"));
        };
        if authority.as_str().contains('@') {
            return Err("an endpoint's URL must not hold credentials".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { authority, base, tls, host, port })
    }

    pub(super) fn destination(&self, tls: Option<Arc<rustls::ClientConfig>>) -> Destination {
        Destination { host: self.host.clone(), port: self.port, tls }
    }
}
