//! OAuth keys of an application.

use apim_core::key_manager::{OAuthClient, Token};
use serde_json::{Value, json};

use crate::db::{Desk, Read};
use crate::error::Result;
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Operation, outside, read};
use crate::rest::scope::{APP_MANAGE, SUBSCRIBE};
use crate::service::key::{self, Mapping, Which};

/// The rows. What can be done to the keys of a type can be done to keys by their id, too.
pub(super) fn operations() -> Vec<Operation> {
    const SCOPES: &[&str; 2] = &[SUBSCRIBE, APP_MANAGE];
    let mut rows = vec![
        outside("POST /applications/{applicationId}/generate-keys", SCOPES, generate),
        outside("POST /applications/{applicationId}/map-keys", SCOPES, map),
        read("GET /applications/{applicationId}/keys", SCOPES, list),
        read("GET /applications/{applicationId}/oauth-keys", SCOPES, list),
    ];
    for place in ["keys/{keyType}", "oauth-keys/{keyMappingId}"] {
        let path =
            |method: &str, rest: &str| format!("{method} /applications/{{applicationId}}/{place}{rest}");
        rows.extend([
            read(path("GET", ""), SCOPES, get),
            outside(path("PUT", ""), SCOPES, update),
            outside(path("POST", "/regenerate-secret"), SCOPES, renew_secret),
            outside(path("POST", "/clean-up"), SCOPES, clean_up),
            outside(path("POST", "/generate-token"), SCOPES, token),
        ]);
    }
    rows
}

async fn generate(desk: &mut Desk, call: Call) -> Result<Answer> {
    let keys = call.house().key_manager.clone();
    let made = key::generate(desk, &*keys, call.parameter("applicationId")?, call.document()).await?;
    let mut answer = document(&made.mapping);
    if let Some(secret) = &made.secret {
        answer["consumerSecret"] = secret.expose().into();
    }
    if let Some(token) = &made.token {
        answer["token"] = token_document(token);
    }
    Ok(Answer::ok(answer))
}

async fn map(desk: &mut Desk, call: Call) -> Result<Answer> {
    let keys = call.house().key_manager.clone();
    let mapped = key::map(desk, &*keys, call.parameter("applicationId")?, call.document()).await?;
    Ok(Answer::ok(document(&mapped)))
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let keys = key::list(cx, call.parameter("applicationId")?).await?;
    let list: Vec<Value> = keys.iter().map(document).collect();
    Ok(Answer::ok(json!({ "count": list.len(), "list": list })))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = key::get(cx, call.parameter("applicationId")?, which(&call)?).await?;
    Ok(Answer::ok(document(&found)))
}

async fn update(desk: &mut Desk, call: Call) -> Result<Answer> {
    let keys = call.house().key_manager.clone();
    let application = call.parameter("applicationId")?;
    let found = key::update(desk, &*keys, application, which(&call)?, call.document()).await?;
    Ok(Answer::ok(document(&found)))
}

async fn renew_secret(desk: &mut Desk, call: Call) -> Result<Answer> {
    let keys = call.house().key_manager.clone();
    let client = key::renew_secret(desk, &*keys, call.parameter("applicationId")?, which(&call)?).await?;
    let OAuthClient { id, secret, .. } = &client;
    let secret = secret.as_ref().map_or("", |secret| secret.expose());
    Ok(Answer::ok(json!({ "consumerKey": id, "consumerSecret": secret })))
}

async fn clean_up(desk: &mut Desk, call: Call) -> Result<Answer> {
    let keys = call.house().key_manager.clone();
    key::clean_up(desk, &*keys, call.parameter("applicationId")?, which(&call)?).await?;
    Ok(Answer::done())
}

async fn token(desk: &mut Desk, call: Call) -> Result<Answer> {
    let keys = call.house().key_manager.clone();
    let application = call.parameter("applicationId")?;
    let token = key::token(desk, &*keys, application, which(&call)?, call.document()).await?;
    Ok(Answer::ok(token_document(&token)))
}

fn which(call: &Call) -> Result<Which<'_>> {
    match call.parameter("keyMappingId") {
        Ok(id) => Ok(Which::Id(id)),
        Err(_) => Ok(Which::Type(key::key_type(call.parameter("keyType")?)?)),
    }
}

/// Keys as they can be told again and again: without their secret, of which only a hash is kept.
pub(super) fn document(it: &Mapping) -> Value {
    json!({
        "keyMappingId": it.id,
        "keyManager": it.key_manager,
        "consumerKey": it.client,
        "supportedGrantTypes": it.doc["grantTypes"],
        "callbackUrl": it.doc["callbackUrl"].as_str().unwrap_or_default(),
        "keyState": "COMPLETED",
        "keyType": it.key_type.as_str(),
        "mode": it.mode.as_str(),
        "additionalProperties": it.doc["additionalProperties"],
    })
}

fn token_document(token: &Token) -> Value {
    json!({
        "accessToken": token.access_token.expose(),
        "tokenScopes": token.scopes,
        "validityTime": token.expires_in.as_secs(),
    })
}
