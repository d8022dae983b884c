//! API keys of an application.

use serde_json::{Value, json};

use crate::db::{Read, Write};
use crate::error::{Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Operation, read, write};
use crate::rest::scope::{API_KEY, APP_MANAGE, SUBSCRIBE};
use crate::service::api_key::{self, Key, Made};
use crate::service::application::millis;
use crate::service::key::key_type;

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    const SCOPES: &[&str; 3] = &[SUBSCRIBE, APP_MANAGE, API_KEY];
    let path = |method: &str, rest: &str| {
        format!("{method} /applications/{{applicationId}}/api-keys/{{keyType}}{rest}")
    };
    vec![
        write(path("POST", "/generate"), SCOPES, generate),
        write(path("POST", "/regenerate"), SCOPES, regenerate),
        read(path("GET", ""), SCOPES, list),
        write(path("POST", "/revoke"), SCOPES, revoke),
    ]
}

async fn generate(cx: &mut Write, call: Call) -> Result<Answer> {
    let key_type = key_type(call.parameter("keyType")?)?;
    let made = api_key::generate(cx, call.parameter("applicationId")?, key_type, call.document()).await?;
    Ok(Answer::ok(told_once(&made)))
}

async fn regenerate(cx: &mut Write, call: Call) -> Result<Answer> {
    let key_type = key_type(call.parameter("keyType")?)?;
    let id = call.document()["keyUUID"].as_str().unwrap_or_default();
    let made = api_key::regenerate(cx, call.parameter("applicationId")?, key_type, id).await?;
    Ok(Answer::ok(told_once(&made)))
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let key_type = key_type(call.parameter("keyType")?)?;
    let keys = api_key::list(cx, call.parameter("applicationId")?, key_type).await?;
    let list: Vec<Value> = keys.iter().map(info).collect();
    Ok(Answer::ok(json!({ "count": list.len(), "list": list })))
}

async fn revoke(cx: &mut Write, call: Call) -> Result<Answer> {
    let key_type = key_type(call.parameter("keyType")?)?;
    let text = |name: &str| call.document()[name].as_str().filter(|text| !text.is_empty());
    let (id, key) = (text("keyUUID"), text("apikey"));
    if id.is_none() && key.is_none() {
        return Err(code::BAD_REQUEST.because("Send keyUUID or apikey").into());
    }
    api_key::revoke(cx, call.parameter("applicationId")?, key_type, id, key).await?;
    Ok(Answer::done())
}

fn told_once(made: &Made) -> Value {
    json!({
        "keyUUID": made.key.id,
        "keyName": made.key.name,
        "apikey": made.text.expose(),
        "validityPeriod": validity(&made.key),
    })
}

fn info(key: &Key) -> Value {
    json!({
        "keyUUID": key.id,
        "keyName": key.name,
        "issuedOn": millis(key.issued_at),
        "validityPeriod": validity(key),
        "additionalProperties": {
            "permittedIP": joined(&key.doc["permittedIP"]),
            "permittedReferer": joined(&key.doc["permittedReferer"]),
        },
    })
}

/// Seconds, or -1 for ever.
fn validity(key: &Key) -> i64 {
    let seconds = key.expires_at.map(|at| at.since(key.issued_at).as_secs());
    seconds.map_or(-1, |seconds| i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn joined(list: &Value) -> String {
    let list: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    list.join(",")
}
