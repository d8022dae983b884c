//! SQL of roles that can be given to users.

use apim_core::model::Role;

use super::desk::{Read, Write};
use crate::error::Result;

pub(crate) async fn all(cx: &mut Read) -> Result<Vec<Role>> {
    let sql = "SELECT name FROM role WHERE tenant = $1 ORDER BY name COLLATE \"C\"";
    let rows = cx.rows(sql, []).await?;
    rows.iter().map(|row| Ok(Role::from(row.get::<String>(0)?))).collect()
}

/// Adds it; false if it exists.
pub(crate) async fn insert(cx: &mut Write, role: &Role) -> Result<bool> {
    let sql = "INSERT INTO role (tenant, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    Ok(cx.change(sql, [role.into()]).await? > 0)
}
