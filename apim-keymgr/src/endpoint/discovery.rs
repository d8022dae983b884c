//! What this server offers, and where (RFC 8414, OpenID Connect Discovery).

use apim_core::Body;
use http::Response;
use serde_json::json;

use super::path;
use crate::server::Core;
use crate::{grant, reply, scope};

pub(super) fn answer(core: &Core) -> Response<Body> {
    let at = |path: &str| format!("{}{path}", core.origin);
    reply::public(&json!({
        "issuer": core.issuer,
        "authorization_endpoint": at(path::AUTHORIZE),
        "token_endpoint": at(path::TOKEN),
        "revocation_endpoint": at(path::REVOKE),
        "introspection_endpoint": at(path::INTROSPECT),
        "userinfo_endpoint": at(path::USERINFO),
        "jwks_uri": at(path::JWKS),
        "registration_endpoint": at(path::REGISTER),
        "scopes_supported": [scope::OPENID, scope::DEFAULT],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grant::ALL.map(|grant| grant.name()),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "azp", "iat", "exp", "nonce", "at_hash"],
    }))
}
