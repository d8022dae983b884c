//! Scopes that APIs bring along: unique in the tenant, bound to roles.

use std::collections::HashSet;

use apim_core::model::{ApiId, Scope};
use serde_json::Value;

use super::api::text;
use super::roles;
use crate::db::Write;
use crate::db::apis::{self, StoredApi, texts};
use crate::db::revisions;
use crate::db::scopes::{self, StoredScope};
use crate::error::{Finding, Result, code};

/// Registers the scopes of an API's document as its own, and forgets those that nothing names any longer.
///
/// # Errors
///
/// 400 if another API has a scope of that name, or an operation names one that is not declared.
pub(super) async fn claim(cx: &mut Write, api: &StoredApi) -> Result<()> {
    register(cx, api, &api.doc, Known::Replace).await?;
    settle(cx, api).await?;
    declared(cx, api, &api.doc).await
}

/// Registers the scopes of a revision that is about to be deployed. Those that are registered stay as they
/// are: what the publisher said of them since counts.
///
/// # Errors
///
/// As [`claim`].
pub(super) async fn renew(cx: &mut Write, api: &StoredApi, revision: &Value) -> Result<()> {
    register(cx, api, revision, Known::Keep).await?;
    declared(cx, api, revision).await
}

/// What becomes of a scope that is registered already.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Replace,
    Keep,
}

async fn register(cx: &mut Write, api: &StoredApi, doc: &Value, what: Known) -> Result<()> {
    for entry in doc["scopes"].as_array().into_iter().flatten() {
        let scope = &entry["scope"];
        let name = text(scope, "name").to_owned();
        if roles::of_scope(&name).is_some() {
            return Err(code::SCOPE_OF_ANOTHER.because(format!("{name} belongs to the platform")).into());
        }
        if let Some(known) = scopes::named(cx, &Scope::from(name.as_str())).await? {
            if !may_use(cx, &known, api).await? {
                return Err(code::SCOPE_OF_ANOTHER.because(format!("{name} is local to another API")).into());
            }
            // A shared scope is the administrators' to change.
            if what == Known::Keep || known.api.as_ref() != Some(&api.id) {
                continue;
            }
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
            name,
        };
        scopes::put(cx, &stored).await?;
    }
    Ok(())
}

/// A scope is everybody's if it is shared; else its API's, and other versions' of that.
async fn may_use(cx: &mut Write, scope: &StoredScope, api: &StoredApi) -> Result<bool> {
    match &scope.api {
        Some(owner) if *owner != api.id => namesake(cx, owner, api).await,
        _ => Ok(true),
    }
}

/// Another version of the same API: versions share their scopes.
async fn namesake(cx: &mut Write, owner: &ApiId, api: &StoredApi) -> Result<bool> {
    Ok(apis::find(cx, owner).await?.is_some_and(|owner| owner.name == api.name))
}

/// Refuses a document of which an operation names a scope that is not its API's to use.
async fn declared(cx: &mut Write, api: &StoredApi, doc: &Value) -> Result<()> {
    let mut known: HashSet<&str> = declarations(doc).collect();
    let operations = doc["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, operation) in operations.iter().enumerate() {
        for name in texts(operation, "scopes") {
            if !known.insert(name) {
                continue;
            }
            let found = scopes::named(cx, &Scope::from(name)).await?;
            let usable = match &found {
                Some(scope) => may_use(cx, scope, api).await?,
                None => false,
            };
            if !usable {
                let message = format!("{name} is not a scope of this API");
                let finding = Finding::new(format!("/operations/{index}/scopes"), message);
                return Err(code::BAD_VALUE.found(vec![finding]).into());
            }
        }
    }
    Ok(())
}

/// Forgets what is local to an API and named by nobody any longer: not by its document, nor by a revision
/// that gateways serve. Tokens are refused for want of a scope only while it is registered; so one that is
/// in force must not be forgotten.
pub(super) async fn settle(cx: &mut Write, api: &StoredApi) -> Result<()> {
    let named: HashSet<String> = apis::scopes(&api.doc).collect();
    for scope in scopes::local(cx, &api.id).await? {
        if named.contains(&scope.name)
            || revisions::deployed_with_scope(cx, &scope.name).await?.contains(&api.id)
        {
            continue;
        }
        bequeath(cx, api, scope).await?;
    }
    Ok(())
}

/// Forgets the scopes of an API that goes.
pub(super) async fn release(cx: &mut Write, api: &StoredApi) -> Result<()> {
    for scope in scopes::local(cx, &api.id).await? {
        bequeath(cx, api, scope).await?;
    }
    Ok(())
}

/// Gives a scope to another API that names it; deletes it if there is none.
async fn bequeath(cx: &mut Write, api: &StoredApi, mut scope: StoredScope) -> Result<()> {
    let deployed = revisions::deployed_with_scope(cx, &scope.name).await?;
    let heir = match apis::other_with_scope(cx, &scope.name, &api.id).await? {
        None => deployed.into_iter().find(|other| *other != api.id),
        heir => heir,
    };
    match heir {
        Some(heir) => {
            scope.api = Some(heir);
            scopes::put(cx, &scope).await
        }
        None => scopes::delete(cx, &scope.name).await,
    }
}

fn declarations(doc: &Value) -> impl Iterator<Item = &str> {
    let entries = doc["scopes"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().map(|entry| text(&entry["scope"], "name"))
}
