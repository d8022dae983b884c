//! `/oauth2/introspect` (RFC 7662).

use apim_core::Body;
use apim_core::model::ClientId;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::error::OAuthError;
use crate::form::Form;
use crate::server::Core;
use crate::verify::Worth;
use crate::{client_auth, opaque, reply, scope};

/// What stands in the answer of the claims of an access token (spec: key-manager, section 2).
const SHOWN: [&str; 10] = ["scope", "client_id", "iat", "nbf", "exp", "aut", "aud", "jti", "sub", "iss"];

/// Says what a token is worth, to its own client or to an administrator. For everybody else it is inactive:
/// whoever found a token shall not learn whose it is.
pub(super) async fn answer(core: &Core, call: &Call) -> Result<Response<Body>, OAuthError> {
    let form = call.form()?;
    let asking = authenticate(core, call, &form).await?;
    let found = look(core, form.need("token")?).await?;
    let shown = found.filter(|(client, _)| asking.may_see(client)).map(|(_, answer)| answer);
    Ok(reply::json(StatusCode::OK, &shown.unwrap_or_else(|| json!({ "active": false }))))
}

/// Who asks.
enum Asking {
    Client(ClientId),
    Administrator,
}

impl Asking {
    fn may_see(&self, owner: &ClientId) -> bool {
        match self {
            Self::Client(id) => id == owner,
            Self::Administrator => true,
        }
    }
}

/// A client by any of its ways, or an administrator by Basic. Ids of clients are random, so a name is
/// never both.
async fn authenticate(core: &Core, call: &Call, form: &Form) -> Result<Asking, OAuthError> {
    if let Some(basic) = call.basic()?
        && client_auth::find_basic(core, &basic).await?.is_none()
    {
        let user = core
            .log_in(&basic.name, basic.password.expose(), call.address())
            .await
            .map_err(|refused| refused.or_wrong(OAuthError::client()))?;
        return if core.is_admin(&user) { Ok(Asking::Administrator) } else { Err(OAuthError::client()) };
    }
    let client = client_auth::authenticate(core, call, form).await?;
    if client.public { Err(OAuthError::client()) } else { Ok(Asking::Client(client.id)) }
}

async fn look(core: &Core, token: &str) -> Result<Option<(ClientId, Value)>, OAuthError> {
    match core.appraise(token).await.map_err(OAuthError::internal)? {
        Worth::Good(claims) => {
            let shown = claims.all.to_map().into_iter().filter(|(name, _)| SHOWN.contains(&name.as_str()));
            let mut answer: Map<String, Value> =
                [("active".to_owned(), Value::Bool(true))].into_iter().collect();
            answer.extend(shown);
            answer.insert("username".to_owned(), claims.subject.as_str().into());
            answer.insert("token_type".to_owned(), "Bearer".into());
            Ok(Some((claims.client, answer.into())))
        }
        Worth::Foreign => refresh_token(core, token).await,
        Worth::Expired | Worth::Revoked => Ok(None),
    }
}

async fn refresh_token(core: &Core, token: &str) -> Result<Option<(ClientId, Value)>, OAuthError> {
    let Some(token) = core.stores.grants.refresh(&opaque::hash(token)).await? else {
        return Ok(None);
    };
    if !core.is_in_force(&token).await? {
        return Ok(None);
    }
    let answer = json!({
        "active": true,
        "scope": scope::join(&token.scopes),
        "client_id": token.client,
        "username": token.user,
        "token_type": "Refresh",
        "iat": token.issued_at.as_secs(),
        "exp": token.expires_at.as_secs(),
    });
    Ok(Some((token.client, answer)))
}
