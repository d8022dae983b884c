//! SQL of rate-limit policies and business plans.

use apim_core::model::{PolicyKind, PolicyName};
use serde_json::Value;

use super::applications::document;
use super::desk::{Read, Write};
use super::sql::Row;
use crate::error::Result;

/// A policy as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) kind: PolicyKind,
    pub(crate) name: PolicyName,
    pub(crate) version: i64,
    /// As the admin API describes it.
    pub(crate) doc: Value,
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, kind, name, version, doc FROM policy WHERE tenant = $1 ", $rest)
    };
}

/// All of a kind, by name.
pub(crate) async fn of_kind(cx: &mut Read, kind: PolicyKind) -> Result<Vec<Kept>> {
    let sql = select!("AND kind = $2 ORDER BY name COLLATE \"C\"");
    cx.rows(sql, [kind_text(kind).into()]).await?.iter().map(policy).collect()
}

pub(crate) async fn find(cx: &mut Read, id: &str) -> Result<Option<Kept>> {
    cx.row(select!("AND id = $2"), [id.into()]).await?.as_ref().map(policy).transpose()
}

pub(crate) async fn named(cx: &mut Read, kind: PolicyKind, name: &str) -> Result<Option<Kept>> {
    let row = cx.row(select!("AND kind = $2 AND name = $3"), [kind_text(kind).into(), name.into()]).await?;
    row.as_ref().map(policy).transpose()
}

/// Adds it; false if there is one of that name.
pub(crate) async fn insert(cx: &mut Write, it: &Kept) -> Result<bool> {
    let sql = "INSERT INTO policy (tenant, id, kind, name, version, doc) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING";
    let args = [
        (&it.id).into(),
        kind_text(it.kind).into(),
        (&it.name).into(),
        it.version.into(),
        it.doc.to_string().into(),
    ];
    Ok(cx.change(sql, args).await? > 0)
}

/// Locks it until the transaction ends, so that what is read of it then is what is changed.
pub(crate) async fn lock(cx: &mut Write, id: &str) -> Result<()> {
    cx.change("UPDATE policy SET version = version WHERE tenant = $1 AND id = $2", [id.into()]).await?;
    Ok(())
}

/// Replaces its document, and answers its new version; none: it is gone.
pub(crate) async fn update(cx: &mut Write, id: &str, doc: &Value) -> Result<Option<i64>> {
    let sql = "UPDATE policy SET doc = $3, version = version + 1 WHERE tenant = $1 AND id = $2
        RETURNING version";
    let row = cx.row(sql, [id.into(), doc.to_string().into()]).await?;
    Ok(row.map(|row| row.get::<i64>(0)).transpose()?)
}

pub(crate) async fn delete(cx: &mut Write, id: &str) -> Result<bool> {
    Ok(cx.change("DELETE FROM policy WHERE tenant = $1 AND id = $2", [id.into()]).await? > 0)
}

/// The word for a kind, which is also the path of the admin API.
pub(crate) fn kind_text(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Advanced => "advanced",
        PolicyKind::Subscription => "subscription",
        PolicyKind::Application => "application",
    }
}

fn policy(row: &Row) -> Result<Kept> {
    let kind = match row.get::<String>("kind")?.as_str() {
        "subscription" => PolicyKind::Subscription,
        "application" => PolicyKind::Application,
        _ => PolicyKind::Advanced,
    };
    Ok(Kept {
        id: row.get("id")?,
        kind,
        name: PolicyName::from(row.get::<String>("name")?),
        version: row.get("version")?,
        doc: document(row)?,
    })
}
