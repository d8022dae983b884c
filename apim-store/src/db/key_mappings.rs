//! SQL of key mappings: which OAuth client speaks for which application.

use apim_core::model::{ApplicationId, ClientId, KeyManagerName, KeyType};
use serde_json::Value;

use super::applications::document;
use super::desk::{Read, Write};
use super::sql::Row;
use crate::error::Result;

/// A mapping as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) id: String,
    pub(crate) application: ApplicationId,
    pub(crate) key_manager: KeyManagerName,
    pub(crate) key_type: KeyType,
    pub(crate) client: ClientId,
    pub(crate) mode: Mode,
    /// What the owner asked for: grant types, callback, lifetime and so on. Never a secret.
    pub(crate) doc: Value,
}

/// Where a mapped client comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// We registered it.
    Created,
    /// It was there already.
    Mapped,
}

impl Mode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Mapped => "MAPPED",
        }
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, application, key_manager, key_type, client, mode, doc FROM key_mapping
            WHERE tenant = $1 AND application = $2 ",
            $rest
        )
    };
}

/// All of an application, oldest first.
pub(crate) async fn of_application(cx: &mut Read, application: &ApplicationId) -> Result<Vec<Mapping>> {
    let rows = cx.rows(select!("ORDER BY created_at, id"), [application.into()]).await?;
    rows.iter().map(mapping).collect()
}

/// Adds it; false if the application has one of that kind, or another application has the client.
pub(crate) async fn insert(cx: &mut Write, it: &Mapping) -> Result<bool> {
    let sql = "INSERT INTO key_mapping
        (tenant, id, application, key_manager, key_type, client, mode, created_at, doc)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
    let args = [
        (&it.id).into(),
        (&it.application).into(),
        (&it.key_manager).into(),
        it.key_type.as_str().into(),
        (&it.client).into(),
        it.mode.as_str().into(),
        cx.now().into(),
        it.doc.to_string().into(),
    ];
    Ok(cx.change(sql, args).await? > 0)
}

/// Replaces what the owner asked for.
pub(crate) async fn update(cx: &mut Write, id: &str, doc: &Value) -> Result<bool> {
    let sql = "UPDATE key_mapping SET doc = $3 WHERE tenant = $1 AND id = $2";
    Ok(cx.change(sql, [id.into(), doc.to_string().into()]).await? > 0)
}

pub(crate) async fn delete(cx: &mut Write, id: &str) -> Result<bool> {
    Ok(cx.change("DELETE FROM key_mapping WHERE tenant = $1 AND id = $2", [id.into()]).await? > 0)
}

fn mapping(row: &Row) -> Result<Mapping> {
    Ok(Mapping {
        id: row.get("id")?,
        application: ApplicationId::from(row.get::<String>("application")?),
        key_manager: KeyManagerName::from(row.get::<String>("key_manager")?),
        key_type: key_type(&row.get::<String>("key_type")?),
        client: ClientId::from(row.get::<String>("client")?),
        mode: if row.get::<String>("mode")? == "MAPPED" { Mode::Mapped } else { Mode::Created },
        doc: document(row)?,
    })
}

pub(super) fn key_type(text: &str) -> KeyType {
    if text == KeyType::Sandbox.as_str() { KeyType::Sandbox } else { KeyType::Production }
}
