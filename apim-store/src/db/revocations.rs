//! SQL of revocations, and of what use cases must know of users before they revoke.

use apim_core::model::{Revocation, Role};

use super::desk::{Read, Write};
use crate::error::{Failure, Result};

/// Remembers a revocation; false if a later one of the same is remembered.
pub(crate) async fn put(cx: &mut Write, revocation: &Revocation) -> Result<bool> {
    let (kind, id, moment, expires_at) = match revocation {
        Revocation::Token { id, expires_at } => ("token", id.as_str(), *expires_at, Some(*expires_at)),
        Revocation::Client { client, before } => ("client", client.as_str(), *before, None),
        Revocation::User { user, before } => ("user", user.as_str(), *before, None),
    };
    // One that comes late must not refuse less than the one before it.
    let sql = "INSERT INTO revocation (tenant, kind, id, moment, expires_at, doc)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant, kind, id)
        DO UPDATE SET moment = excluded.moment, expires_at = excluded.expires_at, doc = excluded.doc
        WHERE excluded.moment > revocation.moment";
    let doc = serde_json::to_string(revocation).map_err(Failure::from_error)?;
    let args = [kind.into(), id.into(), moment.into(), expires_at.into(), doc.into()];
    Ok(cx.change(sql, args).await? > 0)
}

/// How many users have a role and are not locked out.
pub(crate) async fn holders(cx: &mut Read, role: &Role) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM user_role r JOIN app_user u ON u.tenant = r.tenant AND u.name = r.name
        WHERE r.tenant = $1 AND r.role = $2 AND u.locked = 0";
    Ok(cx.row(sql, [role.into()]).await?.map_or(Ok(0), |row| row.get::<i64>(0))?)
}
