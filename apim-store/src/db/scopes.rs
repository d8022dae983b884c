//! Scopes of APIs: shared ones, and those local to one API.

use apim_core::model::{ApiId, Scope};
use apim_core::store::ScopeBinding;

use super::clients::text;
use super::desk::{Read, Write};
use super::sql::Row;
use crate::error::{Failure, Result};

/// A scope as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredScope {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) description: String,
    pub(crate) roles: Vec<String>,
    /// The API it is local to; none for shared ones.
    pub(crate) api: Option<ApiId>,
}

impl From<ScopeBinding> for StoredScope {
    fn from(binding: ScopeBinding) -> Self {
        let name = binding.scope.as_str().to_owned();
        Self {
            id: uuid::Uuid::now_v7().to_string(),
            display_name: name.clone(),
            name,
            description: String::new(),
            roles: binding.roles.iter().map(|role| role.as_str().to_owned()).collect(),
            api: None,
        }
    }
}

/// A scope by name.
pub(crate) async fn named(cx: &mut Read, name: &Scope) -> Result<Option<StoredScope>> {
    let sql = "SELECT id, name, display_name, description, roles, api FROM scope
        WHERE tenant = $1 AND name = $2";
    cx.row(sql, [name.into()]).await?.as_ref().map(scope).transpose()
}

/// All shared scopes, by name.
pub(crate) async fn shared(cx: &mut Read) -> Result<Vec<StoredScope>> {
    let sql = "SELECT id, name, display_name, description, roles, api FROM scope
        WHERE tenant = $1 AND kind = 'shared' ORDER BY name COLLATE \"C\"";
    cx.rows(sql, []).await?.iter().map(scope).collect()
}

/// Deletes a scope.
pub(crate) async fn delete(cx: &mut Write, name: &str) -> Result<()> {
    cx.change("DELETE FROM scope WHERE tenant = $1 AND name = $2", [name.into()]).await?;
    Ok(())
}

/// Adds a scope, or replaces the one of its name.
pub(crate) async fn put(cx: &mut Write, scope: &StoredScope) -> Result<()> {
    let sql = "INSERT INTO scope (tenant, name, kind, api, id, display_name, description, roles)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (tenant, name) DO UPDATE SET kind = excluded.kind, api = excluded.api,
            display_name = excluded.display_name, description = excluded.description, roles = excluded.roles";
    let kind = if scope.api.is_some() { "local" } else { "shared" };
    let api = scope.api.as_ref().map(ApiId::as_str);
    let roles = text(&scope.roles)?;
    let args = [
        (&scope.name).into(),
        kind.into(),
        api.into(),
        (&scope.id).into(),
        (&scope.display_name).into(),
        (&scope.description).into(),
        roles.into(),
    ];
    cx.change(sql, args).await?;
    Ok(())
}

/// The scopes that are local to an API.
pub(crate) async fn local(cx: &mut Read, api: &ApiId) -> Result<Vec<StoredScope>> {
    let sql = "SELECT id, name, display_name, description, roles, api FROM scope
        WHERE tenant = $1 AND api = $2";
    cx.rows(sql, [api.into()]).await?.iter().map(scope).collect()
}

fn scope(row: &Row) -> Result<StoredScope> {
    Ok(StoredScope {
        id: row.get("id")?,
        name: row.get("name")?,
        display_name: row.get("display_name")?,
        description: row.get("description")?,
        roles: serde_json::from_str(&row.get::<String>("roles")?).map_err(Failure::from_error)?,
        api: row.get::<Option<String>>("api")?.map(ApiId::from),
    })
}
