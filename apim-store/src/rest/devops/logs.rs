//! What gateways write of calls.

use apim_core::model::{LogLevel, Tenant};
use serde_json::{Value, json};

use crate::db::{Read, Write};
use crate::error::{Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Operation, read, write};
use crate::rest::scope::{ADMIN, ADMIN_OPERATIONS};
use crate::service::log_level::{self, Entry};

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        read("GET /tenant-logs/{tenantId}/apis", &[ADMIN, ADMIN_OPERATIONS], list),
        read("GET /tenant-logs/{tenantId}/apis/{apiId}", &[ADMIN, ADMIN_OPERATIONS], get),
        write("PUT /tenant-logs/{tenantId}/apis/{apiId}", &[ADMIN, ADMIN_OPERATIONS], set),
    ]
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    allowed(cx, &call)?;
    let wanted = call.query("log-level").map(level).transpose()?;
    Ok(document(&log_level::list(cx, wanted).await?))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    allowed(cx, &call)?;
    Ok(document(&log_level::get(cx, call.parameter("apiId")?).await?))
}

async fn set(cx: &mut Write, call: Call) -> Result<Answer> {
    allowed(cx, &call)?;
    let body = call.document();
    let missing = || code::LOG_DATA_MISSING.because("Say which logLevel");
    let level = level(body["logLevel"].as_str().ok_or_else(missing)?)?;
    let operation = match (body["resourceMethod"].as_str(), body["resourcePath"].as_str()) {
        (Some(method), Some(path)) => Some((method, path)),
        (None, None) => None,
        _ => {
            let text = "An operation has both, resourceMethod and resourcePath";
            return Err(code::LOG_DATA_MISSING.because(text).into());
        }
    };
    Ok(document(&log_level::set(cx, call.parameter("apiId")?, operation, level).await?))
}

/// Payloads of a tenant's calls are shown to the platform's own administrators only, of whatever tenant they are.
fn allowed(cx: &Read, call: &Call) -> Result<()> {
    if *cx.tenant() != Tenant::default() {
        return Err(code::NOT_PERMITTED.because("Only the platform's own administrators may do this").into());
    }
    let tenant = call.parameter("tenantId")?;
    match tenant.eq_ignore_ascii_case(cx.tenant()) {
        true => Ok(()),
        false => Err(code::NOT_FOUND.because(format!("There is no tenant {tenant}")).into()),
    }
}

fn level(text: &str) -> Result<LogLevel> {
    let wrong = || code::BAD_LOG_LEVEL.because("Log level should be either OFF, BASIC, STANDARD or FULL");
    Ok(text.parse().map_err(|_| wrong())?)
}

fn document(entries: &[Entry]) -> Answer {
    let entry = |entry: &Entry| {
        let mut it = json!({
            "apiId": entry.api.as_str(), "context": entry.context, "logLevel": entry.level.as_str(),
        });
        if let Some((method, path)) = &entry.operation {
            it["resourceMethod"] = method.as_str().into();
            it["resourcePath"] = path.as_str().into();
        }
        it
    };
    let apis: Vec<Value> = entries.iter().map(entry).collect();
    Answer::ok(json!({ "apis": apis }))
}
