//! Scopes that APIs bring along: unique in the tenant, bound to roles.

use apim_core::model::{ApiId, Scope};
use serde_json::Value;

use super::api::text;
use super::roles;
use crate::db::Write;
use crate::db::apis::{self, StoredApi, texts};
use crate::db::scopes::{self, StoredScope};
use crate::error::{Finding, Result, code};

/// Registers the scopes of an API's document as its own, and forgets those it no longer has.
///
/// # Errors
///
/// 400 if another API has a scope of that name, or an operation names one that is not declared.
pub(super) async fn claim(cx: &mut Write, api: &StoredApi) -> Result<()> {
    let entries = api.doc["scopes"].as_array().cloned().unwrap_or_default();
    let mut mine = Vec::new();
    for entry in &entries {
        let scope = &entry["scope"];
        let name = text(scope, "name").to_owned();
        if roles::of_scope(&name).is_some() {
            return Err(code::SCOPE_OF_ANOTHER.because(format!("{name} belongs to the platform")).into());
        }
        let known = scopes::named(cx, &Scope::from(name.as_str())).await?;
        if let Some(known) = &known
            && let Some(owner) = &known.api
            && *owner != api.id
            && !namesake(cx, owner, api).await?
        {
            return Err(code::SCOPE_OF_ANOTHER.because(format!("{name} is local to another API")).into());
        }
        // A shared scope is the administrators' to change.
        if known.is_some_and(|known| known.api.as_ref() != Some(&api.id)) {
            mine.push(name);
            continue;
        }
        let stored = StoredScope {
            id: uuid::Uuid::now_v7().to_string(),
            display_name: Some(text(scope, "displayName"))
                .filter(|t| !t.is_empty())
                .unwrap_or(&name)
                .to_owned(),
            description: text(scope, "description").to_owned(),
            roles: texts(scope, "bindings").map(str::to_owned).collect(),
            api: Some(api.id.clone()),
            name: name.clone(),
        };
        scopes::put(cx, &stored).await?;
        mine.push(name);
    }
    let_go(cx, api, &mine).await?;
    declared(cx, api, &mine).await
}

/// Another version of the same API: versions share their scopes.
async fn namesake(cx: &mut Write, owner: &ApiId, api: &StoredApi) -> Result<bool> {
    Ok(apis::find(cx, owner).await?.is_some_and(|owner| owner.name == api.name))
}

async fn declared(cx: &mut Write, api: &StoredApi, mine: &[String]) -> Result<()> {
    let operations = api.doc["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, operation) in operations.iter().enumerate() {
        for name in texts(operation, "scopes") {
            if mine.iter().any(|scope| scope == name)
                || scopes::named(cx, &Scope::from(name)).await?.is_some()
            {
                continue;
            }
            let finding =
                Finding::new(format!("/operations/{index}/scopes"), format!("{name} is not a scope"));
            return Err(code::BAD_VALUE.found(vec![finding]).into());
        }
    }
    Ok(())
}

/// Forgets the scopes of an API that goes.
pub(super) async fn release(cx: &mut Write, api: &StoredApi) -> Result<()> {
    let_go(cx, api, &[]).await
}

/// Forgets what is local to an API, save these. Another version that uses a scope inherits it.
async fn let_go(cx: &mut Write, api: &StoredApi, keep: &[String]) -> Result<()> {
    let mut gone = scopes::local(cx, &api.id).await?;
    gone.retain(|scope| !keep.contains(&scope.name));
    if gone.is_empty() {
        return Ok(());
    }
    let mut versions = apis::named(cx, &api.name).await?;
    versions.retain(|other| other.id != api.id);
    for mut scope in gone {
        match versions.iter().find(|other| declares(&other.doc, &scope.name)) {
            Some(heir) => {
                scope.api = Some(heir.id.clone());
                scopes::put(cx, &scope).await?;
            }
            None => scopes::delete(cx, &scope.name).await?,
        }
    }
    Ok(())
}

fn declares(doc: &Value, name: &str) -> bool {
    let entries = doc["scopes"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().any(|entry| entry["scope"]["name"] == name)
}
