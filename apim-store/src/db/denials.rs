//! SQL of deny policies.

use apim_core::model::DenyId;
use serde_json::Value;

use super::applications::document;
use super::desk::{Read, Write};
use super::sql::Row;
use crate::error::Result;

/// A deny policy as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Denial {
    pub(crate) id: DenyId,
    /// As on the wire: `API`, `USER` …
    pub(crate) kind: String,
    /// The condition's value in one spelling.
    pub(crate) value: String,
    pub(crate) active: bool,
    /// The condition's value as it was sent.
    pub(crate) doc: Value,
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, kind, value, active, doc FROM deny WHERE tenant = $1 ", $rest)
    };
}

pub(crate) async fn all(cx: &mut Read) -> Result<Vec<Denial>> {
    let rows = cx.rows(select!("ORDER BY kind COLLATE \"C\", value COLLATE \"C\""), []).await?;
    rows.iter().map(denial).collect()
}

pub(crate) async fn find(cx: &mut Read, id: &DenyId) -> Result<Option<Denial>> {
    cx.row(select!("AND id = $2"), [id.into()]).await?.as_ref().map(denial).transpose()
}

/// Adds it; false if the same is denied already.
pub(crate) async fn insert(cx: &mut Write, it: &Denial) -> Result<bool> {
    let sql = "INSERT INTO deny (tenant, id, kind, value, active, doc) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING";
    let args =
        [(&it.id).into(), (&it.kind).into(), (&it.value).into(), it.active.into(), it.doc.to_string().into()];
    Ok(cx.change(sql, args).await? > 0)
}

pub(crate) async fn set_active(cx: &mut Write, id: &DenyId, active: bool) -> Result<bool> {
    let sql = "UPDATE deny SET active = $3 WHERE tenant = $1 AND id = $2";
    Ok(cx.change(sql, [id.into(), active.into()]).await? > 0)
}

pub(crate) async fn delete(cx: &mut Write, id: &DenyId) -> Result<bool> {
    Ok(cx.change("DELETE FROM deny WHERE tenant = $1 AND id = $2", [id.into()]).await? > 0)
}

fn denial(row: &Row) -> Result<Denial> {
    Ok(Denial {
        id: DenyId::from(row.get::<String>("id")?),
        kind: row.get("kind")?,
        value: row.get("value")?,
        active: row.get::<i64>("active")? != 0,
        doc: document(row)?,
    })
}
