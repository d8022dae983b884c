//! What is there without being made: environments, key managers, scopes, the tenant.

use serde_json::{Value, json};

use crate::db::Read;
use crate::error::{Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Operation, read};
use crate::rest::scope::{
    ADMIN, ADMIN_OPERATIONS, ADMIN_SETTINGS, ENVIRONMENT_READ, LABEL_READ, SCOPE_MANAGE, TENANT_INFO,
};
use crate::service::environment::Environment;
use crate::service::{key_manager, roles, users};

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        read("GET /settings", &[ADMIN, ADMIN_SETTINGS], settings),
        read("GET /environments", &[ADMIN, ENVIRONMENT_READ], environments),
        read("GET /key-managers", &[ADMIN, ADMIN_OPERATIONS], key_managers),
        read("GET /key-managers/{keyManagerId}", &[ADMIN, ADMIN_OPERATIONS], key_manager),
        read("GET /system-scopes", &[SCOPE_MANAGE, ADMIN], scopes),
        read("GET /system-scopes/{scopeName}", &[ADMIN, SCOPE_MANAGE], scope),
        read("GET /system-scopes/role-aliases", &[ADMIN, SCOPE_MANAGE], none),
        read("GET /tenant-info/{username}", &[ADMIN, TENANT_INFO], tenant_info),
        read("GET /api-categories", &[ADMIN, ADMIN_OPERATIONS], none),
        read("GET /labels", &[ADMIN, LABEL_READ], none),
    ]
}

async fn settings(_: &mut Read, _: Call) -> Result<Answer> {
    Ok(Answer::ok(json!({
        "scopes": scope_names(),
        "gatewayTypes": ["Regular"],
        "keyManagerConfiguration": [],
        "analyticsEnabled": false,
    })))
}

async fn environments(_: &mut Read, call: Call) -> Result<Answer> {
    let mut environment = Environment::usual(&call.house().urls).document();
    environment["isReadOnly"] = json!(true);
    environment["gatewayType"] = json!("Regular");
    Ok(Answer::ok(json!({ "count": 1, "list": [environment] })))
}

async fn key_managers(_: &mut Read, call: Call) -> Result<Answer> {
    let list = [key_manager::listed(&call.house().key_manager.name())];
    Ok(Answer::ok(json!({ "count": list.len(), "list": list })))
}

async fn key_manager(_: &mut Read, call: Call) -> Result<Answer> {
    let name = call.house().key_manager.name();
    Ok(Answer::ok(key_manager::get(&name, call.parameter("keyManagerId")?)?))
}

async fn scopes(_: &mut Read, _: Call) -> Result<Answer> {
    let entry = |name: &'static str| {
        let roles = roles::of_scope(name).unwrap_or_default();
        json!({ "tag": "REST", "name": name, "description": "", "roles": roles })
    };
    let list: Vec<Value> = scope_names().into_iter().map(entry).collect();
    Ok(Answer::ok(json!({ "count": list.len(), "list": list })))
}

/// Whether there is such a scope; with a user, whether they may have it.
async fn scope(cx: &mut Read, call: Call) -> Result<Answer> {
    let name = call.parameter("scopeName")?;
    let bound = roles::of_scope(name).filter(|_| scope_names().contains(&name));
    let missing = || code::NOT_FOUND.because(format!("There is no such scope: {name}"));
    let bound = bound.ok_or_else(missing)?;
    if let Some(user) = call.query("username") {
        let user = users::get(cx, user).await?;
        if !user.roles.iter().any(|role| bound.contains(role)) {
            return Err(missing().into());
        }
    }
    Ok(Answer::ok(json!({ "name": name })))
}

/// None exist, since none can be made.
async fn none(_: &mut Read, _: Call) -> Result<Answer> {
    Ok(Answer::ok(json!({ "count": 0, "list": [] })))
}

async fn tenant_info(cx: &mut Read, call: Call) -> Result<Answer> {
    let (user, tenant) = crate::principal::split(call.parameter("username")?);
    users::get(cx, &user).await?;
    Ok(Answer::ok(json!({ "username": user, "tenantDomain": tenant, "tenantId": -1234 })))
}

/// Every scope that some operation of the contracts asks for.
fn scope_names() -> Vec<&'static str> {
    use crate::rest::operation::Access;
    let mut names = Vec::new();
    for contract in crate::plane::contracts() {
        for operation in contract.operations() {
            if let Access::Scopes(scopes) = operation.access {
                names.extend(scopes);
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}
