//! `/oauth2/token` (RFC 6749 section 3.2).

use apim_core::Body;
use http::{Response, StatusCode};

use crate::call::Call;
use crate::error::{Kind, OAuthError};
use crate::server::Core;
use crate::{client_auth, grant, reply};

pub(super) async fn answer(core: &Core, call: &Call) -> Result<Response<Body>, OAuthError> {
    let form = call.form()?;
    let client = client_auth::authenticate(core, call, &form).await?;
    let wanted = form.need("grant_type")?;
    let grant = grant::named(wanted)
        .ok_or_else(|| OAuthError::new(Kind::UnsupportedGrantType, "this grant type is not offered"))?;
    if !client.grant_types.iter().any(|allowed| allowed == grant.name()) {
        return Err(OAuthError::new(Kind::UnauthorizedClient, "the client may not use this grant type"));
    }
    let request = grant::Request { core, client: &client, form: &form, address: call.address() };
    let leave = grant.redeem(request).await?;
    let issued = core.issue(&client, leave).await?;
    Ok(reply::json(StatusCode::OK, &issued.into_json()))
}
