//! `/oauth2/jwks` (RFC 7517).

use apim_core::Body;
use http::Response;

use crate::error::OAuthError;
use crate::reply;
use crate::server::Core;

pub(super) async fn answer(core: &Core) -> Result<Response<Body>, OAuthError> {
    let keys = core.keys.jwks().await.map_err(OAuthError::internal)?;
    Ok(reply::public(&keys))
}
