//! Header hygiene: what the backend may believe.
//!
//! Headers by which gateways and balancers tell backends who calls are set by us or not at all, in every
//! spelling that some backend might read. What belongs to one connection only (RFC 9110 section 7.6.1) is
//! removed where connections meet, in [`upstream`](crate::upstream); credentials, where they are looked at, in
//! [`auth`](crate::auth).

use std::sync::Arc;

use apim_core::{BuildError, Exchange, Fault, Filter, Flow, Link, Parts, Provide};
use http::HeaderMap;

use crate::correlation::Correlation;
use crate::gateway::{CertificateHeader, Vouched, id_header};
use crate::rescue::REQUEST_ID;

/// Headers that only a gateway may set. A client's own are removed.
const OURS: [&str; 10] = [
    "x-jwt-assertion",
    "internal-key",
    "x-wso2-client-certificate",
    "x-real-ip",
    "x-forwarded-prefix",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// Removes what the backend must not see or must not believe, and tells it the request's id and the
/// [correlation](crate::correlation) id.
#[derive(Debug)]
pub struct Hygiene {
    correlation: Correlation,
    /// Whether the backend may be told of the caller's certificate.
    tells_certificates: bool,
}

impl Filter for Hygiene {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        remove_ours(exchange.headers_mut());
        if self.tells_certificates
            && let Some(Vouched(name, value)) = exchange.context_mut().slots.remove()
        {
            exchange.headers_mut().insert(name, value);
        }
        let context = exchange.context();
        let id = id_header(context.request_id);
        let correlation = context.correlation_id.clone().unwrap_or_else(|| id.clone());
        let headers = exchange.headers_mut();
        headers.insert(REQUEST_ID, id);
        headers.insert(self.correlation.header(), correlation);
        Ok(Flow::Continue)
    }
}

/// One look at each name is cheaper than asking for names that are hardly ever there; only requests that
/// have one pay for the list.
fn remove_ours(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| is_ours(name.as_str())) {
        return;
    }
    let doomed = headers.keys().filter(|name| is_ours(name.as_str())).cloned().collect::<Vec<_>>();
    for name in doomed {
        headers.remove(name);
    }
}

/// `X_Forwarded_For` reads like `X-Forwarded-For` to every backend that speaks CGI. No header needs an
/// underscore, so whichever alias of a header that matters is removed.
fn is_ours(name: &str) -> bool {
    // All bytes are looked at, since a loop that may end early looks at one at a time.
    if name.bytes().fold(false, |found, byte| found | (byte == b'_')) {
        let plain = name.replace('_', "-");
        return plain.starts_with("x-forwarded-")
            || ["forwarded", "authorization", "host", "content-length", "transfer-encoding", "apikey"]
                .contains(&&*plain)
            || OURS.contains(&&*plain);
    }
    matches!(name.as_bytes().first(), Some(b'x' | b'i')) && OURS.contains(&name)
}

impl Provide<Link> for Hygiene {
    const NAME: &'static str = "headers";
    type Config = ();

    async fn build((): (), parts: &Parts) -> Result<Link, BuildError> {
        let header: Option<Arc<CertificateHeader>> = parts.get()?;
        let tells_certificates = header.is_some();
        Ok(Link::filter(Self { correlation: parts.get()?, tells_certificates }).shared())
    }
}
