//! `/client-registration/v0.17/register`: how WSO2's tools get a client (spec: key-manager, section 5).

use std::collections::BTreeMap;

use apim_core::Body;
use apim_core::key_manager::{ClientSpec, OAuthClient};
use apim_core::model::UserName;
use apim_core::store::{StoreError, User};
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::call::Call;
use crate::client::{Unregistered, check_redirect_uri, needs_redirect};
use crate::error::{Kind, OAuthError};
use crate::server::Core;
use crate::{grant, reply};

/// What may be said. Members that nobody here knows are ignored, since every tool has its own; repeated
/// ones are refused.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Registration {
    client_name: String,
    #[serde(default)]
    callback_url: Option<String>,
    #[serde(default)]
    grant_type: Option<String>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    saas_app: Option<bool>,
    #[serde(default)]
    token_type: Option<String>,
}

pub(super) async fn answer(core: &Core, call: &Call) -> Result<Response<Body>, OAuthError> {
    let user = authenticate(core, call).await?;
    let spec = read(core, call, &user)?;
    // One at a time: of two clients that add a secret at once, neither must lose its own.
    let _turn = core.edits.lock().await;
    let known = core.stores.clients.client_named(&spec.tenant, &spec.owner, &spec.name).await?;
    let client = match known {
        // Only hashes are kept, so who registers again gets a fresh secret; the earlier ones stay good.
        Some(known) => core.add_secret(&known.id).await,
        None => core.register(spec).await,
    };
    let client = client.map_err(OAuthError::from)?;
    Ok(reply::json(StatusCode::OK, &describe(&client)))
}

async fn authenticate(core: &Core, call: &Call) -> Result<User, OAuthError> {
    let wrong = || OAuthError::new(Kind::InvalidClient, "Unauthenticated request");
    let basic = call.basic()?.ok_or_else(wrong)?;
    let user = core
        .log_in(&basic.name, basic.password.expose(), call.address())
        .await
        .map_err(|refused| refused.or_wrong(wrong()))?;
    if user.roles.is_empty() {
        // Somebody who signed up and waits for approval has no role yet.
        return Err(OAuthError::new(Kind::AccessDenied, "the user has no role"));
    }
    Ok(user)
}

fn read(core: &Core, call: &Call, user: &User) -> Result<ClientSpec, OAuthError> {
    let wrong = |why: String| OAuthError::new(Kind::InvalidClientMetadata, why);
    if !call.has_type("application/json") {
        return Err(OAuthError::request("the body must be application/json"));
    }
    let wanted: Registration = serde_json::from_slice(call.body())
        .map_err(|error| wrong(format!("the body is malformed: {error}")))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-');
    if wanted.client_name.trim().is_empty() || !wanted.client_name.chars().all(plain) {
        return Err(wrong("clientName may hold letters, digits, spaces and . _ - only".to_owned()));
    }
    if let Some(other) = wanted.token_type.as_deref().filter(|t| !matches!(*t, "" | "JWT" | "DEFAULT")) {
        return Err(wrong(format!("the token type {other:?} is not offered")));
    }
    let callback = wanted.callback_url.filter(|uri| !uri.is_empty());
    let grant_types = grants(wanted.grant_type.as_deref(), callback.is_some())?;
    let mut additional =
        BTreeMap::from([("saasApp".to_owned(), wanted.saas_app.unwrap_or(true).to_string())]);
    let mut redirect_uris = Vec::new();
    if let Some(uri) = callback {
        // Tools that need no callback send something in its place; it must not become one.
        if needs_redirect(&grant_types) || check_redirect_uri(&uri).is_ok() {
            redirect_uris.push(uri);
        } else if uri.len() <= 2048 && !uri.contains('\0') {
            additional.insert("callbackUrl".to_owned(), uri);
        }
    }
    Ok(ClientSpec {
        tenant: core.config.tenant.clone(),
        name: wanted.client_name,
        owner: owner(core, wanted.owner, user)?,
        grant_types,
        redirect_uris,
        public: false,
        token_lifetime: None,
        additional,
    })
}

/// Everybody registers for themselves; only an administrator for others.
fn owner(core: &Core, wanted: Option<String>, user: &User) -> Result<UserName, OAuthError> {
    let owner = wanted.filter(|name| !name.is_empty()).map(|name| core.user_name(&name));
    match owner {
        Some(owner) if owner != user.name && !core.is_admin(user) => {
            Err(OAuthError::new(Kind::InvalidClientMetadata, "owner must be the user who registers"))
        }
        Some(owner) if owner.contains(char::is_control) => {
            Err(OAuthError::new(Kind::InvalidClientMetadata, "owner is malformed"))
        }
        owner => Ok(owner.unwrap_or_else(|| user.name.clone())),
    }
}

/// Grants that are not offered are left out, as the original does; so is the code grant without a callback.
fn grants(wanted: Option<&str>, has_callback: bool) -> Result<Vec<String>, OAuthError> {
    let mut grants: Vec<String> = Vec::new();
    for name in wanted.unwrap_or(grant::CLIENT_CREDENTIALS).split_ascii_whitespace() {
        let usable = has_callback || name != grant::AUTHORIZATION_CODE;
        if usable && grant::named(name).is_some() && !grants.iter().any(|known| known == name) {
            grants.push(name.to_owned());
        }
    }
    if grants.is_empty() {
        return Err(OAuthError::new(Kind::InvalidClientMetadata, "no grant type remains that is offered"));
    }
    Ok(grants)
}

fn describe(client: &OAuthClient) -> serde_json::Value {
    let spec = &client.spec;
    let remembered = spec.additional.get("callbackUrl").map(String::as_str);
    let callback = spec.redirect_uris.first().map(String::as_str).or(remembered).unwrap_or_default();
    let grants = spec.grant_types.join(" ");
    // Text of JSON within JSON, since that is what the original's clients parse.
    let details = json!({ "client_name": spec.name, "grant_types": grants, "redirect_uris": callback });
    json!({
        "clientId": client.id,
        "clientSecret": client.secret.as_ref().map(apim_core::Secret::expose),
        "clientName": spec.name,
        "callBackURL": callback,
        "isSaasApplication": spec.additional.get("saasApp").is_some_and(|saas| saas == "true"),
        "appOwner": spec.owner,
        "jsonString": details.to_string(),
        "jsonAppAttribute": "{}",
        "tokenType": "JWT",
    })
}

impl From<Unregistered> for OAuthError {
    fn from(error: Unregistered) -> Self {
        match error {
            Unregistered::Metadata(why) => Self::new(Kind::InvalidClientMetadata, why),
            Unregistered::RedirectUri(why) => Self::new(Kind::InvalidRedirectUri, why),
            // Somebody else's process registered the name in this very moment.
            Unregistered::Store(StoreError::Exists) => {
                Self::new(Kind::TemporarilyUnavailable, "the client is being registered; try again")
            }
            Unregistered::Store(error) => error.into(),
            Unregistered::Entropy(error) => error.into(),
        }
    }
}
