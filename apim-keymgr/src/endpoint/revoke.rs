//! `/oauth2/revoke` (RFC 7009).

use apim_core::Body;
use http::{Response, StatusCode};

use crate::call::Call;
use crate::error::OAuthError;
use crate::server::Core;
use crate::{client_auth, reply};

/// 200 for every authenticated client, also for what is unknown or somebody else's: the answer tells
/// nothing about tokens, and foreign ones stay good. `token_type_hint` is not needed.
pub(super) async fn answer(core: &Core, call: &Call) -> Result<Response<Body>, OAuthError> {
    let form = call.form()?;
    let client = client_auth::authenticate(core, call, &form).await?;
    let token = form.need("token")?;
    core.revoke_text(token, &client.id).await.map_err(OAuthError::internal)?;
    Ok(reply::empty(StatusCode::OK))
}
