//! SQL of API keys, which are known by their hashes only.

use apim_core::Timestamp;
use apim_core::model::{ApplicationId, KeyId, KeyType, UserName};
use serde_json::Value;

use super::applications::document;
use super::desk::{Read, Write};
use super::key_mappings::key_type;
use super::sql::Row;
use crate::error::Result;

/// An API key as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) application: ApplicationId,
    pub(crate) owner: UserName,
    pub(crate) name: String,
    pub(crate) key_type: KeyType,
    /// SHA-256, hexadecimal.
    pub(crate) hash: String,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    /// From where it may be used.
    pub(crate) doc: Value,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, application, owner, name, key_type, hash, issued_at, expires_at, doc FROM api_key
            WHERE tenant = $1 AND application = $2 ",
            $rest
        )
    };
}

/// All of an application, oldest first.
pub(crate) async fn of_application(cx: &mut Read, application: &ApplicationId) -> Result<Vec<Key>> {
    let rows = cx.rows(select!("ORDER BY issued_at, id"), [application.into()]).await?;
    rows.iter().map(key).collect()
}

pub(crate) async fn insert(cx: &mut Write, it: &Key) -> Result<bool> {
    let sql = "INSERT INTO api_key
        (tenant, id, application, owner, name, key_type, hash, issued_at, expires_at, doc)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
    let args = [
        (&it.id).into(),
        (&it.application).into(),
        (&it.owner).into(),
        (&it.name).into(),
        it.key_type.as_str().into(),
        (&it.hash).into(),
        it.issued_at.into(),
        it.expires_at.into(),
        it.doc.to_string().into(),
    ];
    Ok(cx.change(sql, args).await? > 0)
}

/// Gives all keys of an application to another user.
pub(crate) async fn hand_over(cx: &mut Write, application: &ApplicationId, owner: &UserName) -> Result<()> {
    let sql = "UPDATE api_key SET owner = $3 WHERE tenant = $1 AND application = $2";
    cx.change(sql, [application.into(), owner.into()]).await?;
    Ok(())
}

pub(crate) async fn delete(cx: &mut Write, id: &KeyId) -> Result<bool> {
    Ok(cx.change("DELETE FROM api_key WHERE tenant = $1 AND id = $2", [id.into()]).await? > 0)
}

fn key(row: &Row) -> Result<Key> {
    let expires: Option<i64> = row.get("expires_at")?;
    Ok(Key {
        id: KeyId::from(row.get::<String>("id")?),
        application: ApplicationId::from(row.get::<String>("application")?),
        owner: UserName::from(row.get::<String>("owner")?),
        name: row.get("name")?,
        key_type: key_type(&row.get::<String>("key_type")?),
        hash: row.get("hash")?,
        issued_at: row.time("issued_at")?,
        expires_at: expires.map(|at| Timestamp::from_millis(at.unsigned_abs())),
        doc: document(row)?,
    })
}
