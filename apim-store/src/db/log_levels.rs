//! SQL of what gateways write of calls.

use std::collections::BTreeMap;

use apim_core::model::{ApiId, LogLevel, LogSetting, OperationLog};

use super::desk::{Read, Write};
use super::sql::Row;
use crate::error::{Failure, Result};

/// An API that could be logged.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) id: ApiId,
    /// The path prefix without the version.
    pub(crate) context: String,
    pub(crate) api_version: String,
}

/// All APIs, by context.
pub(crate) async fn places(cx: &mut Read) -> Result<Vec<Place>> {
    let sql = "SELECT id, context, api_version FROM api WHERE tenant = $1
        ORDER BY context COLLATE \"C\", api_version COLLATE \"C\"";
    let place = |row: &Row| {
        Ok(Place {
            id: ApiId::from(row.get::<String>("id")?),
            context: row.get("context")?,
            api_version: row.get("api_version")?,
        })
    };
    cx.rows(sql, []).await?.iter().map(place).collect()
}

/// What is written of all APIs of which something is.
pub(crate) async fn all(cx: &mut Read) -> Result<BTreeMap<ApiId, LogSetting>> {
    let sql = "SELECT api, method, path, level FROM log_level WHERE tenant = $1
        ORDER BY api, method COLLATE \"C\", path COLLATE \"C\"";
    gathered(&cx.rows(sql, []).await?)
}

/// What is written of one API, if anything is.
pub(crate) async fn of_api(cx: &mut Read, api: &ApiId) -> Result<Option<LogSetting>> {
    let sql = "SELECT api, method, path, level FROM log_level WHERE tenant = $1 AND api = $2
        ORDER BY method COLLATE \"C\", path COLLATE \"C\"";
    Ok(gathered(&cx.rows(sql, [api.into()]).await?)?.remove(api))
}

/// Keeps the level of an API, or of one of its operations.
pub(crate) async fn put(cx: &mut Write, api: &ApiId, operation: (&str, &str), level: LogLevel) -> Result<()> {
    let sql = "INSERT INTO log_level (tenant, api, method, path, level) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (api, method, path) DO UPDATE SET level = excluded.level";
    let (method, path) = operation;
    cx.change(sql, [api.into(), method.into(), path.into(), level.as_str().into()]).await?;
    Ok(())
}

/// Forgets all levels of an API.
pub(crate) async fn clear(cx: &mut Write, api: &ApiId) -> Result<()> {
    cx.change("DELETE FROM log_level WHERE tenant = $1 AND api = $2", [api.into()]).await?;
    Ok(())
}

fn gathered(rows: &[Row]) -> Result<BTreeMap<ApiId, LogSetting>> {
    let mut found = BTreeMap::new();
    for row in rows {
        let api = ApiId::from(row.get::<String>("api")?);
        let (method, path): (String, String) = (row.get("method")?, row.get("path")?);
        let level: LogLevel = row.get::<String>("level")?.parse().map_err(Failure::from_error)?;
        let setting = found.entry(api.clone()).or_insert_with(|| LogSetting {
            api,
            level: LogLevel::Off,
            operations: Vec::new(),
        });
        match path.is_empty() {
            true => setting.level = level,
            false => setting.operations.push(OperationLog { method, path, level }),
        }
    }
    Ok(found)
}
