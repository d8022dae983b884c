//! `/oauth2/userinfo` (OpenID Connect Core section 5.3).

use apim_core::Body;
use apim_core::key_manager::TokenKind;
use http::{Response, StatusCode};
use serde_json::json;

use crate::call::Call;
use crate::error::{Kind, OAuthError};
use crate::server::Core;
use crate::verify::Worth;
use crate::{reply, scope};

pub(super) async fn answer(core: &Core, call: &Call) -> Result<Response<Body>, OAuthError> {
    let refused = || OAuthError::new(Kind::InvalidToken, "a good access token is needed");
    let token = call.authorization("Bearer").map_err(|_| refused())?.ok_or_else(refused)?;
    let Worth::Good(claims) = core.appraise(token).await.map_err(OAuthError::internal)? else {
        return Err(refused());
    };
    if claims.kind != TokenKind::User || !claims.has_scope(scope::OPENID) {
        return Err(OAuthError::new(Kind::InsufficientScope, "the token does not carry openid"));
    }
    let name = claims.subject.as_str();
    Ok(reply::json(StatusCode::OK, &json!({ "sub": name, "preferred_username": name })))
}
