//! What a portal has to know before it asks for anything else, and lists that are short.

use serde_json::{Value, json};

use crate::db::Read;
use crate::error::Result;
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Access, Operation, read};
use crate::rest::page::Found;
use crate::rest::scope::{API_KEY, APP_MANAGE, STORE_SETTINGS, SUB_MANAGE, SUBSCRIBE};
use crate::service::key_manager;

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        read("GET /settings", &[STORE_SETTINGS], settings),
        read("GET /settings/application-attributes", &[SUBSCRIBE], application_attributes),
        read("GET /api-categories", Access::Anyone, categories),
        read("GET /key-managers", &[SUBSCRIBE], key_managers),
        read("GET /tenants", Access::Anyone, tenants),
    ]
}

async fn settings(_: &mut Read, call: Call) -> Result<Answer> {
    let urls = &call.house().urls;
    Ok(Answer::ok(json!({
        "grantTypes": key_manager::GRANTS,
        "scopes": [API_KEY, APP_MANAGE, STORE_SETTINGS, SUB_MANAGE, SUBSCRIBE],
        "applicationSharingEnabled": false,
        "mapExistingAuthApps": true,
        "apiGatewayEndpoint": format!("{},{}", urls.http, urls.https),
        "monetizationEnabled": false,
        "recommendationEnabled": false,
        "IsUnlimitedTierPaid": false,
        "identityProvider": { "external": false },
        "IsAnonymousModeEnabled": true,
        "IsPasswordChangeEnabled": true,
        "passwordPolicyMinLength": crate::service::users::SHORTEST,
        "passwordPolicyMaxLength": crate::service::users::LONGEST,
    })))
}

/// None are configured, since none can be.
async fn application_attributes(_: &mut Read, _: Call) -> Result<Answer> {
    Ok(Answer::ok(json!({ "count": 0, "list": [] })))
}

/// None exist, since none can be made.
async fn categories(_: &mut Read, _: Call) -> Result<Answer> {
    Ok(Answer::ok(json!({ "count": 0, "list": [] })))
}

async fn key_managers(_: &mut Read, call: Call) -> Result<Answer> {
    let list = [key_manager::listed(&call.house().key_manager.name())];
    Ok(Answer::ok(json!({ "count": list.len(), "list": list })))
}

async fn tenants(cx: &mut Read, call: Call) -> Result<Answer> {
    let all = vec![json!({ "domain": cx.tenant(), "status": "ACTIVE" })];
    Ok(Answer::page(Found::cut(all, call.page()?), Value::clone))
}
