//! APIs: one document each, and the columns that lists filter and sort by.

use std::collections::BTreeSet;

use apim_core::Timestamp;
use apim_core::model::{ApiId, PolicyName, UserName};
use serde_json::Value;

use super::clients::text;
use super::desk::{Read, Write};
use super::sql::Row;
use crate::error::{Failure, Result};
use crate::service::State;

/// An API as it is kept.
#[derive(Debug, Clone)]
pub struct StoredApi {
    /// Identifies it.
    pub id: ApiId,
    /// Counts its changes.
    pub version: i64,
    /// As the publisher named it.
    pub name: String,
    /// The path prefix without the version.
    pub context: String,
    /// As `1.0.0`.
    pub api_version: String,
    /// Who published it.
    pub provider: UserName,
    /// Where it stands in its life.
    pub state: State,
    /// As `HTTP`.
    pub kind: String,
    /// Whether the publisher made it the default version of its name.
    pub is_default: bool,
    /// Whether gateways serve it without a version.
    pub serves_default: bool,
    /// The number of its latest revision; numbers are not used twice.
    pub last_revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What the publisher sent, sealed where it is secret.
    pub doc: Value,
}

impl StoredApi {
    /// A list of texts in the document.
    pub fn texts(&self, field: &str) -> impl Iterator<Item = &str> {
        texts(&self.doc, field)
    }

    /// Whether publishers need a role to see it.
    pub fn is_restricted(&self) -> bool {
        self.doc["accessControl"] == "RESTRICTED"
    }
}

/// A list of texts in a document.
pub(crate) fn texts<'a>(doc: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    doc.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, version, name, context, api_version, provider, state, kind, is_default,
                serves_default, last_revision, created_at, updated_at, doc FROM api WHERE tenant = $1 ",
            $rest
        )
    };
}
pub(super) use select;

/// One API, whoever may see it.
pub(crate) async fn find(cx: &mut Read, id: &ApiId) -> Result<Option<StoredApi>> {
    cx.row(select!("AND id = $2"), [id.into()]).await?.as_ref().map(api).transpose()
}

/// All versions of a name, in whatever case.
pub(crate) async fn named(cx: &mut Read, name: &str) -> Result<Vec<StoredApi>> {
    let rows = cx.rows(select!("AND name_folded = $2 ORDER BY created_at"), [fold(name).into()]).await?;
    rows.iter().map(api).collect()
}

/// All versions at a context, in whatever case.
pub(crate) async fn at_context(cx: &mut Read, context: &str) -> Result<Vec<StoredApi>> {
    let sql = select!("AND context_folded = $2 ORDER BY created_at");
    let rows = cx.rows(sql, [fold(context).into()]).await?;
    rows.iter().map(api).collect()
}

/// Whether an API stands at a context with its version in it, in whatever case.
pub(crate) async fn stands_at(cx: &mut Read, versioned: &str) -> Result<bool> {
    let sql = "SELECT id FROM api WHERE tenant = $1 AND $2 = CASE
            WHEN context_folded LIKE '%{version}%' THEN replace(context_folded, '{version}', lower(api_version))
            ELSE context_folded || '/' || lower(api_version) END LIMIT 1";
    Ok(cx.row(sql, [fold(versioned).into()]).await?.is_some())
}

/// Whether any API, or an operation of one, is limited by an advanced policy.
pub(crate) async fn uses_policy(cx: &mut Read, policy: &PolicyName) -> Result<bool> {
    let sql = "SELECT api FROM api_term WHERE tenant = $1 AND field = 'policy' AND value = $2 LIMIT 1";
    Ok(cx.row(sql, [policy.into()]).await?.is_some())
}

/// Whether any API uses a scope.
pub(crate) async fn uses_scope(cx: &mut Read, scope: &str) -> Result<bool> {
    let sql = "SELECT api FROM api_term WHERE tenant = $1 AND field = 'scope' AND value = $2 LIMIT 1";
    Ok(cx.row(sql, [scope.into()]).await?.is_some())
}

/// Another API that uses a scope.
pub(crate) async fn other_with_scope(cx: &mut Read, scope: &str, api: &ApiId) -> Result<Option<ApiId>> {
    let sql = "SELECT api FROM api_term WHERE tenant = $1 AND field = 'scope' AND value = $2 AND api <> $3
        ORDER BY api LIMIT 1";
    let row = cx.row(sql, [scope.into(), api.into()]).await?;
    Ok(row.map(|row| row.get::<String>("api")).transpose()?.map(ApiId::from))
}

/// Adds it; false if the name or the context has that version already.
pub(crate) async fn insert(cx: &mut Write, it: &StoredApi) -> Result<bool> {
    let sql = "INSERT INTO api (tenant, id, version, name, name_folded, context, context_folded,
            api_version, provider, state, kind, description_folded, is_default, serves_default, restricted,
            last_revision, created_at, updated_at, doc)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
        ON CONFLICT DO NOTHING";
    let args = [
        (&it.id).into(),
        it.version.into(),
        (&it.name).into(),
        fold(&it.name).into(),
        (&it.context).into(),
        fold(&it.context).into(),
        (&it.api_version).into(),
        (&it.provider).into(),
        it.state.as_str().into(),
        (&it.kind).into(),
        description(it).into(),
        it.is_default.into(),
        it.serves_default.into(),
        it.is_restricted().into(),
        it.last_revision.into(),
        it.created_at.into(),
        it.updated_at.into(),
        text(&it.doc)?.into(),
    ];
    if cx.change(sql, args).await? == 0 {
        return Ok(false);
    }
    put_terms(cx, it).await?;
    Ok(true)
}

/// Locks an API for a change to it, or to anything that belongs to it, and counts the change. None if it
/// is not there.
pub(crate) async fn bump(cx: &mut Write, id: &ApiId) -> Result<Option<StoredApi>> {
    let sql = "UPDATE api SET version = version + 1 WHERE tenant = $1 AND id = $2
        RETURNING id, version, name, context, api_version, provider, state, kind, is_default,
            serves_default, last_revision, created_at, updated_at, doc";
    cx.row(sql, [id.into()]).await?.as_ref().map(api).transpose()
}

/// Locks an API until the transaction ends, without counting a change.
pub(crate) async fn lock(cx: &mut Write, id: &ApiId) -> Result<()> {
    cx.change("UPDATE api SET version = version WHERE tenant = $1 AND id = $2", [id.into()]).await?;
    Ok(())
}

/// Writes what may change of an API that was [bumped](bump). Name, context and version stay.
pub(crate) async fn save(cx: &mut Write, it: &StoredApi) -> Result<()> {
    let sql = "UPDATE api SET state = $3, description_folded = $4, is_default = $5, serves_default = $6,
            restricted = $7, last_revision = $8, updated_at = $9, doc = $10
        WHERE tenant = $1 AND id = $2";
    let args = [
        (&it.id).into(),
        it.state.as_str().into(),
        description(it).into(),
        it.is_default.into(),
        it.serves_default.into(),
        it.is_restricted().into(),
        it.last_revision.into(),
        it.updated_at.into(),
        text(&it.doc)?.into(),
    ];
    cx.change(sql, args).await?;
    cx.change("DELETE FROM api_term WHERE tenant = $1 AND api = $2", [(&it.id).into()]).await?;
    put_terms(cx, it).await
}

/// Deletes it, with everything that belongs to it.
pub(crate) async fn delete(cx: &mut Write, id: &ApiId) -> Result<()> {
    cx.change("DELETE FROM deployment WHERE tenant = $1 AND api = $2", [id.into()]).await?;
    cx.change("DELETE FROM api WHERE tenant = $1 AND id = $2", [id.into()]).await?;
    Ok(())
}

/// The definition, as the publisher sent it.
pub(crate) async fn definition(cx: &mut Read, id: &ApiId) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT text FROM api_definition WHERE tenant = $1 AND api = $2";
    let row = cx.row(sql, [id.into()]).await?;
    Ok(row.map(|row| row.get("text")).transpose()?)
}

/// Keeps a definition.
pub(crate) async fn put_definition(cx: &mut Write, id: &ApiId, text: &[u8]) -> Result<()> {
    let sql = "INSERT INTO api_definition (tenant, api, text) VALUES ($1, $2, $3)
        ON CONFLICT (api) DO UPDATE SET text = excluded.text";
    cx.change(sql, [id.into(), text.into()]).await?;
    Ok(())
}

/// What an API has several of, and is searched by. Derived from the document here and nowhere else.
async fn put_terms(cx: &mut Write, it: &StoredApi) -> Result<()> {
    let sql =
        "INSERT INTO api_term (tenant, field, value, api) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let operations = it.doc.get("operations").and_then(Value::as_array).into_iter().flatten();
    let policies = operations.filter_map(|operation| operation.get("throttlingPolicy")?.as_str());
    let policies = policies.chain(it.doc.get("apiThrottlingPolicy").and_then(Value::as_str));
    let terms = (it.texts("tags").map(|tag| ("tag", tag.to_owned())))
        .chain(it.texts("categories").map(|category| ("category", category.to_owned())))
        .chain(it.texts("accessControlRoles").map(|role| ("access", fold(role))))
        .chain(it.doc.get("visibility").and_then(Value::as_str).map(|it| ("visibility", it.to_owned())))
        .chain(it.texts("visibleRoles").map(|role| ("visible", fold(role))))
        .chain(scopes(&it.doc).map(|scope| ("scope", scope)))
        .chain(properties(&it.doc, false).map(|property| ("property", property)))
        .chain(properties(&it.doc, true).map(|property| ("shown", property)))
        .chain(policies.map(|policy| ("policy", policy.to_owned())));
    // Thousands of operations name the same few scopes and policies.
    for (field, value) in terms.collect::<BTreeSet<_>>() {
        cx.change(sql, [field.into(), value.into(), (&it.id).into()]).await?;
    }
    Ok(())
}

/// The scopes that a document declares, or that its operations name.
pub(crate) fn scopes(doc: &Value) -> impl Iterator<Item = String> {
    let declared = doc.get("scopes").and_then(Value::as_array).into_iter().flatten();
    let declared = declared.filter_map(|entry| entry.pointer("/scope/name")?.as_str());
    let operations = doc.get("operations").and_then(Value::as_array).into_iter().flatten();
    declared.chain(operations.flat_map(|operation| texts(operation, "scopes"))).map(str::to_owned)
}

/// `name=value` of an API's own properties; of those alone that developers are shown, if that is asked for.
fn properties(doc: &Value, shown: bool) -> impl Iterator<Item = String> {
    let listed = doc.get("additionalProperties").and_then(Value::as_array).into_iter().flatten();
    let listed = listed.filter(move |property| !shown || property["display"] == true);
    listed.filter_map(|property| {
        let name = property.get("name")?.as_str()?;
        Some(fold(&format!("{name}={}", property.get("value")?.as_str()?)))
    })
}

/// Text as it is compared without regard to case, on both databases alike.
pub(crate) fn fold(text: &str) -> String {
    text.to_lowercase()
}

fn description(it: &StoredApi) -> String {
    fold(it.doc.get("description").and_then(Value::as_str).unwrap_or_default())
}

pub(super) fn api(row: &Row) -> Result<StoredApi> {
    let state: String = row.get("state")?;
    Ok(StoredApi {
        id: ApiId::from(row.get::<String>("id")?),
        version: row.get("version")?,
        name: row.get("name")?,
        context: row.get("context")?,
        api_version: row.get("api_version")?,
        provider: UserName::from(row.get::<String>("provider")?),
        state: State::parse(&state).ok_or_else(|| Failure::new(format!("unknown state {state}")))?,
        kind: row.get("kind")?,
        is_default: row.get::<i64>("is_default")? != 0,
        serves_default: row.get::<i64>("serves_default")? != 0,
        last_revision: row.get("last_revision")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        doc: serde_json::from_str(&row.get::<String>("doc")?).map_err(Failure::from_error)?,
    })
}
