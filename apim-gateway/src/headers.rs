//! Header hygiene: what the backend may believe.
//!
//! Credentials that were for the gateway end at the gateway. Headers by which gateways and balancers tell
//! backends who calls are set by us or not at all, in every spelling that some backend might read. What
//! belongs to one connection only (RFC 9110 section 7.6.1) is removed where connections meet, in
//! [`upstream`](crate::upstream).

use std::sync::Arc;

use apim_core::model::{Api, AuthType};
use apim_core::{BuildError, Exchange, Fault, Filter, Flow, Link, Parts, Provide};
use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderName, Uri};

use crate::gateway::Texts;
use crate::rescue::REQUEST_ID;

/// The header that carries an API key, unless an API names another.
pub const API_KEY: HeaderName = HeaderName::from_static("apikey");

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

/// Removes what the backend must not see or must not believe, and tells it the request's id.
#[derive(Debug)]
pub struct Hygiene {
    keep_credentials: bool,
    texts: Arc<Texts>,
}

impl Filter for Hygiene {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        remove_ours(exchange);
        if !self.keep_credentials {
            remove_credentials(exchange);
        }
        let id = self.texts.of(exchange.context().request_id, exchange.context().worker);
        exchange.headers_mut().insert(REQUEST_ID, id);
        Ok(Flow::Continue)
    }
}

/// One look at each name is cheaper than asking for names that are hardly ever there; only requests that
/// have one pay for the list.
fn remove_ours(exchange: &mut Exchange) {
    let headers = exchange.headers_mut();
    let doomed = headers.keys().filter(|name| is_ours(name.as_str())).cloned().collect::<Vec<_>>();
    for name in doomed {
        headers.remove(name);
    }
}

/// `X_Forwarded_For` reads like `X-Forwarded-For` to every backend that speaks CGI. No header needs an
/// underscore, so whichever alias of a header that matters is removed.
fn is_ours(name: &str) -> bool {
    if name.contains('_') {
        let plain = name.replace('_', "-");
        return plain.starts_with("x-forwarded-")
            || ["forwarded", "authorization", "host", "content-length", "transfer-encoding", "apikey"]
                .contains(&&*plain)
            || OURS.contains(&&*plain);
    }
    matches!(name.as_bytes().first(), Some(b'x' | b'i')) && OURS.contains(&name)
}

/// An operation for everybody may have a backend with credentials of its own, so there they pass.
fn remove_credentials(exchange: &mut Exchange) {
    let Some(api) = exchange.context().api.clone() else { return };
    if exchange.context().operation().is_some_and(|operation| operation.auth == AuthType::None) {
        return;
    }
    match &api.authorization_header {
        Some(name) => drop(exchange.headers_mut().remove(name.as_str())),
        None => drop(exchange.headers_mut().remove(AUTHORIZATION)),
    }
    if api.schemes.api_key {
        remove_api_key(&api, exchange);
    }
}

fn remove_api_key(api: &Api, exchange: &mut Exchange) {
    match &api.api_key_header {
        Some(name) => drop(exchange.headers_mut().remove(name.as_str())),
        None => drop(exchange.headers_mut().remove(API_KEY)),
    }
    let Some(target) = without_parameter(exchange.uri(), API_KEY.as_str()) else { return };
    let mut parts = exchange.uri().clone().into_parts();
    parts.path_and_query = Some(target);
    if let Ok(uri) = Uri::from_parts(parts) {
        exchange.head_mut().uri = uri;
    }
}

/// The target without a query parameter; none if it has no such parameter.
fn without_parameter(uri: &Uri, parameter: &str) -> Option<PathAndQuery> {
    let is_it = |pair: &&str| pair.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case(parameter));
    let query = uri.query()?;
    query.split('&').find(is_it)?;
    let rest = query.split('&').filter(|pair| !is_it(pair)).collect::<Vec<_>>().join("&");
    let target = if rest.is_empty() { uri.path().to_owned() } else { format!("{}?{rest}", uri.path()) };
    target.try_into().ok()
}

/// What `use: headers` can be told.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether the caller's token or API key is passed on to the backend. Default: no.
    pub keep_credentials: bool,
}

impl Provide<Link> for Hygiene {
    const NAME: &'static str = "headers";
    type Config = Config;

    async fn build(config: Config, parts: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(Self { keep_credentials: config.keep_credentials, texts: parts.get()? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(target: &str) -> Option<String> {
        let uri: Uri = target.parse().ok()?;
        without_parameter(&uri, "apikey").map(|target| target.to_string())
    }

    #[test]
    fn an_api_key_in_the_query_does_not_reach_the_backend() {
        assert_eq!(without("/pets?apikey=secret").as_deref(), Some("/pets"));
        assert_eq!(without("/pets?a=1&ApiKey=secret&b=2").as_deref(), Some("/pets?a=1&b=2"));
        assert_eq!(without("/pets?a=1&apikeys=2"), None);
        assert_eq!(without("/pets"), None);
    }
}
