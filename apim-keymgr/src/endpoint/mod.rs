//! The doors: one file per endpoint, and the table that says where each one is.

mod authorize;
mod discovery;
mod introspect;
mod jwks;
mod register;
mod revoke;
mod token;
mod userinfo;

use apim_core::Body;
use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::json;

use crate::call::Call;
use crate::error::OAuthError;
use crate::reply;
use crate::server::Core;

/// Where a door is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Authorize,
    Discovery,
    Introspect,
    Jwks,
    Register,
    Revoke,
    Token,
    Userinfo,
}

/// What stands in discovery documents and behind the issuer's origin.
pub(crate) mod path {
    pub(crate) const AUTHORIZE: &str = "/oauth2/authorize";
    pub(crate) const INTROSPECT: &str = "/oauth2/introspect";
    pub(crate) const JWKS: &str = "/oauth2/jwks";
    pub(crate) const REGISTER: &str = "/client-registration/v0.17/register";
    pub(crate) const REVOKE: &str = "/oauth2/revoke";
    pub(crate) const TOKEN: &str = "/oauth2/token";
    pub(crate) const USERINFO: &str = "/oauth2/userinfo";
}

const GET: &[Method] = &[Method::GET, Method::HEAD];
const POST: &[Method] = &[Method::POST];
const BOTH: &[Method] = &[Method::GET, Method::HEAD, Method::POST];

/// Paths, the methods they take, and what is there.
const DOORS: [(&str, &[Method], Endpoint); 10] = [
    (path::TOKEN, POST, Endpoint::Token),
    (path::REVOKE, POST, Endpoint::Revoke),
    (path::INTROSPECT, POST, Endpoint::Introspect),
    (path::AUTHORIZE, BOTH, Endpoint::Authorize),
    (path::JWKS, GET, Endpoint::Jwks),
    (path::USERINFO, BOTH, Endpoint::Userinfo),
    (path::REGISTER, POST, Endpoint::Register),
    // As WSO2's clients look for it, and as RFC 8414 section 3.1 derives it from the issuer.
    ("/oauth2/token/.well-known/openid-configuration", GET, Endpoint::Discovery),
    ("/oauth2/token/.well-known/oauth-authorization-server", GET, Endpoint::Discovery),
    ("/.well-known/oauth-authorization-server/oauth2/token", GET, Endpoint::Discovery),
];

/// Finds the door for a request, or the answer if there is none.
pub(crate) fn find(path: &str, method: &Method) -> Result<Endpoint, Box<Response<Body>>> {
    let Some((_, methods, endpoint)) = DOORS.into_iter().find(|(known, ..)| *known == path) else {
        let body = json!({ "error": "not_found", "error_description": "there is nothing at this path" });
        return Err(Box::new(reply::json(StatusCode::NOT_FOUND, &body)));
    };
    if methods.contains(method) {
        return Ok(endpoint);
    }
    let body = json!({ "error": "invalid_request", "error_description": "the method is not allowed here" });
    let mut response = reply::json(StatusCode::METHOD_NOT_ALLOWED, &body);
    let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    response.headers_mut().extend(HeaderValue::try_from(allow).map(|allow| (header::ALLOW, allow)));
    Err(Box::new(response))
}

impl Endpoint {
    /// Answers a request that came to this door.
    pub(crate) async fn answer(self, core: &Core, call: &Call) -> Result<Response<Body>, OAuthError> {
        match self {
            Self::Authorize => Ok(authorize::answer(core, call).await),
            Self::Discovery => Ok(discovery::answer(core)),
            Self::Introspect => introspect::answer(core, call).await,
            Self::Jwks => jwks::answer(core).await,
            Self::Register => register::answer(core, call).await,
            Self::Revoke => revoke::answer(core, call).await,
            Self::Token => token::answer(core, call).await,
            Self::Userinfo => userinfo::answer(core, call).await,
        }
    }
}
