//! Scopes that any API may use, kept by administrators.

use serde_json::{Value, json};

use super::api::text;
use crate::db::apis::{self, texts};
use crate::db::scopes::{self, StoredScope};
use crate::db::{Read, Write, revisions, roles};
use crate::error::{Finding, Refusal, Result, code};

/// All of them, by name.
pub(crate) async fn list(cx: &mut Read) -> Result<Vec<StoredScope>> {
    scopes::shared(cx).await
}

/// One of them.
///
/// # Errors
///
/// 404.
pub(crate) async fn get(cx: &mut Read, id: &str) -> Result<StoredScope> {
    let all = scopes::shared(cx).await?;
    Ok(all.into_iter().find(|scope| scope.id == id).ok_or_else(|| unknown(id))?)
}

/// Whether there is any scope of that name, shared or of an API.
pub(crate) async fn exists(cx: &mut Read, name: &str) -> Result<bool> {
    Ok(scopes::named(cx, &name.into()).await?.is_some())
}

/// Makes one.
///
/// # Errors
///
/// 409 if the name is taken; 412 if a role does not exist.
pub(crate) async fn create(cx: &mut Write, body: &Value) -> Result<StoredScope> {
    let name = text(body, "name").to_owned();
    if super::roles::of_scope(&name).is_some() {
        return Err(code::SCOPE_EXISTS.because(format!("{name} belongs to the platform")).into());
    }
    if exists(cx, &name).await? {
        return Err(code::SCOPE_EXISTS.because(format!("There is a scope {name}")).into());
    }
    let scope = read(cx, uuid::Uuid::now_v7().to_string(), name, body).await?;
    scopes::put(cx, &scope).await?;
    Ok(scope)
}

/// Replaces all but its name.
///
/// # Errors
///
/// 404; 412 if a role does not exist.
pub(crate) async fn replace(cx: &mut Write, id: &str, body: &Value) -> Result<StoredScope> {
    let known = get(cx, id).await?;
    let scope = read(cx, known.id, known.name, body).await?;
    scopes::put(cx, &scope).await?;
    Ok(scope)
}

/// Deletes one that no API uses, nor a revision of one that gateways serve.
///
/// # Errors
///
/// 404; 409 if an API uses it.
pub(crate) async fn delete(cx: &mut Write, id: &str) -> Result<()> {
    let scope = get(cx, id).await?;
    let deployed = revisions::deployed_with_scope(cx, &scope.name).await?;
    if !deployed.is_empty() || apis::uses_scope(cx, &scope.name).await? {
        return Err(code::SCOPE_IN_USE.because(format!("An API uses {}", scope.name)).into());
    }
    scopes::delete(cx, &scope.name).await
}

/// As the contract describes it.
pub(crate) fn document(scope: &StoredScope) -> Value {
    json!({
        "id": scope.id,
        "name": scope.name,
        "displayName": scope.display_name,
        "description": scope.description,
        "bindings": scope.roles,
    })
}

async fn read(cx: &mut Read, id: String, name: String, body: &Value) -> Result<StoredScope> {
    let bound: Vec<String> = texts(body, "bindings").map(str::to_owned).collect();
    let known = roles::all(cx).await?;
    let strangers = bound.iter().filter(|role| !known.iter().any(|k| k.as_str().eq_ignore_ascii_case(role)));
    let findings: Vec<_> =
        strangers.map(|role| Finding::new("/bindings", format!("there is no role {role}"))).collect();
    if !findings.is_empty() {
        return Err(code::NO_SUCH_ROLE.found(findings).into());
    }
    let shown = Some(text(body, "displayName")).filter(|text| !text.is_empty()).unwrap_or(&name);
    Ok(StoredScope {
        id,
        display_name: shown.to_owned(),
        name,
        description: text(body, "description").to_owned(),
        roles: bound,
        api: None,
    })
}

fn unknown(id: &str) -> Refusal {
    code::NO_SUCH_SCOPE.because(format!("There is no shared scope {id}"))
}
